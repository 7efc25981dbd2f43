package solver

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrExhausted is what errors.Is finds in an *ExhaustedError.
var ErrExhausted = errors.New("solver: nonce space exhausted")

// A PuzzleError says which field of a puzzle is invalid, and why.
type PuzzleError struct {
	Field  string // "difficulty" or "bits"
	Reason string // what is wrong with it, and what is allowed
}

func (e *PuzzleError) Error() string {
	return "solver: invalid puzzle: " + e.Field + ": " + e.Reason
}

// An ExhaustedError says that every nonce allowed was tried and none solves the
// puzzle. It wraps ErrExhausted.
type ExhaustedError struct {
	Hashes   uint64        // nonces tried, which is all of them
	MinNonce uint64        // the smallest nonce allowed
	MaxNonce uint64        // the largest nonce allowed
	Shard    Shard         // the part of the space that was searched
	Elapsed  time.Duration // time spent
}

func (e *ExhaustedError) Error() string {
	where := fmt.Sprintf("up to %d", e.MaxNonce)
	if e.MinNonce > 0 {
		where = fmt.Sprintf("from %d to %d", e.MinNonce, e.MaxNonce)
	}
	if e.Shard.Count > 1 {
		where += fmt.Sprintf(" in shard %v", e.Shard)
	}
	return fmt.Sprintf("%v: none of the %d nonces %s solves the puzzle", ErrExhausted, e.Hashes, where)
}

func (e *ExhaustedError) Unwrap() error { return ErrExhausted }

// A StoppedError says that the context ended before a solution was found, and
// how far the search had got. It wraps the context's error, context.Canceled or
// context.DeadlineExceeded, and its cause where that is another one.
type StoppedError struct {
	Hashes  uint64        // nonces tried
	Elapsed time.Duration // time spent
	Err     error         // context.Canceled or context.DeadlineExceeded
	Cause   error         // context.Cause of the context
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("solver: stopped after %d hashes in %v: %v", e.Hashes, e.Elapsed.Round(time.Millisecond), e.Cause)
}

func (e *StoppedError) Unwrap() []error { return []error{e.Err, e.Cause} }

// A KernelFault says that a kernel reported a nonce that crypto/sha256 does not
// confirm. A kernel that reports wrong hits may have missed right ones too, so the
// search began anew without it, and the nonces that had been tried do not count. A
// Solution found after a fault is as good as any other, but the kernel or the
// machine is broken.
type KernelFault struct {
	Backend string // the kernel that was at fault
	Nonce   uint64 // what it reported
}

func (e *KernelFault) Error() string {
	return fmt.Sprintf("solver: kernel %s reported nonce %d, which crypto/sha256 does not confirm; it is not used any more", e.Backend, e.Nonce)
}

// ended returns the error of a context that ended. The runtime's timers are late
// when all processors are busy, so it looks at the clock as well.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// stopped returns the error of a search whose context ended with err.
func stopped(ctx context.Context, err error, hashes uint64, start time.Time) error {
	if ctx.Err() == nil {
		// The clock says so; the timer, which brings the cause, is due.
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Microsecond):
		}
	}
	stopped := &StoppedError{Hashes: hashes, Elapsed: time.Since(start), Err: err, Cause: err}
	if cause := context.Cause(ctx); cause != nil {
		stopped.Cause = cause
	}
	return stopped
}
