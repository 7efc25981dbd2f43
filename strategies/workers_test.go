package strategies

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
)

// Several workers together find every solution and count each nonce once.
func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, s Strategy) {
		for workers := 1; workers <= 4; workers++ {
			q := newQuestion(fmt.Appendf(nil, "%d workers:", workers), 3, 90, 1_320)
			var got []uint64
			hashes, err := Search(t.Context(), s, workers, q.puzzle, q.nonces, func(nonce uint64) bool {
				got = append(got, nonce)
				return true
			})
			require.NoError(t, err)
			require.EqualValues(t, 1_231, hashes)
			slices.Sort(got)
			require.Equal(t, q.answer, got)
		}
	})
}

// All workers stop when found returns false, and it is not called again.
func TestSearchEnough(t *testing.T) {
	each(t, func(t *testing.T, s Strategy) {
		p := solver.Puzzle{Prefix: []byte("enough:"), Bits: 8}
		calls := 0
		hashes, err := Search(t.Context(), s, 3, p, Range{0, math.MaxUint64}, func(nonce uint64) bool {
			require.True(t, p.Solves(nonce))
			calls++
			return calls < 3
		})
		require.NoError(t, err)
		require.NotZero(t, hashes)
		require.Equal(t, 3, calls)
	})
}

func TestSearchStops(t *testing.T) {
	each(t, func(t *testing.T, s Strategy) {
		cause := errors.New("the lid was closed")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Millisecond, func() { cancel(cause) })
		hashes, err := Search(ctx, s, 2, solver.Puzzle{Bits: solver.MaxBits}, Range{0, math.MaxUint64}, nil)
		var stopped *solver.StoppedError
		require.ErrorAs(t, err, &stopped)
		require.ErrorIs(t, err, cause)
		require.Equal(t, hashes, stopped.Hashes)
	})
}

// fakeStrategy is a strategy whose behaviour a test supplies.
type fakeStrategy struct {
	minioAVX512
	search func(ctx context.Context, r Range, found func(uint64) bool) (uint64, error)
}

func (a fakeStrategy) Search(ctx context.Context, _ solver.Puzzle, r Range, found func(uint64) bool) (uint64, error) {
	return a.search(ctx, r, found)
}

func TestSearchErrors(t *testing.T) {
	search := func(s Strategy, workers int, p solver.Puzzle, r Range) error {
		_, err := Search(t.Context(), s, workers, p, r, nil)
		return err
	}
	for _, workers := range []int{-1, 0, maxWorkers + 1} {
		require.ErrorContains(t, search(suffix, workers, solver.Puzzle{}, Range{0, 9}), "must be 1 to 4096")
	}
	var puzzle *solver.PuzzleError
	require.ErrorAs(t, search(suffix, 2, solver.Puzzle{Bits: -1}, Range{0, 9}), &puzzle)
	var nonces *RangeError
	require.ErrorAs(t, search(suffix, 2, solver.Puzzle{}, Range{9, 0}), &nonces)

	// The error of one worker stops the others.
	broken := errors.New("broken")
	strategy := fakeStrategy{search: func(ctx context.Context, r Range, _ func(uint64) bool) (uint64, error) {
		if r.First > 0 {
			return 0, broken
		}
		for ctx.Err() == nil {
		}
		return 1, ctx.Err()
	}}
	require.ErrorIs(t, search(strategy, 3, solver.Puzzle{}, Range{0, 99_999}), broken)

	// Search returns the error of a strategy that wrongly reports that its context has ended.
	liar := fakeStrategy{search: func(context.Context, Range, func(uint64) bool) (uint64, error) {
		return 0, context.Canceled
	}}
	require.ErrorIs(t, search(liar, 2, solver.Puzzle{}, Range{0, 99_999}), context.Canceled)
}

// Blocks cover a range without gaps or overlaps, and every worker gets some.
func TestBlocks(t *testing.T) {
	for _, r := range []Range{{0, 0}, {5, 12}, {9_999, 10_000}, {0, 123_456}, {1 << 53, 1<<53 + 54_321},
		{math.MaxUint64 - 30_000, math.MaxUint64}, {math.MaxUint64, math.MaxUint64}} {
		for _, prefix := range []int{0, 33, 1 << 20} {
			for _, workers := range []int{2, 3, 7, 40} {
				b := blocks{r, blockSize(solver.Puzzle{Prefix: make([]byte, prefix)}, r, workers)}
				require.LessOrEqual(t, b.size, uint64(4096))
				if r.Last-r.First > 1_000 {
					require.GreaterOrEqual(t, b.last()+1, uint64(workers))
				}
				deal := b.counter()
				var parts []Range
				for worker := range workers {
					for part := range deal(worker) {
						parts = append(parts, part)
					}
				}
				requireWhole(t, r, parts)
			}
		}
	}
}

// requireWhole requires that the parts cover a range without gaps or overlaps.
func requireWhole(t *testing.T, whole Range, parts []Range) {
	t.Helper()
	slices.SortFunc(parts, byFirst)
	next := whole.First
	for _, part := range parts {
		require.Equal(t, next, part.First, "of %v", whole)
		require.LessOrEqual(t, part.First, part.Last)
		next = part.Last + 1
	}
	require.Equal(t, whole.Last+1, next, "of %v", whole)
}

// One worker at a time calls found; the race detector would report anything else.
func TestSearchCallsOneAtATime(t *testing.T) {
	var mu sync.Mutex
	n := 0
	_, err := Search(t.Context(), suffix, 4, solver.Puzzle{Bits: 1}, Range{0, 50_000}, func(uint64) bool {
		require.True(t, mu.TryLock())
		defer mu.Unlock()
		n++
		return true
	})
	require.NoError(t, err)
	require.InDelta(t, 25_000, n, 1_000)
}
