package solver

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
)

// faultyAfter returns a kernel that misses every hit in the given number of calls, and then reports
// wrong hits. Its grids cost almost nothing, so the planner uses them wherever possible.
func faultyAfter(calls int64) asm.Kernel {
	k := asm.Generic()
	k.Name = "faulty"
	var called atomic.Int64
	lie := func() int {
		if called.Add(1) <= calls {
			return -1
		}
		return 0
	}
	k.Scan = func(*asm.Block, []uint32) int { return lie() }
	k.ScanTails = func(*asm.States, []asm.Tail, uint32) int { return lie() }
	k.ScanGrid = func(*asm.Grid, []uint32) int { return lie() }
	k.ScanShared = func(*asm.Shared, []uint32) int { return lie() }
	for word := range k.Ops.Grid {
		k.Ops.Grid[word] = 1
	}
	return k
}

// A faultCase is a search with a kernel from faultyAfter.
type faultCase struct {
	puzzle   Puzzle
	options  Options
	want     []uint64 // the solutions among the allowed nonces
	registry *registry
}

func (m *faultCase) solver(t *testing.T) *Solver {
	t.Helper()
	s, err := newSolver(m.options, m.registry)
	require.NoError(t, err)
	return s
}

// caught reports whether the kernel was caught. If the search ended before that, it missed every
// solution, and nothing can reveal it.
func (m *faultCase) caught() bool { return m.registry.fault(m.registry.entries[0].kernel) != nil }

// eachFaultCase runs a test with kernels that are caught at the first call, after the last nonce
// that they can miss, or in between.
func eachFaultCase(t *testing.T, f func(t *testing.T, m *faultCase)) {
	for kind := range kinds {
		p := Puzzle{Prefix: unsolvable(kind).Prefix, Bits: 11} // few steps have hits
		const first, last = 1000, 39_999
		want := solutions(p, first, last)
		for _, workers := range []int{1, 3} {
			for _, calls := range []int64{0, 1, 2, 5, 11, 23, 47} {
				o := Options{MinNonce: first, MaxNonce: last, Workers: workers}
				m := &faultCase{p, o, want, testedRegistry(faultyAfter(calls), asm.Generic())}
				name := fmt.Sprintf("kind %d, %d workers, caught after %d calls", kind, workers, calls)
				t.Run(name, func(t *testing.T) {
					f(t, m)
					require.True(t, m.caught() || calls > 2, "the kernel was not caught")
				})
			}
		}
	}
}

// All finds the solutions that a kernel missed before it was caught.
func TestAllAfterMissedHits(t *testing.T) {
	eachFaultCase(t, func(t *testing.T, m *faultCase) {
		got, hashes, err := findAll(t, m.solver(t), m.puzzle)
		if !m.caught() {
			return
		}
		var fault *KernelFault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, "faulty", fault.Backend)
		require.Equal(t, m.options.MaxNonce-m.options.MinNonce+1, hashes)
		require.Equal(t, m.want, got)
	})
}

// A sequential search returns the smallest nonce even if a kernel missed it at first.
func TestSequentialAfterMissedHits(t *testing.T) {
	eachFaultCase(t, func(t *testing.T, m *faultCase) {
		m.options.Sequential = true
		solution, err := m.solver(t).Solve(t.Context(), m.puzzle)
		if !m.caught() {
			return
		}
		require.NoError(t, err)
		require.NotNil(t, solution.Fault)
		require.Equal(t, m.want[0], solution.Nonce)
		require.GreaterOrEqual(t, solution.Hashes, solution.Nonce-m.options.MinNonce+1)
	})
}

// Solve returns an ExhaustedError only if no nonce solves the puzzle, including the nonces that the
// faulty kernel searched. It counts each nonce once.
func TestExhaustedAfterMissedHits(t *testing.T) {
	eachFaultCase(t, func(t *testing.T, m *faultCase) {
		solution, err := m.solver(t).Solve(t.Context(), m.puzzle)
		if m.caught() {
			require.NoError(t, err)
			require.Contains(t, m.want, solution.Nonce)
		}
	})
	eachFaultCase(t, func(t *testing.T, m *faultCase) {
		m.puzzle.Bits = MaxBits
		_, err := m.solver(t).Solve(t.Context(), m.puzzle)
		var exhausted *ExhaustedError
		require.ErrorAs(t, err, &exhausted)
		require.Equal(t, m.options.MaxNonce-m.options.MinNonce+1, exhausted.Hashes)
	})
}

// All reports each nonce once, even if a kernel reported it correctly before it was caught.
func TestAllReportsOnce(t *testing.T) {
	for calls := range int64(60) {
		k := asm.Generic()
		k.Name = "turncoat"
		scan := k.Scan
		var called atomic.Int64
		k.Scan = func(b *asm.Block, words []uint32) int {
			if called.Add(1) > calls {
				return 0
			}
			return scan(b, words)
		}
		p := Puzzle{Prefix: []byte("turncoat:"), Bits: 7}
		requireFaultReported(t, testedRegistry(k, asm.Generic()), p, Options{MaxNonce: 9999, Workers: 1 + int(calls%3)})
	}
}

// A search survives two faulty kernels, caught one after the other.
func TestTwoFaults(t *testing.T) {
	r := testedRegistry(faultyAfter(3), faultyAfter(7), asm.Generic())
	r.entries[1].kernel.Name = "slier"
	p := Puzzle{Prefix: unsolvable(0).Prefix, Bits: 9}
	requireFaultReported(t, r, p, Options{MaxNonce: 59_999, Workers: 2})
	require.Error(t, r.fault(r.entries[1].kernel))
}

// A search starts over if another search catches a kernel that it has used, at any time, even after
// its last piece.
func TestFaultOfAnotherSearch(t *testing.T) {
	const last = 30_000
	p := Puzzle{Prefix: unsolvable(oneBlock).Prefix, Bits: 7}
	want := solutions(p, 0, last)
	calls := int64(1)
	for ; ; calls += 3 {
		var r *registry
		k := asm.Generic()
		k.Name = "blind"
		var called atomic.Int64
		k.Scan = func(*asm.Block, []uint32) int {
			if called.Add(1) == calls {
				r.disable(r.entries[0].kernel, &KernelFault{Backend: k.Name})
			}
			return -1
		}
		r = testedRegistry(k, asm.Generic())
		s, err := newSolver(Options{MaxNonce: last, Workers: 1 + int(calls%3)}, r)
		require.NoError(t, err)
		got, hashes, err := findAll(t, s, p)
		require.EqualValues(t, last+1, hashes)
		if called.Load() < calls {
			break // the search ended before that call
		}
		var fault *KernelFault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, want, got, "caught at call %d", calls)
	}
	require.Greater(t, calls, int64(20))
}
