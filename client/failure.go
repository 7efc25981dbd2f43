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

// A Failure is an error that asking again would only repeat for some time, in a form
// that can be kept outside the process, for others that want the same token. It holds
// no secret. Packages diskcache and rediscache keep it beside the token, as a Source
// does in memory.
type Failure struct {
	Kind     string    `json:"kind"` // of the error, as "rate limited"
	Op       string    `json:"op"`   // as in Error, like the next three
	Status   int       `json:"status,omitempty"`
	Code     Code      `json:"code,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	Detail   string    `json:"detail,omitempty"` // the text of Error.Err
	At       time.Time `json:"at"`               // when it happened
	Until    time.Time `json:"until"`            // until then nobody needs to ask again
}

// NewFailure returns what to remember of an error that has just happened: a rate
// limit until it ends, an outage or an expired challenge for four to five seconds,
// longer if the service asks for up to 30 s, and what will not change by itself for
// one to five seconds. It returns false if there is nothing to remember, as when the
// caller's context has ended.
func NewFailure(err error, now time.Time) (Failure, bool) {
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

// lasts is how long a failure need not be tried again because nothing but time, or
// the user, can change it; 0 if it may pass at any moment.
func (e *Error) lasts() time.Duration {
	switch e.Kind {
	case ErrRateLimited:
		return max(e.RetryAfter, time.Second)
	case ErrQuotaExceeded, ErrMisconfigured, ErrRejected, ErrDifficulty:
		return time.Second + rand.N(4*time.Second)
	}
	return 0
}

// Err returns the failure as an *Error, or nil if it can be no failure: one of an
// unknown kind, from the future, or to be remembered for longer than a day.
func (f Failure) Err(now time.Time) error {
	k := kindOf(f.Kind)
	if k == nil || f.At.After(now) || f.Until.Before(f.At) || f.Until.Sub(f.At) > maxRetryAfter {
		return nil
	}
	detail := fmt.Sprintf("as another process was told %v ago", max(rounded(now.Sub(f.At)), 100*time.Millisecond))
	if f.Detail != "" {
		detail = f.Detail + ", " + detail
	}
	e := &Error{Op: f.Op, Kind: k, Status: f.Status, Code: f.Code, Attempts: f.Attempts, Err: errors.New(detail)}
	if k == ErrRateLimited {
		e.RetryAfter = max(f.Until.Sub(now), time.Second)
	}
	return e
}

// kindOf returns one of the Err variables by its text, nil if there is none.
func kindOf(text string) error {
	for _, k := range []error{ErrRejected, ErrRateLimited, ErrQuotaExceeded, ErrExpired, ErrMisconfigured, ErrUnavailable, ErrDifficulty} {
		if string(k.(kind)) == text {
			return k
		}
	}
	return nil
}

// Await returns the failure as Err does, at once, unless it is a rate limit that ends
// before ctx's deadline: then it waits for the end and returns nil, or ctx's error.
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
