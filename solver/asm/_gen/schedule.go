package main

import "github.com/gkpow/gkpow/solver/asm/internal/schedule"

// The terms of a word of the message schedule. Package asm adds up those that do not vary.
type terms = schedule.Terms

const (
	termSigma1 = schedule.Sigma1
	term7      = schedule.T7
	termSigma0 = schedule.Sigma0
	term16     = schedule.T16
	allTerms   = schedule.All
	oldTerms   = schedule.Old
)
