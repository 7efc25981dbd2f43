package client

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// Every failure has one of these kinds; test for them with errors.Is.
var (
	// ErrRejected: the service rejected the request or the solution, or the client found
	// the solution wrong and did not send it. Do not retry.
	ErrRejected error = kind("rejected")
	// ErrRateLimited: too many requests with this secret key. Retry after
	// Error.RetryAfter.
	ErrRateLimited error = kind("rate limited")
	// ErrQuotaExceeded: the monthly quota is used up. Do not retry before next month.
	ErrQuotaExceeded error = kind("quota exceeded")
	// ErrExpired: the challenge or the token has expired. Try a new one.
	ErrExpired error = kind("expired")
	// ErrMisconfigured: the keys, the plan or the Config are wrong. Correct them.
	ErrMisconfigured error = kind("misconfigured")
	// ErrUnavailable: there was no valid response. The service may or may not have
	// processed the request.
	ErrUnavailable error = kind("unavailable")
	// ErrDifficulty: the difficulty of the challenge exceeds Config.MaxDifficulty or
	// is impossible.
	ErrDifficulty error = kind("difficulty refused")
)

type kind string

func (k kind) Error() string { return "client: " + string(k) }

// A Code is an error code of the API. It is an error, so errors.Is can look for it.
type Code string

// The documented codes: gkCAPTCHA M2M API, "Error Responses".
const (
	CodeInvalidKey       Code = "invalid_key"       // ErrMisconfigured
	CodeM2MDisabled      Code = "m2m_disabled"      // ErrMisconfigured
	CodeChallengeExpired Code = "challenge_expired" // ErrExpired
	CodeInvalidSolution  Code = "invalid_solution"  // ErrRejected
	CodeRateLimited      Code = "rate_limited"      // ErrRateLimited
	CodeQuotaExceeded    Code = "quota_exceeded"    // ErrQuotaExceeded
)

// Error returns the code as the API spells it.
func (c Code) Error() string { return string(c) }

// kind returns the kind of a documented code, and nil for any other.
func (c Code) kind() error {
	switch c {
	case CodeInvalidKey, CodeM2MDisabled:
		return ErrMisconfigured
	case CodeChallengeExpired:
		return ErrExpired
	case CodeInvalidSolution:
		return ErrRejected
	case CodeRateLimited:
		return ErrRateLimited
	case CodeQuotaExceeded:
		return ErrQuotaExceeded
	}
	return nil
}

// errorKind returns the kind of an error of gkCAPTCHA: by its code if that is
// documented, else by its status.
func errorKind(status int, code Code) error {
	if kind := code.kind(); kind != nil {
		return kind
	}
	return statusKind(status)
}

// statusKind returns the kind of an error without a documented code.
func statusKind(status int) error {
	switch {
	case status == 401 || status == 403:
		return ErrMisconfigured
	case status == 408 || status < 200 || status >= 300 && status < 400 || status >= 500:
		return ErrUnavailable
	case status == 429:
		return ErrRateLimited
	}
	return ErrRejected
}

// An Error is what all functions of this package return when they fail. It is safe to log:
// it contains neither the secret key nor a token. Of a response's body it contains only the
// error code, if that looks like a code.
//
// errors.Is finds the Kind, the Code and the cause of an Error.
type Error struct {
	// Op is the operation that failed: "config", "challenge", "solve", "verify",
	// "token" for the whole handshake, "token/verify" for VerifyToken, "cache" for a
	// shared cache, or "transport". Other services prefix it with their name, as in
	// "gktinc/level".
	Op string

	// Kind is one of the Err variables. It is nil if the caller's context is done or
	// the Source is closed; errors.Is then finds context.Canceled or
	// context.DeadlineExceeded.
	Kind error

	Status int  // HTTP status; 0 if there was no response
	Code   Code // error code of the response, not always a documented one; "" if there was none

	Attempts int // number of requests if there were retries, otherwise 0

	// RetryAfter is the wait that the service asks for, in its body or its
	// Retry-After header, whichever is longer. It is at most 24 hours; 0 means that
	// the service did not ask.
	RetryAfter time.Duration

	Err error // details; nil if there are none

	transient bool // a retry is safe and may succeed
	timedOut  bool // after Config.Timeout

	advise func(*Error) string // replaces advice in errors of other services
}

// Error returns what failed, why, and what to do about it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("client: " + e.Op)
	switch k := e.Kind.(type) {
	case nil:
	case kind:
		if path.Base(e.Op) == "config" {
			break // "misconfigured" would add nothing
		}
		what := string(k)
		if e.Code != "" {
			what = string(e.Code)
		}
		b.WriteString(": " + what)
	default:
		b.WriteString(": " + k.Error())
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	if e.Err != nil {
		b.WriteString(": " + strings.TrimPrefix(e.Err.Error(), "client: "))
	}
	if advice := e.advice(); advice != "" {
		b.WriteString(": " + advice)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	if e.RetryAfter > 0 {
		const step = 100 * time.Millisecond
		fmt.Fprintf(&b, " (retry after %v)", (e.RetryAfter + step - 1).Truncate(step))
	}
	return b.String()
}

// Unwrap returns Kind, Code and Err, as far as they are set.
func (e *Error) Unwrap() []error {
	var all []error
	if e.Kind != nil {
		all = append(all, e.Kind)
	}
	if e.Code != "" {
		all = append(all, e.Code)
	}
	if e.Err != nil {
		all = append(all, e.Err)
	}
	return all
}

// advice returns what the user can do about an error response of the service.
func (e *Error) advice() string {
	switch {
	case e.Status == 0:
		return ""
	case e.advise != nil:
		return e.advise(e)
	case e.Code == CodeInvalidKey, e.Kind == ErrMisconfigured && e.Code.kind() == nil:
		return "check GKCAPTCHA_SITE_KEY and GKCAPTCHA_SECRET_KEY"
	case e.Code == CodeM2MDisabled:
		return "M2M needs a Starter plan or higher and must be enabled for the site in the dashboard"
	case e.Code == CodeChallengeExpired:
		return "the challenge is unknown, used or expired: ask for a new one"
	case e.Code == CodeInvalidSolution:
		return "the service rejected the solution, and the challenge is used up: ask for a new one"
	case e.Kind == ErrQuotaExceeded:
		return "the monthly quota is used up, so the request is not retried"
	case e.Kind == ErrRateLimited:
		return "wait, and share one token instead of asking for many"
	}
	return ""
}

// contextError returns nil as long as ctx is not done and its deadline has not passed. It
// checks the deadline itself, since a dialer may time out a moment before ctx is done. The
// error wraps the context's cause if that is a different error.
func contextError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		if cause := context.Cause(ctx); cause != err {
			return fmt.Errorf("%w: %w", err, cause)
		}
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// A cause is an error whose text is safe to show. errors.Is and errors.As see the error
// that it wraps, but a dump of the struct does not.
type cause struct {
	text   string
	unwrap func() error
}

func (c *cause) Error() string { return c.text }

func (c *cause) Unwrap() error {
	if c.unwrap == nil {
		return nil
	}
	return c.unwrap()
}

// interrupted returns the error of an operation that the caller's context ended.
func interrupted(op string, err error) *Error { return &Error{Op: op, Err: err} }

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
