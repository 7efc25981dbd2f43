package solver

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
)

// solutions returns the nonces of a range that solve the puzzle, in order. It tries each of them.
func solutions(p Puzzle, first, last uint64) (nonces []uint64) {
	for nonce := first; ; nonce++ {
		if p.Solves(nonce) {
			nonces = append(nonces, nonce)
		}
		if nonce == last {
			return nonces
		}
	}
}

// mustFindAll returns the nonces that All finds, sorted, and the number of hashes. It checks each
// solution.
func mustFindAll(t *testing.T, s *Solver, p Puzzle) (nonces []uint64, hashes uint64) {
	t.Helper()
	var found []Solution
	hashes, err := s.All(t.Context(), p, func(solution Solution) bool {
		found = append(found, solution)
		return true
	})
	require.NoError(t, err)
	for _, solution := range found {
		checkSolution(t, p, solution)
		require.LessOrEqual(t, solution.Hashes, hashes)
		nonces = append(nonces, solution.Nonce)
	}
	slices.Sort(nonces)
	return nonces, hashes
}

// findAll returns the nonces that All reports, sorted, and its results.
func findAll(t *testing.T, s *Solver, p Puzzle) (nonces []uint64, hashes uint64, err error) {
	t.Helper()
	hashes, err = s.All(t.Context(), p, func(solution Solution) bool {
		nonces = append(nonces, solution.Nonce)
		return true
	})
	slices.Sort(nonces)
	return nonces, hashes, err
}

// All finds the same solutions as a test of every nonce, and tries each nonce once, wherever the
// range begins and ends and wherever the digits fall in the message.
func TestAllFindsEverything(t *testing.T) {
	starts := []uint64{0, 1, 5, 9, 10, 97, 990, 9_900, 12_345, 99_000, 999_990, 9_999_500, 123_456_789,
		9_999_999_000, MaxSafeInteger - 3000, 9_999_999_999_999_000, 9_999_999_999_999_999_000,
		math.MaxUint64 - 1500, math.MaxUint64 - 3}
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		rng := rand.New(rand.NewPCG(11, 0))
		for i, first := range slices.Repeat(starts, 1+2/thin(k)) {
			p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(130)), Bits: rng.IntN(11)}
			last := first + min(1+rng.Uint64N(3000), math.MaxUint64-first)
			o := Options{Backend: k.Name, Workers: 1 + i%3, Sequential: i%2 == 0, MinNonce: first, MaxNonce: last}
			got, hashes := mustFindAll(t, mustNew(t, o), p)
			require.Equal(t, solutions(p, first, last), got,
				"prefix of %d bytes, %d bits, %d to %d", len(p.Prefix), p.Bits, first, last)
			require.Equal(t, last-first+1, hashes)
		}
	})
}

// The same for ranges long enough to be searched in grids. The search uses one kernel that makes
// grids the cheapest layout; other kernels would search the same plan.
func TestAllFindsEverythingInGrids(t *testing.T) {
	k := newStage(20).entries[0].kernel
	for word := range k.Ops.Grid {
		k.Ops.Grid[word] = 1
	}
	rng := rand.New(rand.NewPCG(12, 0))
	starts := []uint64{
		1000, 10_007, 123_456, 8_765_432, 999_990_000, 4_294_900_000, 9_007_199_254_000_000,
	}
	for i, first := range starts {
		p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(50)), Bits: 5 + rng.IntN(4)}
		last := first + 30_000 + rng.Uint64N(90_000)
		s, err := newSolver(Options{Workers: 1 + i%3, MinNonce: first, MaxNonce: last}, testedRegistry(*k, asm.Generic()))
		require.NoError(t, err)
		got, hashes := mustFindAll(t, s, p)
		require.Equal(t, solutions(p, first, last), got,
			"prefix of %d bytes, %d bits, %d to %d", len(p.Prefix), p.Bits, first, last)
		require.Equal(t, last-first+1, hashes)
	}
}

// The same for ranges that begin and end among chunks that share blocks.
func TestAllFindsEverythingInSharedBlocks(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		rng := rand.New(rand.NewPCG(13, 0))
		sharing, calls := sharer(k)
		for inner := 1; inner <= 18; inner += thin(k) { // digits in the first block
			p := Puzzle{Prefix: randomPrefix(rng, 64-inner), Bits: 5 + rng.IntN(4)}
			width := min(maxWidth, inner+2+rng.IntN(2))
			first, last, _ := widthRange(width, math.MaxUint64)
			first += rng.Uint64N((last - first) / 2)
			last = min(last, first+rng.Uint64N(10*pow10[width-inner]))
			s, err := newSolver(Options{Workers: 1 + inner%3, MinNonce: first, MaxNonce: last},
				testedRegistry(sharing, asm.Generic()))
			require.NoError(t, err)
			got, hashes := mustFindAll(t, s, p)
			require.Equal(t, solutions(p, first, last), got,
				"prefix of %d bytes, %d bits, %d to %d", len(p.Prefix), p.Bits, first, last)
			require.Equal(t, last-first+1, hashes)
		}
		require.Positive(t, calls.Load())
	})
}

func TestAllShards(t *testing.T) {
	const first, last, shards = 950, 20_000, 7
	p := Puzzle{Prefix: []byte("all shards:"), Bits: 6}
	var all []uint64
	var hashes uint64
	for i := range shards {
		nonces, n := mustFindAll(t, mustNew(t, Options{MinNonce: first, MaxNonce: last, Shard: Shard{i, shards}}), p)
		all = append(all, nonces...)
		hashes += n
	}
	slices.Sort(all)
	require.Equal(t, solutions(p, first, last), all)
	require.EqualValues(t, last-first+1, hashes)
}

// With one worker, a sequential search reports solutions in numeric order.
func TestAllInOrder(t *testing.T) {
	p := Puzzle{Prefix: []byte("in order:"), Bits: 4}
	var got []uint64
	s := mustNew(t, Options{MinNonce: 7, MaxNonce: 30_000, Sequential: true, Workers: 1})
	_, err := s.All(t.Context(), p, func(solution Solution) bool {
		got = append(got, solution.Nonce)
		return true
	})
	require.NoError(t, err)
	require.Equal(t, solutions(p, 7, 30_000), got)
}

// All makes no call after the one that returns false, and counts the hashes up to that solution.
func TestAllUntilEnough(t *testing.T) {
	p := Puzzle{Prefix: []byte("enough:"), Bits: 5}
	const last = 200_000
	want := solutions(p, 0, last)
	for n := 1; n < 40; n += 3 {
		for _, workers := range []int{1, 4} {
			calls := 0
			s := mustNew(t, Options{MaxNonce: last, Sequential: true, Workers: workers})
			hashes, err := s.All(t.Context(), p, func(solution Solution) bool {
				calls++
				return calls != n
			})
			require.NoError(t, err)
			require.Equal(t, n, calls)
			if workers == 1 {
				require.Equal(t, want[n-1]+1, hashes)
			}
			require.LessOrEqual(t, hashes, uint64(last+1))
		}
	}
}

// Workers that are waiting to report a solution when found returns false do not report it. The
// context no longer matters by then.
func TestAllEnoughIsEnough(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	hashes, err := mustNew(t, Options{Workers: 4}).All(ctx, Puzzle{}, func(Solution) bool {
		calls++
		time.Sleep(10 * time.Millisecond) // let the other workers reach their first solutions
		cancel()
		return false
	})
	require.NoError(t, err)
	require.Equal(t, 1, calls)
	require.NotZero(t, hashes)
}

// When the context ends a search, every nonce counted has been reported.
func TestAllStops(t *testing.T) {
	p := Puzzle{Prefix: []byte("stops:"), Bits: 0}
	for _, workers := range []int{1, 3} {
		ctx, cancel := context.WithCancel(t.Context())
		s := mustNew(t, Options{Workers: workers})
		var calls uint64
		hashes, err := s.All(ctx, p, func(Solution) bool {
			if calls++; calls == 2000 {
				cancel()
			}
			return true
		})
		var stopped *StoppedError
		require.ErrorAs(t, err, &stopped)
		require.ErrorIs(t, err, context.Canceled)
		require.GreaterOrEqual(t, hashes, uint64(2000))
		require.Equal(t, hashes, stopped.Hashes)
		require.Equal(t, hashes, calls, "every nonce is a solution")
	}
}

// All checks the context after each solution, since the callback takes time.
func TestAllChecksTheContextAfterSolutions(t *testing.T) {
	ctx := &countingContext{Context: t.Context(), left: 20}
	hashes, err := mustNew(t, Options{Workers: 1}).All(ctx, Puzzle{}, func(Solution) bool { return true })
	require.ErrorIs(t, err, context.Canceled)
	require.LessOrEqual(t, hashes, uint64(20))
}

func TestAllProgress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	const last = 1 << 40
	calls := 0
	s := mustNew(t, Options{MaxNonce: last, ProgressInterval: time.Millisecond, Progress: func(p Progress) {
		if calls++; calls == 5 {
			cancel()
		}
		if p.HashRate > 0 {
			require.InEpsilon(t, (last-float64(p.Hashes))/p.HashRate, p.Remaining.Seconds(), 1e-6)
		}
	}})
	_, err := s.All(ctx, Puzzle{Prefix: []byte("all:"), Bits: 24}, func(Solution) bool { return true })
	require.ErrorIs(t, err, context.Canceled)
	require.GreaterOrEqual(t, calls, 5)
}

func TestAllRejectsInvalidArguments(t *testing.T) {
	s := mustNew(t, Options{})
	_, err := s.All(t.Context(), Puzzle{Bits: -1}, func(Solution) bool { return true })
	var invalid *PuzzleError
	require.ErrorAs(t, err, &invalid)
	_, err = s.All(t.Context(), Puzzle{}, nil)
	require.ErrorContains(t, err, "needs a function")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.All(ctx, Puzzle{}, func(Solution) bool { panic("found was called") })
	require.ErrorIs(t, err, context.Canceled)
}

// A kernel that reports wrong hits changes nothing but the error.
func TestAllWithFaultyKernel(t *testing.T) {
	for name, scan := range wrongScans {
		t.Run(name, func(t *testing.T) {
			p := Puzzle{Prefix: []byte("faulty:"), Bits: 6}
			requireFaultReported(t, testedRegistry(broken("broken", scan), asm.Generic()), p,
				Options{Backend: "broken", MinNonce: 50, MaxNonce: 5000, Workers: 2})
		})
	}
}

// Solve respects MinNonce, whatever the other options.
func TestMinNonce(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 0))
	for i := range 60 {
		p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(130)), Bits: rng.IntN(10)}
		least := rng.Uint64N(1 << rng.IntN(54))
		o := Options{MinNonce: least, Sequential: i%2 == 0}
		if i%4 < 2 {
			o.Backend = "generic" // makes workers search the first nonces too
		}
		solution, err := mustNew(t, o).Solve(t.Context(), p)
		require.NoError(t, err)
		checkSolution(t, p, solution)
		require.GreaterOrEqual(t, solution.Nonce, least)
		require.LessOrEqual(t, solution.Nonce, MaxSafeInteger)
		if i%2 == 0 {
			require.Equal(t, []uint64{solution.Nonce}, solutions(p, least, solution.Nonce),
				"the smallest from %d", least)
		}
	}
	p := Puzzle{Prefix: []byte("exhausted:"), Bits: MaxBits}
	for _, sequential := range []bool{false, true} {
		_, err := mustNew(t, Options{MinNonce: 95, MaxNonce: 1004, Sequential: sequential}).Solve(t.Context(), p)
		require.EqualError(t, err,
			"solver: nonce space exhausted: none of the 910 nonces from 95 to 1004 solves the puzzle")
	}
}

// The default limit leaves enough nonces above MinNonce.
func TestMinNonceAndDefaultLimit(t *testing.T) {
	for _, test := range []struct {
		least uint64
		bits  int
		want  uint64
	}{
		{0, 24, MaxInt32},
		{1_000_000_000, 24, MaxInt32},
		{2_100_000_000, 24, MaxSafeInteger}, // the nonces up to MaxInt32 hold three solutions on average
		{2_100_000_000, 8, MaxInt32},
		{MaxInt32, 8, MaxSafeInteger},
		{MaxInt32 + 1, 8, MaxSafeInteger},
		{MaxSafeInteger, 8, MaxSafeInteger},
	} {
		o := Options{MinNonce: test.least}
		for _, shard := range []Shard{{}, {1, 3}} {
			o.Shard = shard
			sp := o.space(Puzzle{Prefix: make([]byte, 33), Bits: test.bits})
			p := o.plan(sp, allKinds(new(asm.Generic())))
			require.Equal(t, test.want, p.space.limit, "from %d, %d bits, shard %v", test.least, test.bits, shard)
			require.NotEmpty(t, p.why)
		}
	}
	s := mustNew(t, Options{MinNonce: 5_000_000_000})
	plan, err := s.Explain(t.Context(), Puzzle{Prefix: []byte("explain:"), Bits: 8})
	require.NoError(t, err)
	for _, s := range plan.Segments {
		require.GreaterOrEqual(t, s.First, uint64(5_000_000_000))
	}
}

func TestInvalidMinNonce(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{MinNonce: 8, MaxNonce: 7}, "solver: the smallest nonce, 8, is above the largest, 7"},
		{
			Options{MinNonce: MaxSafeInteger + 1},
			"solver: the smallest nonce, 9007199254740992, is above 9007199254740991: set the largest nonce too",
		},
	} {
		_, err := New(test.o)
		require.EqualError(t, err, test.want)
	}
	for _, o := range []Options{
		{MinNonce: 7, MaxNonce: 7},
		{MinNonce: MaxSafeInteger},
		{MinNonce: math.MaxUint64, MaxNonce: math.MaxUint64},
	} {
		mustNew(t, o)
	}
}

// A small range takes few rows, even if the best layout for its whole width would scatter it over
// many.
func TestFewNoncesAreInFewChunks(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		for prefix := range 64 {
			for width := 1; width <= maxWidth; width++ {
				first, last, _ := widthRange(width, math.MaxUint64)
				for _, n := range []uint64{1, 30, 1000, 100_000} {
					n = min(n, last-first+1)
					for _, least := range []uint64{first, first + (last-first)/3, last - n + 1} {
						least = min(least, last-n+1)
						sp := space{prefix: prefix, least: least, limit: least + n - 1}
						for _, seg := range newPlan(sp, allKinds(&k)).segments {
							from, to := seg.rows()
							if (to-from)*seg.together() > n/4+50 {
								t.Fatalf("prefix of %d bytes: %d rows for the %d nonces from %d",
									prefix, to-from, n, least)
							}
						}
					}
				}
			}
		}
	})
}
