package asm

// The four terms of a word of the message schedule, FIPS 180-4 section 6.2.2:
//
//	W[t] = smallSigma1(W[t-2]) + W[t-7] + smallSigma0(W[t-15]) + W[t-16]
const (
	termSigma1 = 1 << iota // smallSigma1(W[t-2])
	term7                  // W[t-7]
	termSigma0             // smallSigma0(W[t-15])
	term16                 // W[t-16]
	allTerms   = termSigma1 | term7 | termSigma0 | term16
)

// schedules says, for each word of the message that may vary, what varies with
// it.
var schedules = newSchedules()

// A schedule says which words of the message schedule vary when one word of the
// message does, and in which of their terms.
type schedule struct {
	// terms[t] holds the terms of W[t] that vary. It is zero for the words of
	// the message and for the words that stay constant.
	terms [64]uint8
}

func newSchedules() (s [16]schedule) {
	for vary := range s {
		s[vary] = newSchedule(vary)
	}
	return s
}

func newSchedule(vary int) schedule {
	var s schedule
	varies := func(t int) bool { return t == vary || s.terms[t] != 0 }
	for t := 16; t < 64; t++ {
		for term, back := range map[uint8]int{termSigma1: 2, term7: 7, termSigma0: 15, term16: 16} {
			if varies(t - back) {
				s.terms[t] |= term
			}
		}
	}
	return s
}
