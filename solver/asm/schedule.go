package asm

import "github.com/gkpow/gkpow/solver/asm/internal/schedule"

// varying[v][t] is the set of terms of W[t] that vary with word v of the message.
var varying = newVarying()

func newVarying() (v [16][64]schedule.Terms) {
	for vary := range v {
		v[vary] = schedule.Varying(vary)
	}
	return v
}
