package strategies

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/gkpow/gkpow/solver"
)

// A loop is a strategy that hashes one nonce after another.
type loop struct {
	name        string
	description string
	// start prepares a search that starts at the nonce first. The error is the context's.
	start func(ctx context.Context, p solver.Puzzle, first uint64) (scanner, error)
	// message returns the number of bytes hashed per nonce.
	message func(p solver.Puzzle) int
}

// A scanner tries nonces in numeric order.
type scanner interface {
	// scan tries up to n nonces (n > 0), and stops at a solution. nonce is the first of them: it
	// follows the last one tried. scan returns the number of nonces tried, and whether the last one
	// is a solution.
	scan(nonce uint64, n int) (tried int, solved bool)
}

func (l *loop) Name() string        { return l.name }
func (l *loop) Description() string { return l.description }
func (l *loop) Missing() string     { return "" }

func (l *loop) Search(
	ctx context.Context, p solver.Puzzle, r Range, found func(nonce uint64) bool,
) (hashes uint64, err error) {
	start := time.Now()
	if err := check(p, r); err != nil {
		return 0, err
	}
	if err := ended(ctx); err != nil {
		return 0, stopped(ctx, err, 0, start)
	}
	s, err := l.start(ctx, p, r.First)
	if err != nil {
		return 0, stopped(ctx, err, 0, start)
	}
	piece := uint64(pieceOf(l.message(p)))
	for nonce := r.First; ; {
		n := min(piece-1, r.Last-nonce) + 1
		for left := int(n); left > 0; {
			tried, solved := s.scan(nonce, left)
			hashes += uint64(tried)
			left -= tried
			last := nonce + uint64(tried) - 1
			if solved && !found(last) {
				return hashes, nil
			}
			if last == r.Last {
				return hashes, nil
			}
			nonce = last + 1
		}
		if err := ended(ctx); err != nil {
			return hashes, stopped(ctx, err, hashes, start)
		}
	}
}

// pieceOf returns how many messages of the given size in bytes to hash between context checks: less
// than 100 µs of work on today's machines.
func pieceOf(message int) int {
	const most, bytes = 128, 16 << 10
	return min(most, max(1, bytes/max(1, message)))
}

// ended returns the error of a context that has ended, or nil. Timers of the runtime fire late when
// all processors are busy, so ended also compares the deadline with the clock.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// stopped returns the error for a search whose context ended with err.
func stopped(ctx context.Context, err error, hashes uint64, start time.Time) error {
	e := &solver.StoppedError{Hashes: hashes, Elapsed: time.Since(start), Err: err, Cause: err}
	if cause := context.Cause(ctx); cause != nil {
		e.Cause = cause
	}
	return e
}

// wholeMessage is loop.message for strategies that hash the prefix again for every nonce.
func wholeMessage(p solver.Puzzle) int { return len(p.Prefix) }

// A target masks the bits of a digest that must be zero, in big-endian words.
type target [4]uint64

func newTarget(zeros int) (t target) {
	for i := range t {
		t[i] = ^(^uint64(0) >> min(64, max(0, zeros-64*i)))
	}
	return t
}

func (t *target) met(digest *[sha256.Size]byte) bool {
	for i, mask := range t {
		if binary.BigEndian.Uint64(digest[8*i:])&mask != 0 {
			return false
		}
	}
	return true
}
