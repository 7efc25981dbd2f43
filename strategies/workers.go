package strategies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver"
)

// maxWorkers is more than any machine has CPUs.
const maxWorkers = 4096

// Search searches a range like Strategy.Search, with several workers, 1 to 4096.
// A kernel of the engine runs as it does in a program, with that many workers of
// package solver; of any other strategy each worker searches blocks of nonces,
// which it takes from a counter that all share.
//
// found is called for one solution at a time, in any order. Errors are those of
// Strategy.Search; the hashes count then too.
func Search(ctx context.Context, s Strategy, workers int, p solver.Puzzle, r Range, found func(nonce uint64) bool) (hashes uint64, err error) {
	if workers < 1 || workers > maxWorkers {
		return 0, fmt.Errorf("strategies: %d workers: the number must be 1 to %d", workers, maxWorkers)
	}
	if err := check(p, r); err != nil {
		return 0, err
	}
	if workers == 1 {
		return s.Search(ctx, p, r, found)
	}
	if e, ok := s.(engine); ok {
		return e.search(ctx, workers, p, r, found)
	}
	b := blocks{r, blockSize(p, r, workers)}
	return pool(ctx, s, workers, p, b.counter(), found)
}

// pool has workers search the ranges that deal gives to each of them, counted
// from 0.
func pool(ctx context.Context, s Strategy, workers int, p solver.Puzzle, deal func(worker int) iter.Seq[Range], found func(nonce uint64) bool) (hashes uint64, err error) {
	start := time.Now()
	var (
		running sync.WaitGroup
		stop    atomic.Bool // set when all workers are to stop
		mu      sync.Mutex  // guards what follows and the calls of found
		enough  bool        // whether found has returned false
		stopErr error       // of a worker whose context ended
	)
	team := stoppable{ctx, &stop}
	report := func(nonce uint64) bool {
		mu.Lock()
		defer mu.Unlock()
		if !enough && !found(nonce) {
			enough = true
			stop.Store(true)
		}
		return !enough
	}
	for worker := range workers {
		running.Go(func() {
			for part := range deal(worker) {
				n, failure := s.Search(team, p, part, report)
				mu.Lock()
				hashes += n
				switch {
				case failure == nil:
				case isStop(failure):
					stopErr = cmp.Or(stopErr, failure)
				default:
					err = cmp.Or(err, failure)
				}
				mu.Unlock()
				if failure != nil {
					stop.Store(true)
				}
				if stop.Load() {
					return
				}
			}
		})
	}
	running.Wait()
	switch {
	case err != nil || enough || stopErr == nil:
		return hashes, err
	case ended(ctx) != nil:
		return hashes, stopped(ctx, ended(ctx), hashes, start)
	}
	return hashes, stopErr
}

// A stoppable context also ends when a flag is set. Only its Err says so, which is
// what strategies look at.
type stoppable struct {
	context.Context
	stop *atomic.Bool
}

func (c stoppable) Err() error {
	if c.stop.Load() {
		return context.Canceled
	}
	return c.Context.Err()
}

// isStop reports whether a search ended because its context did.
func isStop(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// blocks are a range cut into parts of a size, except for the last.
type blocks struct {
	Range
	size uint64
}

// blockSize is large enough that starting a block costs little, unless the range
// is so small that each worker would get less than a few.
func blockSize(p solver.Puzzle, r Range, workers int) uint64 {
	large := uint64(32 * pieceOf(len(p.Prefix)))
	return min(large, (r.Last-r.First)/uint64(4*workers)+1)
}

// last is the number of the last block. The first is 0.
func (b blocks) last() uint64 { return (b.Last - b.First) / b.size }

func (b blocks) at(i uint64) Range {
	first := b.First + i*b.size
	return Range{first, first + min(b.size-1, b.Last-first)}
}

// counter gives each worker the next block that none has had.
func (b blocks) counter() func(worker int) iter.Seq[Range] {
	var next atomic.Uint64
	return func(int) iter.Seq[Range] {
		return func(yield func(Range) bool) {
			for i := next.Add(1) - 1; i <= b.last() && yield(b.at(i)); i = next.Add(1) - 1 {
			}
		}
	}
}
