package solver

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
)

// testedRegistry returns a registry whose kernels count as tested, with estimates that make the first
// kernel the fastest.
func testedRegistry(table ...asm.Kernel) *registry {
	r := newRegistry(table)
	for i := range r.entries {
		r.entries[i].tested, r.entries[i].estimate = testedAll, math.Pow(2, float64(i))
	}
	return r
}

// quick returns the generic kernel with the functions of a faster one, if this CPU has one. The
// kernels with grids are left out, since some CPUs run one of them very slowly.
func quick() asm.Kernel {
	k := asm.Generic()
	for _, fast := range asm.Kernels() {
		if fast.Missing == "" && fast.Ops.Grid[1] == 0 {
			k.Scan, k.Hash, k.ScanTails = fast.Scan, fast.Hash, fast.ScanTails
			k.ScanGrid, k.ScanShared = fast.ScanGrid, fast.ScanShared
			break
		}
	}
	return k
}

// A stage is a registry of kernels that work like the generic one but take time on a simulated
// clock. All workers advance that clock, so a trial charges its kernel for the work of other
// workers too: a test that expects a certain choice must search with one worker.
type stage struct {
	*registry
	clock atomic.Int64    // ns
	calls []*atomic.Int64 // number of calls, by kernel
}

// newStage returns a stage with kernels named k0, k1 and so on, one for each given time per hash,
// in ns.
func newStage(times ...int) *stage {
	s := &stage{}
	var table []asm.Kernel
	for i, hash := range times {
		calls := new(atomic.Int64)
		s.calls = append(s.calls, calls)
		k := quick()
		k.Name = fmt.Sprintf("k%d", i)
		scan, scanTails, scanGrid, scanShared := k.Scan, k.ScanTails, k.ScanGrid, k.ScanShared
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
			return scanGrid(g, words)
		}
		k.ScanShared = func(shared *asm.Shared, words []uint32) int {
			calls.Add(1)
			s.clock.Add(int64(hash * asm.SharedStates * len(words)))
			return scanShared(shared, words)
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

// exhaust searches all allowed nonces of a puzzle that has no solution.
func exhaust(t *testing.T, r *registry, p Puzzle, o Options) {
	t.Helper()
	s, err := newSolver(o, r)
	require.NoError(t, err)
	_, err = s.Solve(t.Context(), p)
	var exhausted *ExhaustedError
	require.ErrorAs(t, err, &exhausted)
	require.Equal(t, o.MaxNonce-o.MinNonce+1, exhausted.Hashes)
}

// prefixOfKind holds, for each kind, a prefix length after which nonces of 5 digits have layouts of
// that kind.
var prefixOfKind = [kinds]int{35, 56, 61, 34, 63}

// unsolvable returns a puzzle without a solution, whose nonces of 4 or more digits have large
// chunks of a kind.
func unsolvable(kind kind) Puzzle {
	return Puzzle{Prefix: make([]byte, prefixOfKind[kind]), Bits: MaxBits}
}

func TestTheFastestKernelIsChosen(t *testing.T) {
	for name, test := range map[string]struct {
		times  []int
		chosen int
	}{
		"the first":        {[]int{10, 14, 400}, 0},
		"the second":       {[]int{14, 10, 400}, 1},
		"the last":         {[]int{40, 14, 10}, 2},
		"of equal ones":    {[]int{14, 10, 10}, 1},
		"by a clock stuck": {[]int{0, 0, 0}, 0},
		"the only one":     {[]int{10}, 0},
		"no other near":    {[]int{20, 10, 400}, 1},
	} {
		for kind := range kinds {
			t.Run(fmt.Sprintf("%s, kind %d", name, kind), func(t *testing.T) {
				s := newStage(test.times...)
				k, chosen, err := s.pick(kind)
				require.NoError(t, err)
				require.False(t, chosen)
				require.Same(t, s.entries[test.chosen].kernel, k,
					"the search starts with the fastest by estimate")

				exhaust(t, s.registry, unsolvable(kind), Options{MaxNonce: 99_999, Workers: 1})
				k, chosen, err = s.pick(kind)
				require.NoError(t, err)
				require.True(t, chosen)
				require.Same(t, s.entries[test.chosen].kernel, k)
				for other := range kinds {
					k, chosen, err = s.pick(other)
					require.NoError(t, err)
					require.True(t, chosen || other != kind)
					require.Same(t, s.entries[test.chosen].kernel, k, "the other kinds start with it")
				}

				// The registry remembers the choice: another search that is long enough for a trial
				// does not call the other kernels.
				before := s.counts()
				exhaust(t, s.registry, unsolvable(kind), Options{MinNonce: 10_000, MaxNonce: 59_999, Workers: 1})
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

// A trial takes at most two slices per turn, and less than a millisecond in total.
func TestTrialIsShort(t *testing.T) {
	for _, times := range [][]int{{13, 17, 15}, {250, 170, 220}, {1500, 1400}} {
		s := newStage(times...)
		trial, _ := s.startTrial(oneBlock, 10)
		var total time.Duration
		for done := false; !done; {
			round, turn := trial.round, trial.turn
			kernel := trial.kernels[turn].Kernel
			i := slices.Index(s.kernels(), kernel)
			var elapsed time.Duration
			for !done && trial.round == round && trial.turn == turn {
				k, most := trial.next()
				require.Same(t, kernel, k)
				s.clock.Add(int64(times[i]) * int64(most))
				elapsed += time.Duration(times[i]) * time.Duration(most)
				done = trial.record(most)
			}
			require.LessOrEqual(t, elapsed, 2*trialSlice)
			total += elapsed
		}
		require.Less(t, total, time.Millisecond, "%v", times)
	}
}

func (s *stage) kernels() (list []*asm.Kernel) {
	for i := range s.entries {
		list = append(list, s.entries[i].kernel)
	}
	return list
}

// A trial chooses the fastest kernel for a kind of layout even if another kernel was faster in the
// estimate.
func TestTrialCorrectsTheEstimate(t *testing.T) {
	s := newStage(10, 11, 300)
	slow := s.entries[0].kernel.ScanTails
	s.entries[0].kernel.ScanTails = func(states *asm.States, tails []asm.Tail, mask uint32) int {
		s.clock.Add(int64(5 * asm.MaxStates * len(tails)))
		return slow(states, tails, mask)
	}
	for kind, want := range map[kind]string{oneBlock: "k0", varyingTail: "k1"} {
		exhaust(t, s.registry, unsolvable(kind), Options{MaxNonce: 99_999, Workers: 1})
		k, chosen, err := s.pick(kind)
		require.NoError(t, err)
		require.True(t, chosen)
		require.Equal(t, want, k.Name, "%v", kind)
	}
}

// Scans of a kernel far slower than the generic one are short.
func TestSlowKernelsGetShortScans(t *testing.T) {
	s := newStage(5000, 20, 300)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.entries {
		s.estimate(&s.entries[i])
	}
	require.Equal(t, 8, s.entries[0].kernel.MaxScan)
	require.Equal(t, asm.Generic().MaxScan, s.entries[1].kernel.MaxScan)
	require.Less(t, s.clock.Load(), (50 * time.Microsecond).Nanoseconds(), "the estimate took too long")
}

// The estimate ignores the first call of a kernel, which is slow because its code is not in
// memory yet.
func TestFirstCallsAreSlow(t *testing.T) {
	s := newStage(10, 14, 300)
	for i := range s.entries {
		k := s.entries[i].kernel
		scan, first := k.Scan, true
		k.Scan = func(b *asm.Block, words []uint32) int {
			if first {
				s.clock.Add((50 * time.Microsecond).Nanoseconds())
				first = false
			}
			return scan(b, words)
		}
	}
	k, _, err := s.pick(oneBlock)
	require.NoError(t, err)
	require.Equal(t, "k0", k.Name)
	require.Equal(t, asm.Generic().MaxScan, k.MaxScan)
}

// A search tries every nonce once, even while it measures kernels.
func TestChoosingCountsEveryNonce(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	for range 40 {
		s := newStage(14, 10, 300)
		p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(130)), Bits: MaxBits}
		exhaust(t, s.registry, p, Options{
			MaxNonce:   1 + rng.Uint64N(60_000),
			Workers:    1 + rng.IntN(4),
			Sequential: rng.IntN(2) == 0,
		})
	}
}

// A search reports hits in pieces that it measures like any other hits.
func TestChoosingFindsTheSmallest(t *testing.T) {
	for i := range 40 {
		p := Puzzle{Prefix: fmt.Appendf(nil, "choosing %d:", i), Bits: 12}
		want, err := mustNew(t, Options{Backend: "generic", Sequential: true}).Solve(t.Context(), p)
		require.NoError(t, err)
		s, err := newSolver(Options{Sequential: true, Workers: 1 + i%3}, newStage(14, 10, 300).registry)
		require.NoError(t, err)
		got, err := s.Solve(t.Context(), p)
		require.NoError(t, err)
		checkSolution(t, p, got)
		require.Equal(t, want.Nonce, got.Nonce)
	}
}

// A search that ends before its trial is complete makes no choice; the next search does.
func TestChoiceIsNotMadeInHaste(t *testing.T) {
	s := newStage(14, 10, 300)
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

	// Use one worker: the trial would charge another worker's time to the kernel.
	exhaust(t, s.registry, unsolvable(0), Options{MaxNonce: 39_999, Workers: 1})
	k, chosen, err := s.pick(0)
	require.NoError(t, err)
	require.True(t, chosen)
	require.Equal(t, "k1", k.Name)
}

func TestOneTrialAtATime(t *testing.T) {
	s := newStage(14, 10)
	first, _ := s.startTrial(oneBlock, 10)
	require.NotNil(t, first)
	for kind := range kinds {
		second, chosen := s.startTrial(kind, 10)
		require.Nil(t, second)
		require.Nil(t, chosen)
	}
	first.next()
	require.Nil(t, s.endTrial(first), "the trial is not complete")
	again, _ := s.startTrial(oneBlock, 11)
	require.Same(t, first, again, "another worker resumes the trial")
	for done := false; !done; {
		k, most := first.next()
		s.clock.Add(int64(most))
		if k.Name == "k0" {
			s.clock.Add(int64(most))
		}
		done = first.record(most)
	}
	require.Equal(t, "k1", s.endTrial(first).Name)
	second, chosen := s.startTrial(oneBlock, 10)
	require.Nil(t, second)
	require.Equal(t, "k1", chosen.Name)
	third, _ := s.startTrial(fixedTail, 10)
	require.NotNil(t, third, "the other kind has a trial of its own")
}

func TestChooseConcurrently(t *testing.T) {
	s := newStage(14, 10, 300)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() { exhaust(t, s.registry, unsolvable(kind(i)%kinds), Options{MaxNonce: 39_999, Workers: 3}) })
	}
	group.Wait()
	// All workers share the clock, so the choice is unpredictable. A worker that found another one
	// running a trial has left the choice to the next search.
	for kind := range kinds {
		exhaust(t, s.registry, unsolvable(kind), Options{MaxNonce: 99_999, Workers: 1})
		_, chosen, err := s.pick(kind)
		require.NoError(t, err)
		require.True(t, chosen)
	}
}

func TestSearchLoopDoesNotAllocate(t *testing.T) {
	for kind := range kinds {
		s := newStage(14, 10, 300)
		var suits layout
		for l := range layouts(prefixOfKind[kind], 5) {
			if l.kind() == kind && l.rowSize() >= trialMinRow {
				suits = l
			}
		}
		m := s.newMeter(s.entries[0].kernel, suits)
		w := m.workers[0]
		slice := func() {
			w.until = s.now().Add(100 * time.Microsecond)
			w.run(t.Context())
		}
		slice()
		m.undecided[kind].Store(true)
		w.hashes.Store(trialAfter)
		for range 20 {
			slice() // completes the trial
		}
		require.False(t, m.undecided[kind].Load(), "%v: the trial is not complete", kind)
		if n := testing.AllocsPerRun(20, slice); n != 0 {
			t.Errorf("%v: %v allocations in a slice of the search; want none", kind, n)
		}
	}
}

// Chunks of a grid layout that are too few for a grid, and so are searched one by one, do not count
// in a trial of grids.
func TestTrialIsOfOneKind(t *testing.T) {
	s := newStage(14, 10)
	m := s.newMeter(s.entries[1].kernel, layout{width: 5, at: 34, blocks: 1, inner: 2, count: 3, gridDigits: 2})
	w := m.workers[0]
	require.True(t, w.claim())
	w.trial, _ = s.startTrial(grid, 10)
	require.NotNil(t, w.trial)

	w.walk.kind = oneBlock
	k, most, ok := w.kernel()
	require.True(t, ok)
	require.Same(t, s.entries[1].kernel, k)
	require.EqualValues(t, k.MaxScan, most)
	require.Zero(t, w.trial.began)

	w.walk.kind = grid
	_, _, ok = w.kernel()
	require.True(t, ok)
	require.NotZero(t, w.trial.began)
	w.timed(oneBlock, 1000, false)
	require.Zero(t, w.trial.began, "the turn restarts")
	require.Zero(t, w.trial.turn)
	require.Zero(t, w.trial.round)
}

// A worker yields at intervals of time, and only if the workers occupy all processors.
func TestYieldsByTime(t *testing.T) {
	for _, test := range []struct {
		name       string
		processors int64
		time       time.Duration // enough for ten yields, even if the machine stands still
		none       bool
	}{
		{"all processors busy", 1, time.Minute, false},
		{"a processor left", 1 << 20, 200 * time.Millisecond, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(1000)
			yields := 0
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.registry.yield = func() {
				if yields++; yields == 10 {
					cancel()
				}
			}
			m := s.newMeter(s.entries[0].kernel, layout{width: 5, at: 33, blocks: 1, inner: 3, count: 2})
			m.processors = test.processors
			w := m.workers[0]
			start := time.Now()
			w.until = s.now().Add(test.time) // by the stage's clock
			w.run(ctx)
			most := int(time.Since(start)/yieldEvery) + 1
			switch {
			case test.none && yields > 0:
				t.Errorf("%d yields; want none", yields)
			case !test.none && (yields == 0 || yields > most):
				t.Errorf("%d yields in %v; want 1 to %d", yields, time.Since(start), most)
			}
		})
	}
}
