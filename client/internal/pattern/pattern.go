// Package pattern compiles regular expressions on first use. Compiling all of them
// at startup would take longer than a command that needs none takes to run.
package pattern

import (
	"regexp"
	"sync"
)

// New returns a function that compiles the expression on its first call and
// returns the same Regexp from then on. The function panics if the expression is
// malformed. It is safe for concurrent use.
func New(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
