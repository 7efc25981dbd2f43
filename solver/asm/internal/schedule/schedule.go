// Package schedule determines which parts of the SHA-256 message schedule depend on a given word
// of the message. Package asm and the generator of its assembly share it.
package schedule

import "strings"

// Terms is a set of the four terms of a word of the message schedule, FIPS 180-4 section 6.2.2:
//
//	W[t] = smallSigma1(W[t-2]) + W[t-7] + smallSigma0(W[t-15]) + W[t-16]
type Terms uint8

const (
	Sigma1 Terms = 1 << iota // smallSigma1(W[t-2])
	T7                       // W[t-7]
	Sigma0                   // smallSigma0(W[t-15])
	T16                      // W[t-16]

	All = Sigma1 | T7 | Sigma0 | T16
	Old = Sigma0 | T16 // the terms of the two oldest words
)

// Back lists the distances from W[t] back to the words in its terms.
var Back = [...]struct {
	Term  Terms
	Words int
}{{Sigma1, 2}, {T7, 7}, {Sigma0, 15}, {T16, 16}}

// String lists the terms, as in "sigma1, t-7", or returns "constant" for none.
func (s Terms) String() string {
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

// Varying returns for each word of the schedule the set of terms that vary when the given word of
// the message varies. The set is empty for W[0] to W[15] and for words that stay constant.
func Varying(vary int) (varying [64]Terms) {
	varies := func(t int) bool { return t == vary || varying[t] != 0 }
	for t := 16; t < 64; t++ {
		for _, back := range Back {
			if varies(t - back.Words) {
				varying[t] |= back.Term
			}
		}
	}
	return varying
}
