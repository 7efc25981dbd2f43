package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// A track is one strategy on one ground with so many threads: what a row is of.
type track struct {
	strategy strategies.Strategy
	*ground
	width   int // digits of the nonces that it is measured with
	threads int
	rate    float64       // hashes per second of all threads, as last seen
	spent   time.Duration // on samples
	warm    Sample        // the last one of warming up
	samples []Sample
	failed  string // what was wrong, if anything was

	searches int     // in samples: one for each thread
	found    uint64  // solutions in them
	expected float64 // by the hashes that the strategy has counted
}

// A wrongCount is a strategy's claim to have tried more or fewer nonces than it
// was given.
type wrongCount struct{ got, want uint64 }

func (e *wrongCount) Error() string {
	return fmt.Sprintf("counted %d hashes of %d", e.got, e.want)
}

// pieces are how many parts of its share of a range a thread takes in turn, so that
// none is left waiting for another for long.
const pieces = 4

// search has the threads of the track search a range, and returns what they found
// in ascending order.
func (t *track) search(ctx context.Context, bits int, first, last uint64) (found []uint64, err error) {
	p := solver.Puzzle{Prefix: t.prefix, Bits: bits}
	if t.threads == 1 {
		err = t.piece(ctx, p, first, last, func(nonce uint64) { found = append(found, nonce) })
		slices.Sort(found)
		return found, err
	}
	n := last - first + 1
	size := n/uint64(t.threads*pieces) + 1
	count := (n + size - 1) / size
	var (
		next    atomic.Uint64
		running sync.WaitGroup
		mu      sync.Mutex // guards found and err
	)
	for range t.threads {
		running.Go(func() {
			var mine []uint64
			var failure error
			for failure == nil {
				i := next.Add(1) - 1
				if i >= count {
					break
				}
				from := first + i*size
				to := min(from+size-1, last)
				failure = t.piece(ctx, p, from, to, func(nonce uint64) { mine = append(mine, nonce) })
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, mine...)
			err = cmpErrors(err, failure)
		})
	}
	running.Wait()
	slices.Sort(found)
	return found, err
}

// cmpErrors returns the error that says more: one that is not of a context.
func cmpErrors(a, b error) error {
	if a == nil || b != nil && isStop(a) {
		return b
	}
	return a
}

// isStop reports whether a search ended because its context did.
func isStop(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// isLate reports whether the context's deadline has passed.
func isLate(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// piece searches a range with one thread.
func (t *track) piece(ctx context.Context, p solver.Puzzle, first, last uint64, found func(uint64)) error {
	hashes, err := t.strategy.Search(ctx, p, strategies.Range{First: first, Last: last}, func(nonce uint64) bool {
		found(nonce)
		return true
	})
	if err != nil {
		return err
	}
	if want := last - first + 1; hashes != want {
		return &wrongCount{hashes, want}
	}
	return nil
}

// verify has the track do the fixed work, and returns the checksum of what it
// found. It fails the track if that is wrong; the error is the context's.
func (t *track) verify(ctx context.Context) (sum string, err error) {
	var lists [][]uint64
	for i, r := range t.work.Ranges {
		found, err := t.verifyRange(ctx, workBits, r, t.want[i])
		if err != nil || t.failed != "" && found == nil {
			return "", err
		}
		lists = append(lists, found)
	}
	return checksum(lists...), nil
}

// verifyRange has the track do the work in one range.
func (t *track) verifyRange(ctx context.Context, bits int, r Range, want []uint64) (found []uint64, err error) {
	found, err = t.search(ctx, bits, r.First, r.Last)
	if err != nil {
		if t.stopped(ctx, err) {
			return nil, err
		}
		return nil, nil
	}
	if reason := difference(found, want); reason != "" {
		t.failed = reason
	}
	return found, nil
}

// stopped reports whether the error is that the context ended. Any other one
// fails the track.
func (t *track) stopped(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	if isStop(err) {
		if isLate(ctx) {
			<-ctx.Done() // the timer, which may be later than who looked at the clock
		}
		if ctx.Err() != nil {
			return true
		}
	}
	t.failed = err.Error()
	return false
}
