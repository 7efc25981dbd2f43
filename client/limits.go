package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Limits protect callers from a service that does not answer, and the service from too
// many requests. The zero value means the defaults.
type Limits struct {
	// MaxInFlight is the maximum number of concurrent requests; 0 means 100. Further
	// requests wait for a free slot until their timeout, and then fail with
	// ErrRateLimited.
	MaxInFlight int

	// FailureThreshold is the number of consecutive failures that open the circuit
	// breaker; 0 means 5, negative means that it never opens. A request fails if there
	// is no response, if the response does not come from the API, or if the status is 502,
	// 503 or 504. Status 500 counts neither as failure nor as success, since a single
	// bad request can cause it.
	FailureThreshold int

	// OpenDuration is how long the circuit breaker stays open; 0 means 10 s. Meanwhile
	// requests fail at once with ErrUnavailable and ErrCircuitOpen. Then a single
	// request tries the service, and its outcome closes or reopens the breaker.
	OpenDuration time.Duration

	// Total limits a whole call of API.Do, including retries and the waits before them;
	// 0 means no limit other than the caller's context, except in package gktinc, where
	// it means Config.Timeout. A Client ignores Total: limit its calls with a context.
	Total time.Duration
}

// Defaults of Limits fields.
const (
	defaultMaxInFlight      = 100
	defaultFailureThreshold = 5
	defaultOpenDuration     = 10 * time.Second
)

// ErrCircuitOpen means that a request was not sent because the previous ones failed. The
// *Error that wraps it has the kind ErrUnavailable. See Limits.
var ErrCircuitOpen = errors.New("client: the circuit breaker is open")

// Traffic is the current state of an API, with counts since it was created.
type Traffic struct {
	Circuit     string // state of the circuit breaker: "closed" (normal), "open" or "half-open"
	InFlight    int    // requests that wait for a response
	MaxInFlight int    // see Limits

	CircuitOpenings uint64 // times that the circuit breaker has opened
	NotSentOpen     uint64 // requests that failed at once because it was open
	NotSentFull     uint64 // requests that got no free slot in time
}

// A gate admits requests according to Limits. It is safe for concurrent use.
type gate struct {
	slots   chan struct{}
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}] // nil admits everything

	openUntil                          atomic.Int64 // Unix nanoseconds
	openings, notSentOpen, notSentFull atomic.Uint64
}

// errNotCounted tells the circuit breaker to ignore the outcome of a request, since it
// says nothing about the service.
var errNotCounted = errors.New("neither success nor failure")

func newGate(l Limits) *gate {
	g := &gate{slots: make(chan struct{}, cmp.Or(l.MaxInFlight, defaultMaxInFlight))}
	if l.FailureThreshold < 0 {
		return g
	}
	threshold, open := uint32(cmp.Or(l.FailureThreshold, defaultFailureThreshold)), cmp.Or(l.OpenDuration, defaultOpenDuration)
	g.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     open,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= threshold },
		IsExcluded:  func(err error) bool { return err == errNotCounted },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				g.openUntil.Store(time.Now().Add(open).UnixNano())
				g.openings.Add(1)
			}
		},
	})
	return g
}

// enter waits for a free slot until ctx is done. The caller must call leave with the
// outcome of the request: nil, errNotCounted or any other error.
func (g *gate) enter(ctx context.Context) (leave func(outcome error), err error) {
	select {
	case g.slots <- struct{}{}:
	default:
		select {
		case g.slots <- struct{}{}:
			if contextError(ctx) == nil {
				break
			}
			<-g.slots // the slot became free too late
			return nil, g.full()
		case <-ctx.Done():
			return nil, g.full()
		}
	}
	done := func(error) {}
	if g.breaker != nil {
		if done, err = g.breaker.Allow(); err != nil {
			<-g.slots
			g.notSentOpen.Add(1)
			return nil, ErrCircuitOpen
		}
	}
	return func(outcome error) {
		done(outcome)
		<-g.slots
	}, nil
}

func (g *gate) full() error {
	g.notSentFull.Add(1)
	return fmt.Errorf("%d requests are already waiting for a response, which is the limit", cap(g.slots))
}

// notSent returns the error of a request that the gate did not admit.
func (a *API) notSent(caller context.Context, op string, err error) error {
	if ended := contextError(caller); ended != nil {
		return interrupted(op, ended)
	}
	if err != ErrCircuitOpen {
		return &Error{Op: op, Kind: ErrRateLimited, Err: err}
	}
	return &Error{Op: op, Kind: ErrUnavailable,
		Err:        fmt.Errorf("%w: the last requests all failed, so this one was not sent", ErrCircuitOpen),
		RetryAfter: max(time.Until(time.Unix(0, a.gate.openUntil.Load())), 0),
	}
}

// outcomeOf tells the circuit breaker how an exchange ended: nil for success,
// errNotCounted, or another error for failure.
func outcomeOf(got answer, err error, took time.Duration) error {
	var failure *Error
	switch {
	case errors.As(err, &failure) && failure.Kind == nil:
		// The caller's context is done. A missed deadline says something about the
		// service only if it left time for a response.
		if errors.Is(err, context.DeadlineExceeded) && took >= time.Second {
			return err
		}
		return errNotCounted
	case err != nil:
		return err
	case got.fields == nil, got.status >= 502 && got.status <= 504:
		return errors.New(http.StatusText(got.status))
	case got.status == http.StatusInternalServerError:
		return errNotCounted
	}
	return nil
}

// Traffic returns the current state and the counts of the API.
func (a *API) Traffic() Traffic {
	g := a.gate
	t := Traffic{
		Circuit:         gobreaker.StateClosed.String(),
		InFlight:        len(g.slots),
		MaxInFlight:     cap(g.slots),
		CircuitOpenings: g.openings.Load(),
		NotSentOpen:     g.notSentOpen.Load(),
		NotSentFull:     g.notSentFull.Load(),
	}
	if g.breaker != nil {
		t.Circuit = g.breaker.State().String()
	}
	return t
}

// Traffic returns the state of the Client's requests to the service.
func (c *Client) Traffic() Traffic { return c.api.Traffic() }

// check returns the first invalid field and what is wrong with it, or "" if all fields are
// valid.
func (l Limits) check() (field, fault string) {
	switch {
	case l.MaxInFlight < 0:
		return "MaxInFlight", fmt.Sprintf("is %d: set it to 1 or more, or to 0 for the default, %d", l.MaxInFlight, defaultMaxInFlight)
	case l.OpenDuration < 0:
		return "OpenDuration", fmt.Sprintf("is %v: set it to a positive duration, or to 0 for the default, %v", l.OpenDuration, defaultOpenDuration)
	case l.Total < 0:
		return "Total", fmt.Sprintf("is %v: set it to a positive duration, or to 0 for no limit", l.Total)
	}
	return "", ""
}
