package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// A meter measures one row: a strategy with a salt length and a number of threads.
type meter struct {
	strategy strategies.Strategy
	*workload
	width   int // decimal digits of the nonces to measure with
	threads int
	rate    float64       // hashes per second of all threads, in the latest sample
	spent   time.Duration // time spent on samples
	least   time.Duration // minimum length of a sample, if a search takes long to begin
	warm    Sample        // the last sample of the warm-up
	samples []Sample
	failed  string // the reason for failing, or ""
	late    bool   // whether time ran out before its answers were checked

	searches int     // searches in samples and audits
	found    uint64  // solutions that they found
	expected float64 // solutions to expect for the hashes that the strategy counted
}

// A wrongCount is the error of a strategy that counted more or fewer hashes than its range
// has nonces.
type wrongCount struct{ got, want uint64 }

func (e *wrongCount) Error() string {
	return fmt.Sprintf("counted %d hashes instead of %d", e.got, e.want)
}

// search searches a range with the meter's number of threads, and returns the solutions in
// ascending order.
func (m *meter) search(ctx context.Context, bits int, first, last uint64) (found []uint64, err error) {
	p := solver.Puzzle{Prefix: m.prefix, Bits: bits}
	hashes, err := strategies.Search(ctx, m.strategy, m.threads, p, strategies.Range{First: first, Last: last}, func(nonce uint64) bool {
		found = append(found, nonce)
		return true
	})
	slices.Sort(found)
	if want := last - first + 1; err == nil && hashes != want {
		err = &wrongCount{hashes, want}
	}
	return found, err
}

// isStop reports whether err says that the context ended the search.
func isStop(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// isLate reports whether the context's deadline has passed.
func isLate(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// verify makes the strategy do the fixed work, and returns the checksum of the solutions. If
// they are wrong, verify fails the meter. It returns an error only if the context ends.
func (m *meter) verify(ctx context.Context) (sum string, err error) {
	var lists [][]uint64
	for i, r := range m.work.Ranges {
		found, err := m.verifyRange(ctx, workBits, r, m.want[i])
		if err != nil || m.failed != "" && found == nil {
			return "", err
		}
		lists = append(lists, found)
	}
	return checksum(lists...), nil
}

// verifyRange is verify for one range; it returns the solutions.
func (m *meter) verifyRange(ctx context.Context, bits int, r Range, want []uint64) (found []uint64, err error) {
	found, err = m.search(ctx, bits, r.First, r.Last)
	if err != nil {
		if m.stopped(ctx, err) {
			return nil, err
		}
		return nil, nil
	}
	if reason := difference(found, want); reason != "" {
		m.failed = reason
	}
	return found, nil
}

// stopped reports whether the search ended because the context did. It fails the meter for any
// other error.
func (m *meter) stopped(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	if isStop(err) {
		if isLate(ctx) {
			<-ctx.Done() // the context's timer may fire a little after its deadline
		}
		if ctx.Err() != nil {
			return true
		}
	}
	m.failed = err.Error()
	return false
}
