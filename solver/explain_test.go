package solver

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
)

func explain(t *testing.T, s *stage, o Options, p Puzzle) Plan {
	t.Helper()
	solver, err := newSolver(o, s.registry)
	require.NoError(t, err)
	plan, err := solver.Explain(t.Context(), p)
	require.NoError(t, err)
	return plan
}

// Explain describes the plan that a search follows.
func TestExplainIsThePlan(t *testing.T) {
	stage := newStage(3000, 2000, 5000)
	rng := rand.New(rand.NewPCG(6, 0))
	for _, o := range []Options{{}, {Sequential: true}, {MaxNonce: 12345}, {Shard: Shard{1, 3}}, {Backend: "k2"}} {
		p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(130)), Bits: 24}
		plan := explain(t, stage, o, p)
		k, _ := stage.named(plan.Backend)
		segments := o.plan(o.space(p), allKinds(k)).segments
		require.Len(t, plan.Segments, len(segments))
		reached := 1.0
		for i, s := range plan.Segments {
			require.Equal(t, [3]uint64{uint64(segments[i].width), segments[i].first, segments[i].last},
				[3]uint64{uint64(s.Width), s.First, s.Last})
			require.InDelta(t, reached, s.Reached, 1e-9)
			first := plan.Segments[0]
			require.InEpsilon(t, first.HashRate*first.OpsPerHash, s.HashRate*s.OpsPerHash, 1e-9)
			reached *= 1 - s.Chance
		}
		require.InDelta(t, reached, plan.Missed(math.MaxInt64), 1e-9)
		if o.Backend == "" {
			require.Equal(t, "k1 the fastest measured", plan.Backend+" "+plan.Why)
		} else {
			require.Equal(t, "k2 asked for", plan.Backend+" "+plan.Why)
		}
	}
}

// Outline gives the plan of Explain without its rates, and runs no kernel.
func TestOutline(t *testing.T) {
	stage := newStage(3000, 2000, 5000)
	rng := rand.New(rand.NewPCG(7, 0))
	for _, o := range []Options{{}, {Sequential: true}, {MaxNonce: 12345}, {Shard: Shard{1, 3}}, {Backend: "k2"}} {
		p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(130)), Bits: 24}
		want := explain(t, stage, o, p)
		solver, err := newSolver(o, stage.registry)
		require.NoError(t, err)
		before := stage.counts()
		got, err := solver.Outline(p)
		require.NoError(t, err)
		require.Equal(t, before, stage.counts())
		if o.Backend == "" {
			require.Equal(t, "the fastest by a short measurement", got.Why)
			want.Why = got.Why
		}
		want.HashRate = 0
		for i := range want.Segments {
			want.Segments[i].HashRate = 0
		}
		if want.Sequential != nil {
			want.Sequential = &SequentialPlan{}
		}
		require.Equal(t, want, got)
	}
}

// Explain compares numeric order with any order: numeric order does not exceed its bound, and the
// bound is low if smaller nonces take two blocks.
func TestExplainSequential(t *testing.T) {
	stage := newStage(1000, 2000)
	for _, test := range []struct {
		salt             int
		reached, allowed float64 // least HashRate / Bound, most Bound / AnyOrder
	}{
		{32, 0.95, 1.05}, {48, 0.95, 0.6}, {56, 0.95, 0.75}, {60, 0.75, 1.05}, {64, 0.95, 1.05},
	} {
		p := Puzzle{Prefix: make([]byte, test.salt+1), Bits: 24}
		require.Nil(t, explain(t, stage, Options{}, p).Sequential)
		plan := explain(t, stage, Options{Sequential: true, MaxNonce: MaxSafeInteger}, p)
		s := plan.Sequential
		require.LessOrEqual(t, s.HashRate, s.Bound, test.salt)
		require.GreaterOrEqual(t, s.HashRate, test.reached*s.Bound, test.salt)
		require.LessOrEqual(t, s.Bound, test.allowed*s.AnyOrder, test.salt)
		require.InEpsilon(t, plan.HashRate, s.HashRate, 0.7, test.salt)

		// The time includes tables and the nonces above the solution.
		average := plan.Time()
		plan.Sequential = nil
		require.LessOrEqual(t, plan.Time(), average, test.salt)
		require.GreaterOrEqual(t, float64(plan.Time()), test.reached*float64(average), test.salt)
	}
}

func TestExplainTimes(t *testing.T) {
	stage := newStage(1000, 2000)
	p := Puzzle{Prefix: make([]byte, 33), Bits: 24}
	plan := explain(t, stage, Options{Workers: 4}, p)
	require.Equal(t, MaxInt32, plan.MaxNonce)
	main := plan.Segments[0]
	require.InEpsilon(t, 1e6, plan.HashRate, 1e-6)
	require.InEpsilon(t, 1e6, main.HashRate, 1e-6)
	require.InEpsilon(t, 1<<24, plan.Hashes, 1e-9)
	require.InEpsilon(t, math.Ldexp(1, 24)/4e6, plan.Time().Seconds(), 0.02)

	// Quantile and Missed are inverses of each other.
	for _, chance := range []float64{1e-6, 0.5, 0.95, 0.99} {
		d, ok := plan.Quantile(chance)
		require.True(t, ok)
		require.InEpsilon(t, chance, 1-plan.Missed(d), 1e-3) // d is whole nanoseconds
	}
	median, _ := plan.Quantile(0.5)
	require.InEpsilon(t, math.Ln2*math.Ldexp(1, 24)/4e6, median.Seconds(), 0.02)

	// With 0 bits the first hash is a solution; with 256 no amount of time is enough.
	easy := explain(t, stage, Options{}, Puzzle{})
	require.Equal(t, 1.0, easy.Hashes)
	require.Zero(t, easy.Missed(time.Second))
	hard := explain(t, stage, Options{}, Puzzle{Bits: MaxBits})
	require.Equal(t, 1.0, hard.Missed(math.MaxInt64))
	_, ok := hard.Quantile(0.5)
	require.False(t, ok)
	require.Positive(t, hard.Time())
	few := explain(t, stage, Options{MaxNonce: 9}, Puzzle{Bits: 4})
	require.Len(t, few.Segments, 1)
	require.InEpsilon(t, math.Pow(15.0/16, 10), few.Missed(time.Hour), 1e-9)
	require.Equal(t, 1.0, few.Missed(0))
}

func TestExplainErrors(t *testing.T) {
	stage := newStage(1000, 2000)
	s, err := newSolver(Options{MaxNonce: 3, Shard: Shard{0, 1000}}, stage.registry)
	require.NoError(t, err)
	_, err = s.Explain(t.Context(), Puzzle{Bits: 4})
	require.ErrorIs(t, err, ErrExhausted)
	_, err = s.Outline(Puzzle{Bits: 4})
	require.ErrorIs(t, err, ErrExhausted)
	_, err = s.Explain(t.Context(), Puzzle{Bits: -1})
	var invalid *PuzzleError
	require.ErrorAs(t, err, &invalid)
	_, err = s.Outline(Puzzle{Bits: -1})
	require.ErrorAs(t, err, &invalid)

	faulty := stage.entries[0].kernel
	faulty.Scan, faulty.ScanGrid = wrongScans["first"], asm.ByChunks(wrongScans["first"])
	stage.entries[0].tested = testedAll
	s, err = newSolver(Options{Backend: "k0"}, stage.registry)
	require.NoError(t, err)
	_, err = s.Explain(t.Context(), Puzzle{Bits: 4})
	var fault *KernelFault
	require.ErrorAs(t, err, &fault)
}

// Explain does not measure a kernel that is far too slow: with tails, only few slices would show
// how slow it is.
func TestExplainLeavesOutSlowKernels(t *testing.T) {
	stage := newStage(5000, 40, 300)
	slow := stage.entries[0].kernel
	slow.ScanTails = func(s *asm.States, tails []asm.Tail, mask uint32) int {
		t.Error("Explain measures a slow kernel")
		return -1
	}
	plan := explain(t, stage, Options{}, Puzzle{Prefix: make([]byte, 57), Bits: 24})
	require.Equal(t, "k1", plan.Backend)
}

// WiderLimit.Speedup is the ratio of the two searches' costs.
func TestExplainWider(t *testing.T) {
	stage := newStage(1000)
	cost := func(prefix int, limit uint64) (ops float64) {
		o, before := odds{24}, 0.0
		k := stage.entries[0].kernel
		for _, s := range newPlan(space{prefix: prefix, bits: 24, limit: limit}, allKinds(k)).segments {
			ops += o.missed(before) * o.expected(s.nonces()) * s.cost
			before += s.nonces()
		}
		return ops / o.found(before)
	}
	for _, prefix := range []int{0, 33, 47, 49, 57, 63} {
		plan := explain(t, stage, Options{MaxNonce: MaxInt32}, Puzzle{Prefix: make([]byte, prefix), Bits: 24})
		got := map[uint64]float64{}
		for _, l := range plan.Wider {
			got[l.MaxNonce] = l.Speedup
		}
		for _, limit := range []uint64{MaxSafeInteger, math.MaxUint64} {
			if speedup := cost(prefix, MaxInt32) / cost(prefix, limit); speedup >= 1.005 {
				require.InEpsilon(t, speedup, got[limit], 1e-6, "prefix of %d bytes, limit %d", prefix, limit)
			} else {
				require.NotContains(t, got, limit)
			}
		}
	}
	require.Empty(t, explain(t, stage, Options{MaxNonce: math.MaxUint64}, Puzzle{Bits: 24}).Wider)
}
