package solver

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
	"github.com/gkpow/gkpow/solver/internal/cases"
)

// Solve finds the smallest nonce of an easy puzzle without a kernel.
func TestEasyPuzzlesNeedNoKernel(t *testing.T) {
	stage := newStage(20, 300)
	for _, cold := range []bool{true, false} {
		require.Equal(t, cold, stage.cold())
		rng := rand.New(rand.NewPCG(21, 0))
		for i := range 200 {
			p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(300)), Bits: rng.IntN(7)}
			o := Options{MinNonce: rng.Uint64N(1 << rng.IntN(40))}
			if i%2 == 0 {
				o.MaxNonce = o.MinNonce + 10_000
			}
			s, err := newSolver(o, stage.registry)
			require.NoError(t, err)
			before := stage.counts()
			solution, err := s.Solve(t.Context(), p)
			require.NoError(t, err)
			require.Equal(t, before, stage.counts(), "a kernel was called")
			checkSolution(t, p, solution)
			require.Equal(t, easyBackend, solution.Backend)
			require.Equal(t, []uint64{solution.Nonce}, solutions(p, o.MinNonce, solution.Nonce))
			require.Equal(t, solution.Nonce-o.MinNonce+1, solution.Hashes)
		}
		exhaust(t, stage.registry, unsolvable(oneBlock), Options{MaxNonce: 9000}) // warms up
	}
}

// Workers do not repeat the nonces tried on the calling goroutine, and those count too.
func TestWorkersGoOnAfterTheCaller(t *testing.T) {
	r := newStage(20, 300).registry
	rng := rand.New(rand.NewPCG(22, 0))
	for i := range 100 {
		p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(130)), Bits: MaxBits}
		shards := 1 + i%4
		least := rng.Uint64N(1 << rng.IntN(60))
		o := Options{MinNonce: least, MaxNonce: least + rng.Uint64N(20_000) + 1, Sequential: i%2 == 0}
		var total uint64
		for o.Shard = (Shard{0, shards}); o.Shard.Index < shards; o.Shard.Index++ {
			s, err := newSolver(o, r)
			require.NoError(t, err)
			sp := s.options.space(p)
			_, easy, err := tryFirst(t.Context(), p, &sp)
			require.NoError(t, err)
			run := &search{start: monotonic(), puzzle: p, easy: easy}
			require.NoError(t, s.search(t.Context(), run, sp))
			total += run.hashes()
		}
		require.Equal(t, o.MaxNonce-o.MinNonce+1, total, "%+v", o)
	}
}

// A sequential search finds the smallest nonce even if it lies beyond those tried on the calling
// goroutine.
func TestSequentialAfterTheCaller(t *testing.T) {
	later := 0
	for i := 0; i < 200; i += cases.Stride() {
		p := Puzzle{Prefix: []byte(strings.Repeat("long ", 40+i) + ":"), Bits: 10}
		s := mustNew(t, Options{Sequential: true})
		solution, err := s.Solve(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, []uint64{solution.Nonce}, solutions(p, 0, solution.Nonce))
		if solution.Backend != easyBackend {
			later++
		}
	}
	require.NotZero(t, later, "the calling goroutine solved every puzzle")
}

// garbage returns the bytes that a Solver allocates on average to solve a puzzle.
func garbage(t *testing.T, s *Solver, p Puzzle) uint64 {
	t.Helper()
	const times = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		_, err := s.Solve(t.Context(), p)
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / times
}

func TestEasyPuzzlesMakeLittleGarbage(t *testing.T) {
	p, err := NewPuzzle("7f8e9d0cab12cd34ef567890a1b2c3d4", 2)
	require.NoError(t, err)
	require.Less(t, garbage(t, mustNew(t, Options{}), p), uint64(2048))
}

// Searches hand their workers on to later searches.
func TestSearchesReuseWorkers(t *testing.T) {
	const workers = 16
	s := mustNew(t, Options{Workers: workers})
	p := Puzzle{Prefix: make([]byte, 33), Bits: easyColdBits + 1}
	require.Less(t, garbage(t, s, p), uint64(workers*unsafe.Sizeof(worker{})*3/4))
}

func TestEasyPuzzlesCheckTheContext(t *testing.T) {
	for _, prefix := range []int{0, 40, 1000, 100_000} {
		ctx := &countingContext{Context: t.Context(), left: 2}
		sp := space{prefix: prefix}
		_, hashes, err := tryFirst(ctx, Puzzle{Prefix: make([]byte, prefix), Bits: MaxBits}, &sp)
		if blocks := uint64(prefix/64 + 1); hashes*blocks > 2*easyHashes {
			t.Errorf("prefix of %d bytes: %d hashes on the calling goroutine", prefix, hashes)
		}
		if prefix <= 1000 {
			require.ErrorIs(t, err, context.Canceled)
		}
	}
}

// A kernel that the caller names solves easy puzzles too.
func TestNamedKernelsSolveEasyPuzzles(t *testing.T) {
	solution, err := mustNew(t, Options{Backend: asm.Generic().Name}).Solve(t.Context(), Puzzle{Bits: 1})
	require.NoError(t, err)
	require.Equal(t, asm.Generic().Name, solution.Backend)
}
