package bench

import (
	"fmt"
	"html"
	"strings"
)

// A markup is HTML in the making. Package html/template would do the same, but it calls
// methods by their names at run time, which obliges the linker to keep every exported
// method of every type: that doubles the size of the command.
type markup struct{ strings.Builder }

// A literal is HTML written in this package. Untyped constants convert to it by
// themselves and strings do not, so that what a report says cannot become markup.
type literal string

// add appends HTML. Every value is escaped, so it may stand in text, or in an attribute
// within quotation marks, unless it is HTML itself: a literal or a vector.
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
