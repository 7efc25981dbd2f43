package solver

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrExhausted is the error that an *ExhaustedError wraps, for use with errors.Is.
var ErrExhausted = errors.New("solver: nonce space exhausted")

// A PuzzleError says which field of a puzzle is invalid, and why.
type PuzzleError struct {
	Field  string // the invalid field: "difficulty" or "bits"
	Reason string // why it is invalid, and the allowed range
}

// Error names the invalid field and the reason.
func (e *PuzzleError) Error() string {
	return "solver: invalid puzzle: " + e.Field + ": " + e.Reason
}

// An ExhaustedError says that every allowed nonce was tried and none solves the puzzle. It wraps
// ErrExhausted.
type ExhaustedError struct {
	Hashes   uint64        // nonces tried: all that are allowed
	MinNonce uint64        // the smallest nonce allowed
	MaxNonce uint64        // the largest nonce allowed
	Shard    Shard         // the part of the nonce space that was searched
	Elapsed  time.Duration // from the call of Solve to its return
}

// Error says which nonces were tried.
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

// Unwrap returns ErrExhausted.
func (e *ExhaustedError) Unwrap() error { return ErrExhausted }

// A StoppedError says that the context ended before the search did, and how far the search had got.
// It wraps the context's error and the context's cause.
type StoppedError struct {
	Hashes  uint64        // distinct nonces tried
	Elapsed time.Duration // from the call of Solve or All to its return
	Err     error         // context.Canceled or context.DeadlineExceeded
	Cause   error         // context.Cause of the context, or Err if it has none
}

// Error says how far the search had got, and why the context ended.
func (e *StoppedError) Error() string {
	elapsed := e.Elapsed.Round(time.Millisecond)
	return fmt.Sprintf("solver: stopped after %d hashes in %v: %v", e.Hashes, elapsed, e.Cause)
}

// Unwrap returns Err and Cause.
func (e *StoppedError) Unwrap() []error { return []error{e.Err, e.Cause} }

// A KernelFault says that a kernel reported a nonce that crypto/sha256 rejects. A kernel that
// reports wrong hits may also have missed right ones, so the search disabled the kernel and started
// over. Nonces tried before that do not count. Solutions found after a fault are right, since
// crypto/sha256 has verified them, but the kernel or the machine is broken.
type KernelFault struct {
	Backend string // the kernel that failed
	Nonce   uint64 // the nonce that it reported
}

// Error names the kernel and the nonce.
func (e *KernelFault) Error() string {
	return fmt.Sprintf(
		"solver: kernel %s reported nonce %d, which crypto/sha256 rejects; the kernel is now disabled",
		e.Backend, e.Nonce)
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
	if ctx.Err() == nil {
		// The deadline has passed by the clock, but the timer, which sets the cause, has yet to
		// fire.
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
