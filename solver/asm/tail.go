package asm

import (
	"errors"
	"slices"
	"sync"
)

const (
	MaxStates = 32            // number of hash values in a States
	MaxHash   = 4 * MaxStates // maximum number of words for one call of Hash
)

// States holds MaxStates hash values, for example those of the first of two message blocks.
// Hash stores them and ScanTails continues from them. One goroutine owns it.
type States struct {
	// values is in an order that only the kernel knows.
	values [8 * MaxStates]uint32
}

// A Tail is the last block of a message, as K[t] + W[t]: its message schedule is computed
// once and then serves all hash values of the block before. Its words depend only on a few
// digits and the length of the message, so it also serves all prefixes of the same length.
type Tail [64]uint32

// Expand computes the message schedules of tails and adds the round constants. The first 16
// words of each tail are those of its block. On a Zen 3, a tail takes 13 ns with the CPU's SHA
// instructions, 30 ns with AVX2, and 120 ns in Go.
func Expand(tails []Tail) { fastestExpander()(tails) }

// An expander computes Expand with the instructions of a kernel.
type expander struct {
	kernel string
	expand func(tails []Tail)
}

// CPU cycles per tail, for Weights. CPUs on which a kernel with AVX-512 is the fastest have SHA
// instructions too.
const (
	expandSHACycles     = 90
	expandAVX2Cycles    = 140
	expandGenericCycles = 400
)

// fastestExpander returns the first of expanders that this CPU can run and that passes its
// self-test. A wrong one would make every kernel fail its own.
var fastestExpander = sync.OnceValue(func() func([]Tail) {
	for _, e := range expanders {
		if runs(e.kernel) && expandsRight(e.expand) {
			return e.expand
		}
	}
	return expandGeneric
})

// runs reports whether this CPU can run a kernel.
func runs(kernel string) bool {
	return slices.ContainsFunc(kernels, func(k Kernel) bool { return k.Name == kernel && k.Missing == "" })
}

func expandGeneric(tails []Tail) {
	for i := range tails {
		block := [16]uint32(tails[i][:])
		expand((*[64]uint32)(&tails[i]), &block)
	}
}

// selfTestExpand tests the code for Expand with the instructions of the kernel, if there is any.
func (k Kernel) selfTestExpand() error {
	for _, e := range expanders {
		if e.kernel == k.Name && !expandsRight(e.expand) {
			return errors.New("self-test: Expand is wrong")
		}
	}
	return nil
}

// expandsRight compares the function with expandGeneric.
func expandsRight(expand func([]Tail)) bool {
	for n := range 6 {
		got := make([]Tail, n+1) // and one that must not change
		for i := range got {
			for t := range 16 {
				got[i][t] = k[(3*n+5*i+t)%64]
			}
		}
		want := slices.Clone(got)
		expand(got[:n])
		expandGeneric(want[:n])
		if !slices.Equal(got, want) {
			return false
		}
	}
	return true
}

// FirstWord returns the first word of the hash value after the tail, given the hash value
// before it.
func (t *Tail) FirstWord(state *[8]uint32) uint32 {
	s := *state
	rounds(&s, (*[64]uint32)(t))
	return state[0] + s[0]
}
