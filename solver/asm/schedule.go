package asm

import "github.com/gkpow/gkpow/solver/asm/internal/schedule"

// varying says, for each word of the message that may vary, which terms of the message schedule
// vary with it.
var varying = newVarying()

func newVarying() (v [16][64]schedule.Terms) {
	for vary := range v {
		v[vary] = schedule.Varying(vary)
	}
	return v
}
