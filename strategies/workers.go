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

// maxWorkers exceeds the number of CPUs of any machine.
const maxWorkers = 4096

// Search searches a range like Strategy.Search, with 1 to 4096 workers. For a kernel of the engine,
// these are the workers of package solver, as in any program. For other strategies, each worker
// takes blocks of nonces from a shared counter and searches them.
//
// Search calls found for one solution at a time, in any order. The errors are those of
// Strategy.Search; hashes is valid even with an error.
func Search(
	ctx context.Context, s Strategy, workers int, p solver.Puzzle, r Range, found func(nonce uint64) bool,
) (hashes uint64, err error) {
	if workers < 1 || workers > maxWorkers {
		return 0, fmt.Errorf("strategies: %d workers: must be 1 to %d", workers, maxWorkers)
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

// pool runs workers, numbered from 0, that search the ranges that deal gives to each.
func pool(
	ctx context.Context, s Strategy, workers int, p solver.Puzzle,
	deal func(worker int) iter.Seq[Range], found func(nonce uint64) bool,
) (hashes uint64, err error) {
	start := time.Now()
	var (
		running sync.WaitGroup
		stop    atomic.Bool // tells all workers to stop
		mu      sync.Mutex  // guards the fields below and serializes calls of found
		enough  bool        // whether found has returned false
		stopErr error       // from a worker whose context ended
	)
	shared := stoppable{ctx, &stop}
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
				n, failure := s.Search(shared, p, part, report)
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

// A stoppable is a context that also ends when a flag is set. Only Err reflects the flag. That is
// enough, since strategies call Err regularly and never wait for Done.
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

// blocks divides a range into blocks of equal size, except for the last.
type blocks struct {
	Range
	size uint64
}

// blockSize returns a size that makes the cost of starting a block negligible, or a smaller one if
// the range is so small that workers would get too few blocks.
func blockSize(p solver.Puzzle, r Range, workers int) uint64 {
	large := uint64(32 * pieceOf(len(p.Prefix)))
	return min(large, (r.Last-r.First)/uint64(4*workers)+1)
}

// last returns the number of the last block, counted from 0.
func (b blocks) last() uint64 { return (b.Last - b.First) / b.size }

func (b blocks) at(i uint64) Range {
	first := b.First + i*b.size
	return Range{first, first + min(b.size-1, b.Last-first)}
}

// counter deals each block to the next worker that asks.
func (b blocks) counter() func(worker int) iter.Seq[Range] {
	var next atomic.Uint64
	return func(int) iter.Seq[Range] {
		return func(yield func(Range) bool) {
			for i := next.Add(1) - 1; i <= b.last() && yield(b.at(i)); i = next.Add(1) - 1 {
			}
		}
	}
}
