package solver

import (
	"cmp"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// What a trial takes: a slice of time for each kernel in each round.
const (
	trialRounds    = 6
	trialSlice     = 25 * time.Microsecond
	trialMinHashes = 32
	trialMaxHashes = 2048
	trialMinRow    = 900 // smaller rows do not show what a kernel can do

	// trialAfter is how many hashes a worker tries before. A search that ends
	// sooner is not worth the self-tests of more kernels.
	trialAfter = 4096

	// Kernels that are slower than the fastest by this factor after so many rounds
	// take no part in the others.
	trialEarly  = 2
	trialBehind = 1.15
)

// A trial measures kernels in turn on one kind of layout. It belongs to one worker at
// a time.
type trial struct {
	now     func() time.Time
	kind    kind
	kernels []tried
	round   int // rounds that are over
	turn    int // whose turn it is

	began  time.Time // when the turn at hand began; zero if none has
	size   uint64    // how many hashes it has
	hashes uint64    // and how many of them have been tried
}

// A tried is a kernel in a trial.
type tried struct {
	*asm.Kernel
	least float64 // the shortest time for one hash, in ns; at first, that of the first look
}

// next returns the kernel whose turn it is, and the most hashes for its next piece.
func (t *trial) next() (k *asm.Kernel, most uint64) {
	current := t.kernels[t.turn]
	if t.began.IsZero() {
		slice := float64(trialSlice.Nanoseconds()) / current.least
		t.size = uint64(min(max(trialMinHashes, slice), trialMaxHashes))
		t.began, t.hashes = t.now(), 0
	}
	return current.Kernel, min(t.size-t.hashes, uint64(current.MaxScan))
}

// record takes the hashes of a piece. It returns true if the trial is over.
func (t *trial) record(hashes uint64) bool {
	if t.hashes += hashes; t.hashes < t.size {
		return false
	}
	current := &t.kernels[t.turn]
	elapsed := float64(t.now().Sub(t.began).Nanoseconds()) / float64(t.hashes)
	if t.round == 0 || elapsed < current.least {
		current.least = elapsed
	}
	t.interrupt()
	if t.turn++; t.turn == len(t.kernels) {
		t.turn = 0
		if t.round++; t.round >= trialEarly {
			behind := trialBehind * t.fastest().least
			t.kernels = slices.DeleteFunc(t.kernels, func(k tried) bool { return k.least > behind })
		}
	}
	return t.over()
}

// interrupt has the turn at hand begin again.
func (t *trial) interrupt() { t.began = time.Time{} }

func (t *trial) over() bool { return t.round == trialRounds || len(t.kernels) == 1 }

// fastest returns the kernel with the shortest time, the first of several.
func (t *trial) fastest() tried {
	return slices.MinFunc(t.kernels, func(a, b tried) int { return cmp.Compare(a.least, b.least) })
}
