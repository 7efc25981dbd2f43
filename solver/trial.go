package solver

import (
	"cmp"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// A trial gives each kernel one slice of time per round.
const (
	trialRounds    = 6 // at most
	trialSlice     = 25 * time.Microsecond
	trialMinHashes = 32   // per slice
	trialMaxHashes = 2048 // per slice
	trialMinRow    = 900  // nonces per row; smaller rows do not show a kernel's full speed

	// trialAfter is the number of hashes that a worker tries before it starts a trial. If a search
	// ends sooner, the self-tests of further kernels would cost more than they save.
	trialAfter = 4096

	// After trialEarly rounds, kernels that take more than trialBehind times as long as the fastest
	// drop out.
	trialEarly  = 2
	trialBehind = 1.15
)

// A trial measures kernels in turn on one kind of layout. One worker at a time runs it.
type trial struct {
	now     func() time.Time
	kind    kind
	kernels []trialKernel
	round   int // completed rounds
	turn    int // index of the kernel whose turn it is

	began  time.Time // when the current turn began; zero if it has not
	size   uint64    // hashes in the current turn
	hashes uint64    // how many of them have been tried
}

// A trialKernel is a kernel in a trial.
type trialKernel struct {
	*asm.Kernel
	least float64 // lowest ns per hash in any turn; before the first round, the estimate
}

// next returns the kernel whose turn it is, and the maximum number of hashes in its next piece.
func (t *trial) next() (k *asm.Kernel, most uint64) {
	current := t.kernels[t.turn]
	if t.began.IsZero() {
		slice := float64(trialSlice.Nanoseconds()) / current.least
		t.size = uint64(min(max(trialMinHashes, slice), trialMaxHashes))
		t.began, t.hashes = t.now(), 0
	}
	return current.Kernel, min(t.size-t.hashes, uint64(current.MaxScan))
}

// record adds the hashes of a piece to the current turn. It returns true when the trial is over.
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
			t.kernels = slices.DeleteFunc(t.kernels, func(k trialKernel) bool { return k.least > behind })
		}
	}
	return t.over()
}

// interrupt restarts the current turn.
func (t *trial) interrupt() { t.began = time.Time{} }

func (t *trial) over() bool { return t.round == trialRounds || len(t.kernels) == 1 }

// fastest returns the kernel with the least time per hash, the first one on a tie.
func (t *trial) fastest() trialKernel {
	return slices.MinFunc(t.kernels, func(a, b trialKernel) int { return cmp.Compare(a.least, b.least) })
}
