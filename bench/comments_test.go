package bench

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every exported field says what it is, and in which unit.
func TestFieldsHaveComments(t *testing.T) {
	for _, dir := range []string{".", "../strategies", "../client/gktest", "../client/oauth2token"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok || !spec.Name.IsExported() {
					return true
				}
				fields, ok := spec.Type.(*ast.StructType)
				if !ok {
					return true
				}
				commented := false
				for _, field := range fields.Fields.List {
					// A comment also holds for the fields below it, up to an empty line or the
					// next comment.
					commented = field.Doc != nil || field.Comment != nil || commented && sameGroup(set, fields, field)
					if len(field.Names) > 0 && field.Names[0].IsExported() && !commented {
						t.Errorf("%s: %s.%s has no comment", set.Position(field.Pos()), spec.Name.Name, field.Names[0].Name)
					}
				}
				return true
			})
		}
	}
}

// sameGroup reports whether a field stands on the line below another one that has no
// comment at its end.
func sameGroup(set *token.FileSet, all *ast.StructType, field *ast.Field) bool {
	for i, f := range all.Fields.List {
		if f == field && i > 0 {
			before := all.Fields.List[i-1]
			return before.Comment == nil && set.Position(before.End()).Line+1 == set.Position(field.Pos()).Line
		}
	}
	return false
}
