package solver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
)

// trusting returns a registry of kernels that have passed the self-test, or so
// it believes.
func trusting(table ...asm.Kernel) *registry {
	r := newRegistry(table)
	for i := range r.entries {
		r.entries[i].tested = true
	}
	return r
}

// A stage is a table of kernels that do what the generic one does, and take
// time by a clock of its own.
type stage struct {
	*registry
	clock atomic.Int64    // ns
	calls []*atomic.Int64 // of Scan, by kernel
}

// newStage returns a stage with one kernel, named k0, k1 and so on, for each
// time that a hash takes, in ns.
func newStage(times ...int) *stage {
	s := &stage{}
	var table []asm.Kernel
	for i, hash := range times {
		calls := new(atomic.Int64)
		s.calls = append(s.calls, calls)
		k, generic := asm.Generic(), asm.Generic()
		k.Name = fmt.Sprintf("k%d", i)
		scan, scanTails := k.Scan, k.ScanTails
		k.Scan = func(b *asm.Block, words []uint32) int {
			calls.Add(1)
			s.clock.Add(int64(hash * len(words)))
			return scan(b, words)
		}
		k.ScanTails = func(states *asm.States, tails []asm.Tail, mask uint32) int {
			calls.Add(1)
			s.clock.Add(int64(hash * asm.MaxStates * len(tails)))
			return scanTails(states, tails, mask)
		}
		k.ScanGrid = func(g *asm.Grid, words []uint32) int {
			calls.Add(1)
			s.clock.Add(int64(hash * asm.GridLanes * len(words)))
			return generic.ScanGrid(g, words)
		}
		for word, ops := range k.Ops.Scan {
			k.Ops.Grid[word] = ops * asm.GridLanes * 9 / 10
		}
		table = append(table, k)
	}
	s.registry = newRegistry(table)
	s.now = func() time.Time { return time.Unix(0, s.clock.Load()) }
	return s
}

// exhaust searches all nonces up to a limit and finds nothing.
func exhaust(t *testing.T, r *registry, p Puzzle, o Options) {
	t.Helper()
	s, err := newSolver(o, r)
	require.NoError(t, err)
	_, err = s.Solve(t.Context(), p)
	var exhausted *ExhaustedError
	require.ErrorAs(t, err, &exhausted)
	require.Equal(t, o.MaxNonce-o.MinNonce+1, exhausted.Hashes)
}

// prefixOfKind holds prefix lengths after which nonces of 5 digits have layouts
// of a kind.
var prefixOfKind = [kinds]int{35, 56, 61, 34}

// unsolvable returns a puzzle of which nonces of 4 digits and more have large
// chunks of a kind.
func unsolvable(kind int) Puzzle {
	return Puzzle{Prefix: make([]byte, prefixOfKind[kind]), Bits: MaxBits}
}

func TestTheFastestKernelIsChosen(t *testing.T) {
	for name, test := range map[string]struct {
		times          []int
		begins, chosen int
	}{
		"the first":        {[]int{10, 20, 400}, 0, 0},
		"the second":       {[]int{20, 10, 400}, 0, 1},
		"the last":         {[]int{40, 20, 10}, 0, 2},
		"of equal ones":    {[]int{20, 10, 10}, 0, 1},
		"by a clock stuck": {[]int{0, 0, 0}, 0, 0},
		"the only one":     {[]int{10}, 0, 0},
		"none hopeless":    {[]int{41, 20, 10}, 1, 2},
	} {
		for kind := range kinds {
			t.Run(fmt.Sprintf("%s, kind %d", name, kind), func(t *testing.T) {
				s := newStage(test.times...)
				k, chosen, err := s.pick(kind)
				require.NoError(t, err)
				require.False(t, chosen)
				require.Same(t, s.entries[test.begins].kernel, k, "the first that may be the fastest begins")

				exhaust(t, s.registry, unsolvable(kind), Options{MaxNonce: 39_999, Workers: 1})
				k, chosen, err = s.pick(kind)
				require.NoError(t, err)
				require.True(t, chosen)
				require.Same(t, s.entries[test.chosen].kernel, k)
				for other := range kinds {
					k, chosen, err = s.pick(other)
					require.NoError(t, err)
					require.True(t, chosen || other != kind)
					require.Same(t, s.entries[test.chosen].kernel, k, "the other kinds begin with it")
				}

				// The choice is remembered: the others are not called again.
				before := s.counts()
				exhaust(t, s.registry, unsolvable(kind), Options{MinNonce: 10_000, MaxNonce: 99_999, Workers: 1})
				for i, now := range s.counts() {
					require.Equal(t, i == test.chosen, now > before[i], "kernel %d", i)
				}
			})
		}
	}
}

func (s *stage) counts() (counts []int64) {
	for _, calls := range s.calls {
		counts = append(counts, calls.Load())
	}
	return counts
}

// A trial takes little time of every kernel, also of slow ones, and less than
// two milliseconds in total.
func TestTrialIsShort(t *testing.T) {
	for _, times := range [][]int{{13, 17, 250}, {250, 17, 13, 70}, {5, 1500}} {
		s := newStage(times...)
		trial, _ := s.startTrial(0)
		var total time.Duration
		for done := false; !done; {
			i := trial.turn % len(times)
			k, words := trial.next()
			require.Same(t, s.entries[i].kernel, k)
			elapsed := time.Duration(times[i] * words)
			require.LessOrEqual(t, elapsed, 2*trialSlice)
			total += elapsed
			done = trial.record(uint64(words), elapsed)
		}
		require.Less(t, total, 2*time.Millisecond, "%v", times)
	}
}

// Whatever is measured meanwhile, every nonce is tried once.
func TestChoosingCountsEveryNonce(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	for range 40 {
		s := newStage(20, 10, 300)
		p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(130)), Bits: MaxBits}
		exhaust(t, s.registry, p, Options{
			MaxNonce:   1 + rng.Uint64N(60_000),
			Workers:    1 + rng.IntN(4),
			Sequential: rng.IntN(2) == 0,
		})
	}
}

// Hits in measured pieces are as good as all others.
func TestChoosingFindsTheSmallest(t *testing.T) {
	for i := range 40 {
		p := Puzzle{Prefix: fmt.Appendf(nil, "choosing %d:", i), Bits: 12}
		want, err := mustNew(t, Options{Backend: "generic", Sequential: true}).Solve(t.Context(), p)
		require.NoError(t, err)
		s, err := newSolver(Options{Sequential: true, Workers: 1 + i%3}, newStage(20, 10, 300).registry)
		require.NoError(t, err)
		got, err := s.Solve(t.Context(), p)
		require.NoError(t, err)
		checkSolution(t, p, got)
		require.Equal(t, want.Nonce, got.Nonce)
	}
}

// A search that ends before the choice is made leaves none, and the next one
// makes it.
func TestChoiceIsNotMadeInHaste(t *testing.T) {
	s := newStage(20, 10, 300)
	for range 3 {
		exhaust(t, s.registry, unsolvable(0), Options{MaxNonce: 2500, Workers: 2})
		_, chosen, err := s.pick(0)
		require.NoError(t, err)
		require.False(t, chosen)
	}
	ctx := &countingContext{Context: t.Context(), left: 3}
	solver, err := newSolver(Options{Workers: 1}, s.registry)
	require.NoError(t, err)
	_, err = solver.Solve(ctx, unsolvable(0))
	require.ErrorIs(t, err, context.Canceled)

	// One worker: what another does would count as the time of this one's kernel.
	exhaust(t, s.registry, unsolvable(0), Options{MaxNonce: 39_999, Workers: 1})
	k, chosen, err := s.pick(0)
	require.NoError(t, err)
	require.True(t, chosen)
	require.Equal(t, "k1", k.Name)
}

func TestOneTrialAtATime(t *testing.T) {
	s := newStage(20, 10)
	first, _ := s.startTrial(0)
	require.NotNil(t, first)
	for kind := range kinds {
		second, chosen := s.startTrial(kind)
		require.Nil(t, second)
		require.Nil(t, chosen)
	}
	first.record(1, 2)
	first.record(1, 1)
	require.Equal(t, "k1", s.finish(first).Name)
	second, chosen := s.startTrial(0)
	require.Nil(t, second)
	require.Equal(t, "k1", chosen.Name)
	third, _ := s.startTrial(1)
	require.NotNil(t, third, "the other kind is measured for itself")
}

func TestChooseConcurrently(t *testing.T) {
	s := newStage(20, 10, 300)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() { exhaust(t, s.registry, unsolvable(i%kinds), Options{MaxNonce: 39_999, Workers: 3}) })
	}
	group.Wait()
	// The clock is one for all, so which one is chosen is anybody's guess; and who
	// came while another was measuring has left that to the next.
	for kind := range kinds {
		exhaust(t, s.registry, unsolvable(kind), Options{MaxNonce: 99_999, Workers: 1})
		_, chosen, err := s.pick(kind)
		require.NoError(t, err)
		require.True(t, chosen)
	}
}

func TestChunksDoNotAllocate(t *testing.T) {
	r := newStage(20, 10, 300).registry
	for kind := range kinds {
		all := layouts(prefixOfKind[kind], 5)
		l := all[slices.IndexFunc(all, func(l layout) bool { return l.kind() == kind && l.size()*l.together() >= trialMinChunk })]
		m := r.newMeter(r.entries[0].kernel, l)
		m.worker.search.open[kind].Store(true)
		m.worker.hashes.Store(trialAfter)
		m.worker.choose(m.worker.cursor.seg)
		require.NotNil(t, m.worker.trial)
		ctx := t.Context()
		chunk := func() {
			m.worker.searchChunks(ctx, m.number, m.end)
			m.advance()
		}
		if n := testing.AllocsPerRun(20, chunk); n != 0 {
			t.Errorf("kind %d: %v allocations for a chunk; want none", kind, n)
		}
		require.Nil(t, m.worker.trial, "the trial is over by now")
		if n := testing.AllocsPerRun(20, chunk); n != 0 {
			t.Errorf("kind %d: %v allocations for a chunk; want none", kind, n)
		}
	}
}

// Chunks that are searched one by one because they are too few are not measured
// for grids.
func TestTrialIsOfOneKind(t *testing.T) {
	s := newStage(20, 10)
	m := s.newMeter(s.entries[1].kernel, layout{width: 5, at: 34, blocks: 1, inner: 2, count: 3, lanes: 2})
	w := &m.worker
	w.trial, _ = s.startTrial(gridKind)
	require.NotNil(t, w.trial)
	k, hashes := w.piece(0, 1000)
	require.Same(t, s.entries[1].kernel, k)
	require.EqualValues(t, k.MaxScan, hashes)
	require.Zero(t, w.began)
	k, _ = w.piece(gridKind, 16_000)
	require.Same(t, s.entries[0].kernel, k)
	require.NotZero(t, w.began)
}

// A meter searches chunks together as a search does, all of them, in parts.
func TestMeterOfGrids(t *testing.T) {
	s := newStage(20)
	k := s.entries[0].kernel
	m := s.newMeter(k, layout{width: 5, at: 34, blocks: 1, inner: 2, count: 3, lanes: 2})
	var words []uint32
	grid := k.ScanGrid
	k.ScanGrid = func(g *asm.Grid, part []uint32) int {
		words = append(words, part...)
		return grid(g, part)
	}
	m.advance() // the first chunks hold no nonces, some of them
	for range 3 {
		words = nil
		parts := 0
		for whole := false; !whole && parts < 9; parts++ {
			var ok bool
			whole, ok = m.search(t.Context())
			require.True(t, ok)
		}
		require.Equal(t, m.worker.cursor.words, words)
		require.Equal(t, 4, parts)
		m.advance()
	}
}
