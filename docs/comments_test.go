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

// unit is what a number that need not be whole is measured in.
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

// eachPublicFile calls f with every file of the packages that other modules can import,
// but for tests.
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
