package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	firstWait = 250 * time.Millisecond // before the second attempt; later waits double
	maxWait   = 30 * time.Second       // longest wait for an unavailable service
	maxJitter = 5 * time.Second
)

// retry calls attempt and repeats it, up to Config.MaxRetries times, while that is safe
// and may help. The error is that of the last attempt, with the number of attempts.
func retry[T any](ctx context.Context, a *API, op string, attempt func() (T, error)) (T, error) {
	w := &waits{ctx: ctx, growing: backoff.ExponentialBackOff{
		InitialInterval: firstWait,
		Multiplier:      2,
		MaxInterval:     maxWait,
	}}
	attempts := 0
	value, err := backoff.Retry(ctx, func() (T, error) {
		attempts++
		value, err := attempt()
		w.last = err
		return value, err
	}, backoff.WithBackOff(w), backoff.WithMaxTries(1+a.maxRetries), backoff.WithMaxElapsedTime(0))
	if err == nil {
		return value, nil
	}
	var none T
	failure := new(Error)
	if !errors.As(err, &failure) { // the context was done during a wait
		ended := contextError(ctx)
		if w.last != nil { // add the reason for the wait
			ended = fmt.Errorf("%w; the last attempt: %s", ended, strings.TrimPrefix(w.last.Error(), "client: "))
		}
		return none, interrupted(op, ended)
	}
	if attempts > 1 {
		counted := *failure
		counted.Attempts = attempts
		return none, &counted
	}
	return none, err
}

// waits is a backoff.BackOff that decides how long to wait before the next attempt.
type waits struct {
	ctx     context.Context
	growing backoff.ExponentialBackOff
	last    error // of the latest attempt
	slow    int   // attempts that took all of Config.Timeout
}

func (w *waits) Reset() { w.growing.Reset() }

// NextBackOff returns backoff.Stop if a retry would be unsafe or pointless, or would
// begin after the context's deadline.
func (w *waits) NextBackOff() time.Duration {
	var failure *Error
	if !errors.As(w.last, &failure) {
		return backoff.Stop
	}
	if failure.timedOut {
		if w.slow++; w.slow > 1 {
			return backoff.Stop // give up after two timeouts
		}
	}
	wait := withJitter(max(w.growing.NextBackOff(), failure.RetryAfter))
	switch {
	case failure.Kind == ErrRateLimited && inTime(w.ctx, wait):
		return wait
	case failure.transient && failure.RetryAfter <= maxWait && !tooLate(w.ctx, wait):
		return wait
	}
	return backoff.Stop
}

// withJitter adds up to a quarter of the wait, at most maxJitter. It never shortens a wait,
// so no request comes earlier than the service asks.
func withJitter(wait time.Duration) time.Duration {
	return wait + rand.N(min(wait/4, maxJitter)+1)
}

// inTime reports whether the context has a deadline and the wait ends before it. A wait
// for a rate limit can take a day, so callers have to say with a deadline how long they
// are willing to wait.
func inTime(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && wait < time.Until(deadline)
}

// tooLate reports whether the context has a deadline that comes before the wait ends.
func tooLate(ctx context.Context, wait time.Duration) bool {
	_, ok := ctx.Deadline()
	return ok && !inTime(ctx, wait)
}
