package bench

import (
	"fmt"
	"html"
	"strings"
)

// A markup builds HTML. Package html/template could do it too, but it looks up methods by
// name at run time, so the linker must keep every exported method of every type, which
// doubles the size of the command.
type markup struct{ strings.Builder }

// A literal is HTML written in this package. Untyped constants convert to it implicitly and
// strings do not, so text from a report cannot become markup by mistake.
type literal string

// add appends HTML. It escapes every value for use in text or in a quoted attribute, except
// a literal or a vector, which is HTML already.
func (m *markup) add(format literal, values ...any) {
	for i, v := range values {
		switch v := v.(type) {
		case literal, vector:
		default:
			values[i] = html.EscapeString(fmt.Sprint(v))
		}
	}
	fmt.Fprintf(m, string(format), values...)
}
