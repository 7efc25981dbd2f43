package strategies

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
)

// splits are ways to divide a search among workers, for comparison with the shared counter that
// Search uses. Each way returns the ranges for a worker, counted from 0.
var splits = []struct {
	name string
	deal func(p solver.Puzzle, b blocks, workers int) func(worker int) iter.Seq[Range]
}{
	// Each worker takes the next block from a counter that all share.
	{"counter", func(_ solver.Puzzle, b blocks, _ int) func(int) iter.Seq[Range] { return b.counter() }},
	// Each worker gets one contiguous part. The parts differ by at most one block.
	{"static", func(_ solver.Puzzle, b blocks, workers int) func(int) iter.Seq[Range] {
		bound := func(i int) uint64 { return (b.last() + 1) * uint64(i) / uint64(workers) }
		return func(worker int) iter.Seq[Range] {
			return func(yield func(Range) bool) {
				if from, to := bound(worker), bound(worker+1); from < to {
					yield(Range{b.at(from).First, b.at(to - 1).Last})
				}
			}
		}
	}},
	// Of n workers, each takes every n-th block.
	{"stride", func(_ solver.Puzzle, b blocks, workers int) func(int) iter.Seq[Range] {
		return func(worker int) iter.Seq[Range] {
			return func(yield func(Range) bool) {
				for i := uint64(worker); i <= b.last() && yield(b.at(i)); i += uint64(workers) {
				}
			}
		}
	}},
	// Each worker starts at a random block and wraps around, unaware of what others have tried. The
	// start depends only on the prefix and the worker.
	{"random", func(p solver.Puzzle, b blocks, _ int) func(int) iter.Seq[Range] {
		seed := sha256.Sum256(p.Prefix)
		return func(worker int) iter.Seq[Range] {
			rng := rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:]), uint64(worker)))
			n := b.last() + 1
			start := rng.Uint64N(n)
			return func(yield func(Range) bool) {
				for turn := uint64(0); turn < n && yield(b.at((start+turn)%n)); turn++ {
				}
			}
		}
	}},
}

// splitBlock is 0.2 ms of work for the fastest kernel and 5 ms for the textbook loop.
const splitBlock = 10_000

// An outcome is the cost of a search by several workers.
type outcome struct {
	nonce  uint64
	time   time.Duration // to the solution
	hashes uint64
	// wasted is the number of hashes that could not find the solution: those that workers made
	// after it was found, before they noticed, and those of nonces already tried. All other hashes
	// had the same chance, in whatever order they were made.
	wasted uint64
}

// A recorder records what the workers of a pool do, and when.
type recorder struct {
	Strategy
	mu     sync.Mutex // guards the fields below
	pieces []piece
	solved time.Time
}

// A piece is one search by one worker.
type piece struct {
	first, hashes uint64
	begin, end    time.Time
	won           bool
}

func (r *recorder) Search(ctx context.Context, p solver.Puzzle, part Range, found func(uint64) bool) (uint64, error) {
	w := piece{first: part.First, begin: time.Now()}
	var err error
	w.hashes, err = r.Strategy.Search(ctx, p, part, func(nonce uint64) bool {
		r.mu.Lock()
		if r.solved.IsZero() {
			r.solved, w.won = time.Now(), true
		}
		r.mu.Unlock()
		return found(nonce)
	})
	w.end = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pieces = append(r.pieces, w)
	return w.hashes, err
}

// before estimates how many of the hashes were made before the time solved, or returns all of them
// if that is zero. It assumes that a worker hashes at a steady rate.
func (w *piece) before(solved time.Time) uint64 {
	switch {
	case w.won || solved.IsZero() || !w.end.After(solved):
		return w.hashes
	case !w.begin.Before(solved):
		return 0
	}
	return uint64(float64(w.hashes) * float64(solved.Sub(w.begin)) / float64(w.end.Sub(w.begin)))
}

// splitSearch searches for one solution and measures the outcome.
func splitSearch(
	ctx context.Context, s Strategy, workers int, p solver.Puzzle, deal func(int) iter.Seq[Range],
) (out outcome, err error) {
	r := &recorder{Strategy: s}
	start := time.Now()
	out.hashes, err = pool(ctx, r, workers, p, deal, func(nonce uint64) bool {
		out.nonce = nonce
		return false
	})
	var useful []Range
	for _, w := range r.pieces {
		if n := w.before(r.solved); n > 0 {
			useful = append(useful, Range{w.first, w.first + n - 1})
		}
	}
	out.wasted = out.hashes - size(useful)
	if !r.solved.IsZero() {
		out.time = r.solved.Sub(start)
	}
	return out, err
}

func byFirst(a, b Range) int { return cmp.Compare(a.First, b.First) }

// size returns the number of distinct nonces in the ranges, which it sorts.
func size(ranges []Range) (n uint64) {
	slices.SortFunc(ranges, byFirst)
	for i, r := range ranges {
		if i > 0 {
			before := ranges[i-1]
			if r.Last <= before.Last {
				ranges[i] = before // compare the next range with the longer one
				continue
			}
			r.First = max(r.First, before.Last+1)
		}
		n += r.Last - r.First + 1
	}
	return n
}

// BenchmarkSplit compares the ways to split a search, with the fastest strategy of the standard
// library and with the first kernel that this CPU can run, at a difficulty that takes a few
// milliseconds. An operation is a solved puzzle. All splits solve the same puzzles, so set their
// number: -benchtime 300x.
func BenchmarkSplit(b *testing.B) {
	all := All()
	kernel := slices.IndexFunc(all, func(s Strategy) bool { return BackendOf(s) != "" && s.Missing() == "" })
	workers := max(2, runtime.GOMAXPROCS(0))
	for _, test := range []struct {
		strategy Strategy
		bits     int
	}{{midstate, 17}, {all[kernel], 20}} {
		for _, s := range splits {
			name := fmt.Sprintf("split=%s/strategy=%s/bits=%d/workers=%d",
				s.name, test.strategy.Name(), test.bits, workers)
			b.Run(name, func(b *testing.B) {
				var sum outcome
				for i := range b.N {
					p := solver.Puzzle{Prefix: fmt.Appendf(nil, "%032d:", i), Bits: test.bits}
					deal := s.deal(p, blocks{Range{10_000_000, 99_999_999}, splitBlock}, workers)
					out, err := splitSearch(b.Context(), test.strategy, workers, p, deal)
					if err != nil || !p.Solves(out.nonce) {
						b.Fatalf("nonce %d, %v", out.nonce, err)
					}
					sum.time += out.time
					sum.hashes += out.hashes
					sum.wasted += out.wasted
				}
				n := float64(b.N)
				b.ReportMetric(float64(sum.time)/n, "ns/solution")
				b.ReportMetric(float64(sum.hashes)/n, "hashes/solution")
				b.ReportMetric(float64(sum.wasted)/n, "wasted/solution")
			})
		}
	}
}

// Without a solution, the workers try all nonces. They waste nothing, except in splits in which
// they do not know of each other's work.
func TestSplits(t *testing.T) {
	for _, s := range splits {
		t.Run("split="+s.name, func(t *testing.T) {
			for workers := 1; workers <= 3; workers++ {
				r := Range{95, 42_000}
				p := solver.Puzzle{Prefix: []byte("splits:"), Bits: solver.MaxBits}
				out, err := splitSearch(t.Context(), suffix, workers, p, s.deal(p, blocks{r, 1_000}, workers))
				require.NoError(t, err)
				want, wasted := uint64(42_000-94), uint64(0)
				if s.name == "random" {
					wasted = want * uint64(workers-1)
				}
				require.Equal(t, want+wasted, out.hashes)
				require.Equal(t, wasted, out.wasted)

				var parts []Range
				deal := s.deal(p, blocks{r, 1_000}, workers)
				for worker := range workers {
					for part := range deal(worker) {
						parts = append(parts, part)
					}
					if s.name == "random" {
						requireWhole(t, r, parts)
						parts = nil
					}
				}
				if s.name != "random" {
					requireWhole(t, r, parts)
				}
			}
		})
	}
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
