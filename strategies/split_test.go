package strategies

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
)

func eachSplit(t *testing.T, f func(t *testing.T, s Split)) {
	for _, s := range Splits() {
		t.Run("split="+s.Name(), func(t *testing.T) { f(t, s) })
	}
}

func TestSplits(t *testing.T) {
	var names []string
	for _, s := range Splits() {
		names = append(names, s.Name())
		require.NotEmpty(t, s.Description())
		named, err := SplitNamed(s.Name())
		require.NoError(t, err)
		require.Equal(t, s.Description(), named.Description())
	}
	require.Equal(t, []string{"counter", "static", "stride", "random"}, names)
	_, err := SplitNamed("quick")
	require.EqualError(t, err, `strategies: no split "quick"; there are counter, static, stride, random`)
}

// The workers are dealt every nonce once, or, if they do not know of each other,
// each of them is.
func TestDeal(t *testing.T) {
	eachSplit(t, func(t *testing.T, s Split) {
		for _, r := range []Range{{0, 0}, {5, 12}, {9_999, 10_000}, {0, 123_456}, {9_000, 109_999}, {1 << 53, 1<<53 + 54_321},
			{math.MaxUint64 - 30_000, math.MaxUint64}, {math.MaxUint64, math.MaxUint64}} {
			for _, workers := range []int{1, 2, 3, 7, 40} {
				deal := s.deal(solver.Puzzle{Prefix: []byte("deal:")}, blocks(r), workers)
				var all []Range
				for i := range workers {
					var own []Range
					for part := range deal(i) {
						require.LessOrEqual(t, part.First, part.Last)
						own = append(own, part)
					}
					if s.Name() == "random" {
						requireWhole(t, r, own)
					}
					all = append(all, own...)
				}
				if s.Name() != "random" {
					requireWhole(t, r, all)
				}
			}
		}
	})
}

// requireWhole wants parts that are the whole of a range, without overlap.
func requireWhole(t *testing.T, whole Range, parts []Range) {
	t.Helper()
	slices.SortFunc(parts, func(a, b Range) int {
		if a.First < b.First {
			return -1
		}
		return 1
	})
	next := whole.First
	for _, part := range parts {
		require.Equal(t, next, part.First, "of %v", whole)
		next = part.Last + 1
	}
	require.Equal(t, whole.Last+1, next, "of %v", whole)
}

// Blocks do not cross the thousands, and one worker does not get all of them
// where they are dealt in advance.
func TestDealIsFair(t *testing.T) {
	r := blocks{First: 123, Last: 4_000_000}
	for _, name := range []string{"static", "stride"} {
		s, err := SplitNamed(name)
		require.NoError(t, err)
		deal := s.deal(solver.Puzzle{}, r, 4)
		for i := range 4 {
			nonces := uint64(0)
			for part := range deal(i) {
				nonces += part.Last - part.First + 1
				if name == "stride" {
					require.Equal(t, part.First/SplitBlock, part.Last/SplitBlock)
				}
			}
			require.InDelta(t, 1e6, nonces, SplitBlock)
		}
	}
}

// The workers of random begin at different places, which the prefix determines.
func TestRandomIsRepeatable(t *testing.T) {
	s, err := SplitNamed("random")
	require.NoError(t, err)
	starts := map[uint64]bool{}
	for _, prefix := range []string{"a:", "b:", "a:", "b:"} {
		deal := s.deal(solver.Puzzle{Prefix: []byte(prefix)}, blocks{0, 1 << 50}, 3)
		for i := range 3 {
			for part := range deal(i) {
				starts[part.First] = true
				break
			}
		}
	}
	require.Len(t, starts, 6)
}

func TestSplitSearch(t *testing.T) {
	eachSplit(t, func(t *testing.T, s Split) {
		each(t, func(t *testing.T, strategy Strategy) {
			for i := range 3 {
				p := solver.Puzzle{Prefix: fmt.Appendf(nil, "split %d:", i), Bits: 10}
				out, err := s.Search(t.Context(), strategy, p, Range{90, 5_000_000}, 1+i)
				require.NoError(t, err)
				require.True(t, p.Solves(out.Nonce), "nonce %d", out.Nonce)
				require.Equal(t, 1+i, out.Workers)
				require.Positive(t, out.Time)
				require.GreaterOrEqual(t, out.Elapsed, out.Time)
				require.Less(t, out.Wasted, out.Hashes)
			}
		})
	})
}

// Where there is no solution all nonces are tried; without overlap, nothing is
// wasted.
func TestSplitExhausted(t *testing.T) {
	eachSplit(t, func(t *testing.T, s Split) {
		for workers := 1; workers <= 3; workers++ {
			p := solver.Puzzle{Prefix: []byte("exhausted:"), Bits: solver.MaxBits}
			out, err := s.Search(t.Context(), suffix, p, Range{95, 42_000}, workers)
			require.ErrorIs(t, err, solver.ErrExhausted)
			var exhausted *solver.ExhaustedError
			require.ErrorAs(t, err, &exhausted)
			require.EqualValues(t, 95, exhausted.MinNonce)
			require.EqualValues(t, 42_000, exhausted.MaxNonce)
			want, wasted := uint64(42_000-94), uint64(0)
			if s.Name() == "random" {
				wasted = want * uint64(workers-1)
				want += wasted
			}
			require.Equal(t, want, out.Hashes)
			require.Equal(t, wasted, out.Wasted)
			require.Zero(t, out.Time)
		}
	})
}

// acted is a strategy that does what a test says.
type acted struct {
	minioAVX512
	search func(ctx context.Context, r Range, found func(uint64) bool) (uint64, error)
}

func (a acted) Search(ctx context.Context, _ solver.Puzzle, r Range, found func(uint64) bool) (uint64, error) {
	return a.search(ctx, r, found)
}

// What others do after the solution, or beside it in the same nonces, is wasted.
func TestWasted(t *testing.T) {
	static, err := SplitNamed("static")
	require.NoError(t, err)
	begun := make(chan bool)
	strategy := acted{search: func(ctx context.Context, r Range, found func(uint64) bool) (uint64, error) {
		if r.First == 0 {
			<-begun
			time.Sleep(10 * time.Millisecond)
			found(29_999)
			return 30_000, nil
		}
		close(begun)
		<-ctx.Done()
		time.Sleep(30 * time.Millisecond)
		return 40_000, &solver.StoppedError{Err: context.Canceled, Cause: context.Canceled}
	}}
	out, err := static.Search(t.Context(), strategy, solver.Puzzle{}, Range{0, 99_999}, 2)
	require.NoError(t, err)
	require.EqualValues(t, 29_999, out.Nonce)
	require.EqualValues(t, 70_000, out.Hashes)
	// Of the second worker's 40,000, some were before the solution.
	require.NotZero(t, out.Wasted)
	require.Less(t, out.Wasted, uint64(40_000))
	require.GreaterOrEqual(t, out.Time, 10*time.Millisecond)
	require.GreaterOrEqual(t, out.Elapsed, out.Time+30*time.Millisecond)
}

func TestBefore(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	w := piece{hashes: 1000, begin: at(10), end: at(20)}
	for _, test := range []struct {
		solved time.Time
		want   uint64
	}{{time.Time{}, 1000}, {at(5), 0}, {at(10), 0}, {at(13), 300}, {at(20), 1000}, {at(25), 1000}} {
		require.Equal(t, test.want, w.before(test.solved), "%v", test.solved)
	}
	w.won = true
	require.EqualValues(t, 1000, w.before(at(13)), "the winner's hashes led to the solution")
}

func TestSize(t *testing.T) {
	for _, test := range []struct {
		ranges []Range
		want   uint64
	}{
		{nil, 0},
		{[]Range{{5, 5}}, 1},
		{[]Range{{5, 9}, {0, 4}}, 10},
		{[]Range{{0, 9}, {5, 14}}, 15},
		{[]Range{{0, 99}, {10, 20}, {30, 120}}, 121},
		{[]Range{{0, 99}, {0, 99}, {0, 50}}, 100},
		{[]Range{{math.MaxUint64 - 4, math.MaxUint64}, {math.MaxUint64 - 1, math.MaxUint64}}, 5},
	} {
		require.Equal(t, test.want, size(slices.Clone(test.ranges)), "%v", test.ranges)
	}
}

func TestSplitErrors(t *testing.T) {
	eachSplit(t, func(t *testing.T, s Split) {
		for _, workers := range []int{-1, 0, maxWorkers + 1} {
			_, err := s.Search(t.Context(), suffix, solver.Puzzle{}, Range{0, 9}, workers)
			require.ErrorContains(t, err, "the number must be 1 to 4096")
		}
		_, err := s.Search(t.Context(), suffix, solver.Puzzle{Bits: -1}, Range{0, 9}, 1)
		var puzzle *solver.PuzzleError
		require.ErrorAs(t, err, &puzzle)
		_, err = s.Search(t.Context(), suffix, solver.Puzzle{}, Range{9, 0}, 1)
		var nonces *RangeError
		require.ErrorAs(t, err, &nonces)

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		out, err := s.Search(ctx, suffix, solver.Puzzle{Bits: solver.MaxBits}, Range{0, 1 << 60}, 2)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var stopped *solver.StoppedError
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, out.Hashes, stopped.Hashes)

		broken := errors.New("broken")
		strategy := acted{search: func(ctx context.Context, r Range, _ func(uint64) bool) (uint64, error) {
			if r.First >= 50_000 {
				return 0, broken
			}
			return 1, ended(ctx)
		}}
		_, err = s.Search(t.Context(), strategy, solver.Puzzle{}, Range{0, 99_999}, 3)
		require.ErrorIs(t, err, broken)
	})
}
