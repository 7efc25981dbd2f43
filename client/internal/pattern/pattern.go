// Package pattern keeps regular expressions from being compiled before they are
// needed: together they would take longer than a command does that needs none.
package pattern

import (
	"regexp"
	"sync"
)

// New returns a function that compiles the expression when it is first called. It
// panics then if the expression is malformed.
func New(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
