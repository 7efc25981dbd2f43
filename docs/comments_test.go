package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unit matches the unit of a floating-point field in its comment.
var unit = regexp.MustCompile(`seconds?\b|per second|hertz|cycles|operations|degrees|CPUs|hashes|tokens|requests|` +
	`\bto 1\b|\b1 is\b|÷|times as|load average|SHA256RNDS2|\bunit\b`)

func isFloat(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.StarExpr:
		return isFloat(e.X)
	case *ast.ArrayType:
		return isFloat(e.Elt)
	case *ast.Ident:
		return e.Name == "float64"
	}
	return false
}

// Every exported field of an exported struct has a comment of its own, which says what
// it is, in which unit, and which values it may have.
func TestFieldsHaveComments(t *testing.T) {
	structs := 0
	eachPublicFile(t, func(set *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			structs++
			ast.Inspect(spec.Type, func(n ast.Node) bool {
				fields, ok := n.(*ast.StructType)
				if !ok {
					return true
				}
				for _, field := range fields.Fields.List {
					for _, name := range field.Names {
						if !name.IsExported() {
							continue
						}
						comment := field.Doc.Text() + field.Comment.Text()
						where := fmt.Sprintf("%s: %s.%s", set.Position(field.Pos()), spec.Name.Name, name.Name)
						if comment == "" {
							t.Errorf("%s has no comment", where)
						} else if isFloat(field.Type) && !unit.MatchString(comment) {
							t.Errorf("%s has a comment without a unit: %s", where, comment)
						}
					}
				}
				return true
			})
			return true
		})
	})
	require.Greater(t, structs, 100)
}

// Every exported function, method, type, constant and variable has a comment. A comment on a group
// of constants or variables counts for all of them.
func TestIdentifiersHaveComments(t *testing.T) {
	identifiers := 0
	eachPublicFile(t, func(set *token.FileSet, file *ast.File) {
		check := func(name *ast.Ident, comments ...*ast.CommentGroup) {
			if !name.IsExported() {
				return
			}
			identifiers++
			for _, c := range comments {
				if c.Text() != "" {
					return
				}
			}
			t.Errorf("%s: %s has no comment", set.Position(name.Pos()), name.Name)
		}
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if receiver(d).IsExported() {
					check(d.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						check(spec.Name, d.Doc, spec.Doc)
						if methods, ok := spec.Type.(*ast.InterfaceType); ok && spec.Name.IsExported() {
							for _, method := range methods.Methods.List {
								for _, name := range method.Names {
									check(name, method.Doc, method.Comment)
								}
							}
						}
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							check(name, d.Doc, spec.Doc, spec.Comment)
						}
					}
				}
			}
		}
	})
	require.Greater(t, identifiers, 400)
}

// receiver returns the type of a method's receiver, or the name of a function.
func receiver(d *ast.FuncDecl) *ast.Ident {
	if d.Recv == nil {
		return d.Name
	}
	expr := d.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.Ident:
			return e
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		default:
			return d.Name
		}
	}
}

// eachPublicFile calls f with every file, except tests, of the packages that other modules can
// import.
func eachPublicFile(t *testing.T, f func(*token.FileSet, *ast.File)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			hidden := name != ".." && strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
			if hidden || name == "internal" || name == "testdata" || name == "cmd" || name == "docs" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		require.NoError(t, err)
		if file.Name.Name != "main" {
			f(set, file)
		}
		return nil
	}))
}
