package strategies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gkpow/gkpow/solver"
)

// An Outcome is what a search by several workers has found and what it took.
type Outcome struct {
	Nonce   uint64        // the solution that was found first; that need not be the smallest
	Time    time.Duration // to the solution, from the call of Search
	Elapsed time.Duration // until all workers had stopped, from the call of Search
	Hashes  uint64        // nonces tried by all workers
	// Wasted is how many of the hashes could not bring the solution nearer: those
	// after it was found, by workers who did not know yet, and those of nonces
	// that had been tried before. All others had the same chance, whichever
	// order they were made in. What a worker did before the solution, of the
	// block it was at, follows from the time, since it hashes at a steady rate.
	Wasted  uint64
	Workers int
}

// maxWorkers is more than any machine has CPUs.
const maxWorkers = 4096

// Search has so many workers, 1 to 4096, search parts of the range with a
// strategy until one of them finds a solution.
//
// Errors are those of Strategy.Search, among them a *solver.StoppedError if the
// context ended first, and a *solver.ExhaustedError (solver.ErrExhausted) if no
// nonce of the range solves the puzzle. The Outcome has the figures then too.
func (s Split) Search(ctx context.Context, strategy Strategy, p solver.Puzzle, r Range, workers int) (Outcome, error) {
	if workers < 1 || workers > maxWorkers {
		return Outcome{}, fmt.Errorf("strategies: %d workers: the number must be 1 to %d", workers, maxWorkers)
	}
	if err := check(p, r); err != nil {
		return Outcome{}, err
	}
	t := &team{start: time.Now()}
	t.ctx, t.cancel = context.WithCancel(ctx)
	defer t.cancel()

	deal := s.deal(p, blocks(r), workers)
	all := make([][]piece, workers)
	var running sync.WaitGroup
	for i := range all {
		running.Go(func() {
			for part := range deal(i) {
				piece, ok := t.search(strategy, p, part)
				if all[i] = append(all[i], piece); !ok {
					return
				}
			}
		})
	}
	running.Wait()

	out := Outcome{Workers: workers, Elapsed: time.Since(t.start)}
	var useful []Range
	for _, piece := range slices.Concat(all...) {
		out.Hashes += piece.hashes
		if n := piece.before(t.solved); n > 0 {
			useful = append(useful, Range{piece.first, piece.first + n - 1})
		}
	}
	out.Wasted = out.Hashes - size(useful)
	switch {
	case !t.solved.IsZero():
		out.Nonce, out.Time = t.nonce, t.solved.Sub(t.start)
		return out, nil
	case t.err != nil:
		return out, t.err
	}
	if err := ended(ctx); err != nil {
		return out, stopped(ctx, err, out.Hashes, t.start)
	}
	return out, &solver.ExhaustedError{Hashes: out.Hashes, MinNonce: r.First, MaxNonce: r.Last, Elapsed: out.Elapsed}
}

// A team is the workers of one search.
type team struct {
	start  time.Time
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex // guards what follows
	solved time.Time  // zero if there is no solution yet
	nonce  uint64
	err    error // of a strategy, other than that the context ended
}

// A piece is one search by one worker.
type piece struct {
	first      uint64
	hashes     uint64
	begin, end time.Time
	won        bool
}

// search has one worker search a part of the range. It returns false if the
// worker is to stop.
func (t *team) search(strategy Strategy, p solver.Puzzle, part Range) (_ piece, ok bool) {
	w := piece{first: part.First, begin: time.Now()}
	var err error
	w.hashes, err = strategy.Search(t.ctx, p, part, func(nonce uint64) bool {
		w.won = t.win(nonce)
		return false
	})
	w.end = time.Now()
	var stop *solver.StoppedError
	if err != nil && !errors.As(err, &stop) {
		t.fail(err)
	}
	return w, err == nil && ended(t.ctx) == nil
}

// win takes a solution and stops all workers. It returns false if there is one
// already.
func (t *team) win(nonce uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.solved.IsZero() {
		return false
	}
	t.solved, t.nonce = time.Now(), nonce
	t.cancel()
	return true
}

// fail stops all workers because of an error.
func (t *team) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
	t.cancel()
}

// before returns how many of the hashes were made before a time, which is zero
// for never.
func (w *piece) before(solved time.Time) uint64 {
	switch {
	case w.won || solved.IsZero() || !w.end.After(solved):
		return w.hashes
	case !w.begin.Before(solved):
		return 0
	}
	return uint64(float64(w.hashes) * float64(solved.Sub(w.begin)) / float64(w.end.Sub(w.begin)))
}

// size counts the nonces in any of the ranges, each once. It sorts them.
func size(ranges []Range) (n uint64) {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	for i, r := range ranges {
		if i > 0 {
			before := ranges[i-1]
			if r.Last <= before.Last {
				ranges[i] = before // so that the next one is compared with the longer
				continue
			}
			r.First = max(r.First, before.Last+1)
		}
		n += r.Last - r.First + 1
	}
	return n
}
