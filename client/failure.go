package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gkpow/gkpow/client/internal/pause"
)

// A Failure is an error that would recur for some time. It can be stored outside the
// process, so that other processes that want the same token do not repeat the request. It
// contains no secret. Packages diskcache and rediscache store it next to the token; a
// Source remembers failures in memory.
type Failure struct {
	Kind     string    `json:"kind"`               // text of Error.Kind, such as "rate limited"
	Op       string    `json:"op"`                 // as in Error
	Status   int       `json:"status,omitempty"`   // as in Error
	Code     Code      `json:"code,omitempty"`     // as in Error
	Attempts int       `json:"attempts,omitempty"` // as in Error
	Detail   string    `json:"detail,omitempty"`   // text of Error.Err
	At       time.Time `json:"at"`                 // when it happened
	Until    time.Time `json:"until"`              // when to try again
}

// NewFailure returns the Failure for an error that happened at now. How long it should be
// remembered depends on the kind:
//
//   - ErrRateLimited: until the rate limit ends
//   - ErrUnavailable, ErrExpired: four to five seconds, or as long as the service asks, up
//     to 30 s
//   - all others, which the user has to resolve: one to five seconds
//
// ok is false if the error has no kind, for example because the caller's context was done.
func NewFailure(err error, now time.Time) (failure Failure, ok bool) {
	var e *Error
	if !errors.As(err, &e) || e.Kind == nil {
		return Failure{}, false
	}
	wait := e.lasts()
	if e.Kind == ErrUnavailable || e.Kind == ErrExpired {
		wait = max(withJitter(4*time.Second), min(e.RetryAfter, maxWait))
	}
	if wait == 0 {
		return Failure{}, false
	}
	f := Failure{
		Kind: string(e.Kind.(kind)), Op: e.Op, Status: e.Status, Code: e.Code, Attempts: e.Attempts,
		At: now, Until: now.Add(wait),
	}
	if e.Err != nil {
		f.Detail = printable(strings.TrimPrefix(e.Err.Error(), "client: "))
	}
	return f, true
}

// lasts returns for how long a retry is pointless, because only time or the user can
// resolve the failure. It returns 0 if the failure may pass at any moment.
func (e *Error) lasts() time.Duration {
	switch e.Kind {
	case ErrRateLimited:
		return max(e.RetryAfter, time.Second)
	case ErrQuotaExceeded, ErrMisconfigured, ErrRejected, ErrDifficulty:
		return time.Second + rand.N(4*time.Second)
	}
	return 0
}

// Err returns the failure as an *Error. It returns nil if the failure is invalid: of an
// unknown kind, from the future, or remembered for longer than a day.
func (f Failure) Err(now time.Time) error {
	k := kindOf(f.Kind)
	if k == nil || f.At.After(now) || f.Until.Before(f.At) || f.Until.Sub(f.At) > maxRetryAfter {
		return nil
	}
	detail := fmt.Sprintf("another process got this error %v ago", max(rounded(now.Sub(f.At)), 100*time.Millisecond))
	if f.Detail != "" {
		detail = f.Detail + "; " + detail
	}
	e := &Error{Op: f.Op, Kind: k, Status: f.Status, Code: f.Code, Attempts: f.Attempts, Err: errors.New(detail)}
	if k == ErrRateLimited {
		e.RetryAfter = max(f.Until.Sub(now), time.Second)
	}
	return e
}

// kindOf returns the Err variable with the given text, or nil if there is none.
func kindOf(text string) error {
	for _, k := range []error{ErrRejected, ErrRateLimited, ErrQuotaExceeded, ErrExpired, ErrMisconfigured, ErrUnavailable, ErrDifficulty} {
		if string(k.(kind)) == text {
			return k
		}
	}
	return nil
}

// Await returns the result of Err at once, unless the failure is a rate limit that ends
// before ctx's deadline. In that case Await waits until the rate limit ends and returns
// nil, or returns ctx's error if ctx is done first.
func (f Failure) Await(ctx context.Context) error {
	err := f.Err(time.Now())
	wait, ok := worthWaiting(ctx, err)
	if !ok {
		return err
	}
	if !pause.For(ctx, wait) {
		return interrupted("token", contextError(ctx))
	}
	return nil
}
