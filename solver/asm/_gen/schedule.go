package main

import "strings"

// terms is a set of the four terms of a word of the message schedule.
type terms uint8

const (
	termSigma1 terms = 1 << iota // smallSigma1(W[t-2])
	term7                        // W[t-7]
	termSigma0                   // smallSigma0(W[t-15])
	term16                       // W[t-16]
	allTerms   = termSigma1 | term7 | termSigma0 | term16
	oldTerms   = termSigma0 | term16
)

// String says what varies.
func (s terms) String() string {
	var names []string
	for i, name := range []string{"sigma1", "t-7", "sigma0", "t-16"} {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "constant"
	}
	return strings.Join(names, ", ")
}

// newSchedule returns the terms that vary, of each word of the schedule, when
// one word of the message does. Package asm adds up the others.
func newSchedule(vary int) (varying [64]terms) {
	varies := func(t int) bool { return t == vary || varying[t] != 0 }
	for t := 16; t < 64; t++ {
		for term, back := range map[terms]int{termSigma1: 2, term7: 7, termSigma0: 15, term16: 16} {
			if varies(t - back) {
				varying[t] |= term
			}
		}
	}
	return varying
}
