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

// Limits protect callers from a service that does not answer, and the service
// from callers. The zero value means the defaults.
type Limits struct {
	// MaxInFlight is how many requests may wait for an answer at the same time; 0
	// is 100. Further ones wait for a free place as long as they may wait for an
	// answer, and then fail with ErrRateLimited.
	MaxInFlight int

	// FailureThreshold is how many requests in a row must fail before the circuit
	// breaker opens; 0 is 5, negative is never. No answer counts as a failure, and
	// so do an answer that is not the API's and status 502, 503 and 504. Status 500
	// does not count either way, because one request can cause it by itself.
	FailureThreshold int

	// OpenDuration is how long the circuit breaker stays open; 0 is 10 s. Requests
	// then fail at once with ErrUnavailable and ErrCircuitOpen. Afterwards a single
	// request tries the service, and its outcome closes or reopens the breaker.
	OpenDuration time.Duration

	// Total bounds one call from beginning to end, with its repetitions and the
	// waits between them; 0 is no bound besides the caller's context. Client.Token,
	// which spends most of its time solving, does not use it.
	Total time.Duration
}

// Values of Limits fields that are 0.
const (
	defaultMaxInFlight      = 100
	defaultFailureThreshold = 5
	defaultOpenDuration     = 10 * time.Second
)

// ErrCircuitOpen is wrapped by an ErrUnavailable that was returned without asking
// the service, because the requests before it had failed. See Limits.
var ErrCircuitOpen = errors.New("client: the circuit breaker is open")

// Traffic is what an API is doing at one moment, and has done since it was made.
type Traffic struct {
	Circuit     string // "closed" (as it should be), "open" or "half-open"
	InFlight    int    // requests that wait for an answer
	MaxInFlight int    // see Limits

	CircuitOpenings uint64 // how many times the circuit breaker has opened
	NotSentOpen     uint64 // requests that failed at once because it was open
	NotSentFull     uint64 // requests that found no free place in time
}

// A gate lets requests through as Limits say. It is safe for concurrent use.
type gate struct {
	places  chan struct{}
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}] // nil lets everything through

	openUntil                          atomic.Int64 // Unix nanoseconds
	openings, notSentOpen, notSentFull atomic.Uint64
}

// errNotCounted is the outcome of a request that says nothing about the service.
var errNotCounted = errors.New("neither success nor failure")

func newGate(l Limits) *gate {
	g := &gate{places: make(chan struct{}, cmp.Or(l.MaxInFlight, defaultMaxInFlight))}
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

// enter waits for a free place, no longer than ctx. The caller must call leave with
// the outcome of the request: nil, errNotCounted or any other error.
func (g *gate) enter(ctx context.Context) (leave func(outcome error), err error) {
	select {
	case g.places <- struct{}{}:
	default:
		select {
		case g.places <- struct{}{}:
			if contextError(ctx) == nil {
				break
			}
			<-g.places // it became free too late
			return nil, g.full()
		case <-ctx.Done():
			return nil, g.full()
		}
	}
	done := func(error) {}
	if g.breaker != nil {
		if done, err = g.breaker.Allow(); err != nil {
			<-g.places
			g.notSentOpen.Add(1)
			return nil, ErrCircuitOpen
		}
	}
	return func(outcome error) {
		done(outcome)
		<-g.places
	}, nil
}

func (g *gate) full() error {
	g.notSentFull.Add(1)
	return fmt.Errorf("%d requests are waiting for an answer, which is the limit", cap(g.places))
}

// notSent is the error of a request that the gate has not let through.
func (a *API) notSent(caller context.Context, op string, err error) error {
	if ended := contextError(caller); ended != nil {
		return interrupted(op, ended)
	}
	if err != ErrCircuitOpen {
		return &Error{Op: op, Kind: ErrRateLimited, Err: err}
	}
	return &Error{Op: op, Kind: ErrUnavailable,
		Err:        fmt.Errorf("%w: the last requests have all failed, and this one was not sent", ErrCircuitOpen),
		RetryAfter: max(time.Until(time.Unix(0, a.gate.openUntil.Load())), 0),
	}
}

// exchanged says what an exchange means for the circuit breaker.
func exchanged(got answer, err error, took time.Duration) error {
	var failure *Error
	switch {
	case errors.As(err, &failure) && failure.Kind == nil:
		// The caller's context has ended. Its deadline tells something about the
		// service only if it left the time for an answer.
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

// Traffic returns what the API is doing.
func (a *API) Traffic() Traffic {
	g := a.gate
	t := Traffic{
		Circuit:         gobreaker.StateClosed.String(),
		InFlight:        len(g.places),
		MaxInFlight:     cap(g.places),
		CircuitOpenings: g.openings.Load(),
		NotSentOpen:     g.notSentOpen.Load(),
		NotSentFull:     g.notSentFull.Load(),
	}
	if g.breaker != nil {
		t.Circuit = g.breaker.State().String()
	}
	return t
}

// Traffic returns what the client's connection to the service is doing.
func (c *Client) Traffic() Traffic { return c.api.Traffic() }

// check rejects values that have no meaning.
func (l Limits) check() (field, fault string) {
	switch {
	case l.MaxInFlight < 0:
		return "MaxInFlight", fmt.Sprintf("is %d: set it to 1 or more, or to 0 for %d", l.MaxInFlight, defaultMaxInFlight)
	case l.OpenDuration < 0:
		return "OpenDuration", fmt.Sprintf("is %v: set it to a positive duration, or to 0 for %v", l.OpenDuration, defaultOpenDuration)
	case l.Total < 0:
		return "Total", fmt.Sprintf("is %v: set it to a positive duration, or to 0 for none", l.Total)
	}
	return "", ""
}
