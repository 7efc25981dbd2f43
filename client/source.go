package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/client/internal/pause"
)

// A TokenSource returns tokens. A *Client gets a new one for each call; a *Source and the
// cache of package diskcache share one. Token must be safe for concurrent use, return soon
// after its context is done, and return only tokens that have not expired.
type TokenSource interface {
	// Token returns a token that has not expired.
	Token(ctx context.Context) (Token, error)
}

// An Invalidator is a TokenSource that stores tokens.
type Invalidator interface {
	// Invalidate reports that a token was rejected. Token does not return that token again.
	Invalidate(Token)
}

// SourceOptions configure a Source. The zero value shares one token.
type SourceOptions struct {
	// OnToken, if not nil, is called with every new token before any caller gets it.
	// Calls do not overlap. It must not call the Source.
	OnToken func(Token)

	// OnError, if not nil, is called when the Source fails to get a token for which no
	// caller is waiting. It must not call the Source.
	OnError func(error)

	// SingleUse gives every caller its own token, for services that accept a token only
	// once. The Source gets these tokens one at a time.
	SingleUse bool

	// Spare is the number of tokens to keep in stock if SingleUse is set, 0 to
	// MaxSpare. Each call of Token restocks them. A spare token that expires unused has
	// wasted quota.
	Spare int
}

// MaxSpare is the maximum of SourceOptions.Spare.
const MaxSpare = 16

// A Source shares one token among all its callers and renews it ahead of time. It is safe
// for concurrent use.
//
// In the last fifth of a token's life (60 s of 300 s, less a random part of up to 10 s)
// the next call starts a renewal in the background. That call and the following ones
// still get the old token. In the last thirtieth (10 s of 300 s) calls wait for the new
// token; if that fails, they get the old one until it expires. Only calls start a renewal,
// so an unused Source costs no quota.
//
// However many calls wait, the Source gets one token for all of them. It does so with a
// context of its own, without the values of any caller's context, and cancels it when the
// last waiting caller leaves or, if none ever waited, when the old token expires.
//
// The Source remembers failures that would recur: ErrQuotaExceeded, ErrMisconfigured,
// ErrRejected and ErrDifficulty for one to five seconds, and ErrRateLimited until the rate
// limit ends. A call whose deadline is later than that end waits for it; any other call
// fails at once.
type Source struct {
	from    TokenSource
	options SourceOptions
	current atomic.Pointer[shared] // nil with SingleUse
	pool    *pool                  // nil without SingleUse

	// work returns a context that is done when the Source is closed. It is a function
	// rather than a field, since storing a Context in a struct usually means a
	// request's.
	work  func() context.Context
	close context.CancelCauseFunc

	hooks   sync.Mutex // held while a hook is called
	running sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	flight  *flight    // the work under way that callers may wait for; nil if there is none
	failed  failed
	backoff time.Time // no renewal in the background before this
	closed  bool
}

// shared is a token with the times when it has to be replaced, by the local clock.
type shared struct {
	token Token
	renew time.Time // from then on a call starts a renewal
	block time.Time // from then on calls wait for the new token
}

// NewSource returns a Source that gets its tokens from the given TokenSource, on demand.
// It panics if Spare is not from 0 to MaxSpare.
func NewSource(from TokenSource, options SourceOptions) *Source {
	if options.Spare < 0 || options.Spare > MaxSpare {
		panic(fmt.Sprintf("client: SourceOptions.Spare is %d: set it to 0 to %d", options.Spare, MaxSpare))
	}
	work, cancel := context.WithCancelCause(context.Background())
	s := &Source{
		from:    from,
		options: options,
		work:    func() context.Context { return work },
		close:   cancel,
	}
	if options.SingleUse {
		s.pool = &pool{source: s}
	}
	return s
}

// Token returns the shared token, or with SingleUse a token that no other caller gets. If
// ctx is done while Token waits, it returns within milliseconds.
func (s *Source) Token(ctx context.Context) (Token, error) {
	if c := s.current.Load(); c != nil && before(time.Now(), c.renew) {
		return c.token, nil
	}
	get := s.share
	if s.pool != nil {
		get = s.pool.take
	}
	for {
		token, err := get(ctx)
		if err == nil {
			return token, nil
		}
		wait, ok := worthWaiting(ctx, err)
		if !ok {
			return Token{}, err
		}
		if !pause.For(ctx, wait) {
			return Token{}, interrupted("token", contextError(ctx))
		}
	}
}

// worthWaiting reports whether the error is a rate limit that ends before the context's
// deadline, and how long to wait.
func worthWaiting(ctx context.Context, err error) (time.Duration, bool) {
	var failure *Error
	if !errors.As(err, &failure) || failure.Kind != ErrRateLimited {
		return 0, false
	}
	wait := withJitter(max(failure.RetryAfter, time.Second))
	return wait, inTime(ctx, wait)
}

// Invalidate reports a rejected token. The Source does not return it again, and passes the
// report on to its TokenSource if that is an Invalidator. Invalidating a token that the
// Source no longer holds does not affect the current one.
func (s *Source) Invalidate(token Token) {
	if s.pool != nil {
		s.pool.drop(token)
	}
	if c := s.current.Load(); c != nil && c.token.is(token) {
		s.current.CompareAndSwap(c, nil)
	}
	if behind, ok := s.from.(Invalidator); ok {
		behind.Invalidate(token)
	}
}

// Close cancels the work under way and waits for it to end. Waiting and later calls of
// Token fail with an error for which errors.Is finds context.Canceled. Close is optional:
// work without a caller ends by itself.
func (s *Source) Close() {
	s.mu.Lock()
	s.closed = true
	s.current.Store(nil)
	s.mu.Unlock()
	s.close(errClosed)
	if s.pool != nil {
		s.pool.empty()
	}
	s.running.Wait()
}

var errClosed = errors.New("the Source is closed")

// share returns the shared token, or waits for it.
func (s *Source) share(ctx context.Context) (Token, error) {
	now := time.Now()
	s.mu.Lock()
	c := s.current.Load()
	if c != nil && before(now, c.block) {
		if s.flight == nil && !now.Before(s.backoff) && !before(now, c.renew) {
			f := s.start()
			f.waiters++ // the old token counts as a waiter until it expires
			f.release = time.AfterFunc(c.token.Expires().Sub(now), func() { s.leave(f) })
		}
		s.mu.Unlock()
		return c.token, nil
	}
	f := s.flight
	if f == nil {
		err := s.failed.recall(now)
		switch {
		case s.closed:
			err = interrupted("token", contextError(s.work()))
		case ctx.Err() != nil:
			err = interrupted("token", contextError(ctx))
		}
		if err != nil {
			s.mu.Unlock()
			return s.current.Load().orElse(err)
		}
		f = s.start()
	}
	f.waiters++
	f.awaited = true
	s.mu.Unlock()

	select {
	case <-f.done:
		if f.err != nil {
			return s.current.Load().orElse(f.err)
		}
		return f.token, nil
	case <-ctx.Done():
		s.leave(f)
		return Token{}, interrupted("token", contextError(ctx))
	}
}

// orElse returns the old token until it expires, and after that the error.
func (c *shared) orElse(err error) (Token, error) {
	if c != nil && c.token.Alive() {
		return c.token, nil
	}
	return Token{}, err
}

// A flight is the work of getting one token.
type flight struct {
	cancel  context.CancelFunc
	waiters int         // guarded by Source.mu; the flight is canceled when it drops to 0
	awaited bool        // guarded by Source.mu; whether a caller has ever waited
	release *time.Timer // guarded by Source.mu; nil if a waiting caller started the flight

	done  chan struct{} // closed when token and err are set
	token Token
	err   error
}

// start begins a flight. The caller holds s.mu.
func (s *Source) start() *flight {
	ctx, cancel := context.WithCancel(s.work())
	f := &flight{cancel: cancel, done: make(chan struct{})}
	s.flight = f
	s.running.Go(func() { s.fly(ctx, f) })
	return f
}

func (s *Source) fly(ctx context.Context, f *flight) {
	defer f.cancel()
	f.token, f.err = s.fetch(ctx)
	now := time.Now()
	s.mu.Lock()
	if f.err == nil && s.closed {
		f.token, f.err = Token{}, interrupted("token", contextError(s.work()))
	}
	if f.err == nil { // keep the token even if the flight was canceled: it has cost quota
		s.current.Store(newShared(f.token, now))
		s.failed = failed{}
	}
	if f.err != nil && s.flight == f {
		s.failed.keep(f.err, now)
		s.backoff = s.failed.until
		if s.failed.err == nil {
			s.backoff = now.Add(withJitter(4 * time.Second))
		}
	}
	if s.flight == f {
		s.flight = nil
	}
	if f.release != nil {
		f.release.Stop()
	}
	awaited := f.awaited
	s.mu.Unlock()
	close(f.done)
	if f.err != nil && !awaited {
		s.report(f.err) // no caller gets this error
	}
}

// leave removes a waiter from a flight, and cancels the flight if it was the last one.
func (s *Source) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.waiters--
	if f.waiters > 0 {
		return
	}
	if s.flight == f {
		s.flight = nil // new callers must not wait for a canceled flight
	}
	f.cancel()
}

// fetch gets a new token and passes it to OnToken.
func (s *Source) fetch(ctx context.Context) (Token, error) {
	token, err := s.from.Token(ctx)
	if err != nil {
		return Token{}, err
	}
	if err := token.CheckAlive(); err != nil {
		return Token{}, err
	}
	if s.options.OnToken != nil {
		s.hooks.Lock()
		defer s.hooks.Unlock()
		s.options.OnToken(token)
	}
	return token, nil
}

func (s *Source) report(err error) {
	if s.options.OnError != nil && s.work().Err() == nil {
		s.hooks.Lock()
		defer s.hooks.Unlock()
		s.options.OnError(err)
	}
}

// newShared sets the renewal times in proportion to the token's lifetime. The random part
// spreads out the renewals of processes that started together.
func newShared(token Token, now time.Time) *shared {
	expires, life := token.Expires(), token.life(now)
	return &shared{
		token: token,
		renew: expires.Add(rand.N(life/30+1) - life/5),
		block: expires.Add(-life / 30),
	}
}

// life returns the token's whole lifetime, or the remaining one if the token was not
// received from the service.
func (t Token) life(now time.Time) time.Duration {
	if t.received.IsZero() {
		return max(t.Expires().Sub(now), 0)
	}
	return max(t.expires.Sub(t.received), 0)
}

// is reports whether both tokens have the same value.
func (t Token) is(other Token) bool { return t.Value.Reveal() == other.Value.Reveal() }

// before reports whether now is before t by the monotonic clock and by the wall clock. The
// monotonic clock may stop while the computer sleeps.
func before(now, t time.Time) bool {
	return now.Before(t) && now.Round(0).Before(t.Round(0))
}

// failed remembers a failure that would recur.
type failed struct {
	err   error
	until time.Time
}

func (f *failed) keep(err error, now time.Time) {
	*f = failed{}
	var failure *Error
	if errors.As(err, &failure) {
		if lasts := failure.lasts(); lasts > 0 {
			*f = failed{err, now.Add(lasts)}
		}
	}
}

// recall returns the remembered failure; nil if there is none or its time is over.
func (f *failed) recall(now time.Time) error {
	if f.err == nil || !now.Before(f.until) {
		return nil
	}
	var failure *Error
	if errors.As(f.err, &failure) && failure.Kind == ErrRateLimited {
		left := *failure
		left.RetryAfter = f.until.Sub(now)
		return &left
	}
	return f.err
}
