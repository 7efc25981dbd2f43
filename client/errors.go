package client

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// A failure is of one of these kinds; test for them with errors.Is.
var (
	// ErrRejected: the service did not accept the request or the solution, or
	// the solution is wrong and was not sent. Repeating it does not help.
	ErrRejected error = kind("rejected")
	// ErrRateLimited: too many requests with this secret key. Error.RetryAfter
	// says when to try again.
	ErrRateLimited error = kind("rate limited")
	// ErrQuotaExceeded: the monthly quota is used up; nothing helps before the
	// next month.
	ErrQuotaExceeded error = kind("quota exceeded")
	// ErrExpired: the challenge has expired. A new one may do better.
	ErrExpired error = kind("expired")
	// ErrMisconfigured: the keys, the plan or the Config have to be put right.
	ErrMisconfigured error = kind("misconfigured")
	// ErrUnavailable: no answer, or none that makes sense. Whether the service
	// has acted on the request is not known.
	ErrUnavailable error = kind("unavailable")
	// ErrDifficulty: the challenge asks for more work than Config.MaxDifficulty
	// allows, or for an impossible amount.
	ErrDifficulty error = kind("difficulty refused")
)

type kind string

func (k kind) Error() string { return "client: " + string(k) }

// A Code is an error code of the API. As an error it is a target for errors.Is.
type Code string

// The codes that are documented: gkCAPTCHA M2M API, "Error Responses".
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

// kind returns nil for a code that is not documented.
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

// answerKind is the kind of gkCAPTCHA's errors: by the code if it is documented,
// or else by the status.
func answerKind(status int, code Code) error {
	if kind := code.kind(); kind != nil {
		return kind
	}
	return statusKind(status)
}

// statusKind is the kind of an answer without a documented code.
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

// An Error is what all functions of this package return when they fail. It
// holds no secret key, no token and no part of an answer's body but its error
// code, and that only if it looks like one; it can be logged.
//
// errors.Is finds the Kind, the Code, and what has caused the error.
type Error struct {
	// Op is "config", "challenge", "solve", "verify", "token" for several of them,
	// "token/verify" for VerifyToken, or "transport". Errors of other services
	// have the service's name before a slash, as in "gktinc/level".
	Op string

	// Kind is one of the Err variables, or nil if the caller's context has
	// ended or the Source is closed: then errors.Is finds context.Canceled or
	// context.DeadlineExceeded.
	Kind error

	Status int  // HTTP status, 0 if no answer was concerned
	Code   Code // "" if the answer had none; not always a documented one

	Attempts int // requests that were made, if it was more than one; otherwise 0

	// RetryAfter is how long the service asks to wait, by its body or its
	// Retry-After header, whichever is longer: 0 (it did not ask) to 24 hours.
	RetryAfter time.Duration

	Err error // details, nil if there are none

	passing  bool // the same request may succeed, and repeating it is safe
	timedOut bool // after Config.Timeout

	advise func(*Error) string // instead of advice, in errors of other services
}

// Error says what has failed, why, and what to do about it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("client: " + e.Op)
	switch k := e.Kind.(type) {
	case nil:
	case kind:
		if path.Base(e.Op) == "config" {
			break // says the same
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
		fmt.Fprintf(&b, " (retry after %v)", e.RetryAfter)
	}
	return b.String()
}

// Unwrap returns the Kind, the Code and the details, those that there are.
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

// advice is what the user can do about an answer of the service.
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
		return "the service does not accept the solution; the challenge is used up, ask for a new one"
	case e.Kind == ErrQuotaExceeded:
		return "the monthly quota is used up; it is not retried"
	case e.Kind == ErrRateLimited:
		return "wait, and share one token instead of asking for many"
	}
	return ""
}

// contextError returns the context's error, with its cause where that is another
// one, once it has ended or its deadline has passed: a dialer heeds the deadline
// a moment before the context does.
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

// A cause is an error with a text that is safe to show. What it wraps is found
// by errors.Is and errors.As, but not by a dump of the struct.
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

// interrupted is the error of an operation that the caller's context ended.
func interrupted(op string, err error) *Error { return &Error{Op: op, Err: err} }

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
