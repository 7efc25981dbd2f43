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

// A TokenSource gives out tokens: *Client, which makes each one anew, *Source,
// which shares one, and the cache on disk of package diskcache are such. Token
// must be safe for concurrent use, return soon when its context ends, and give out
// only tokens that are alive.
type TokenSource interface {
	Token(ctx context.Context) (Token, error)
}

// An Invalidator is a TokenSource that keeps tokens and can be told that one of
// them is not accepted.
type Invalidator interface {
	Invalidate(Token)
}

// SourceOptions configure a Source. The zero value shares one token.
type SourceOptions struct {
	// OnToken, if not nil, is called with every new token before anybody is given
	// it, one call at a time. It must not call the Source.
	OnToken func(Token)

	// OnError, if not nil, is called when getting a token failed and nobody was
	// waiting for it. It must not call the Source.
	OnError func(error)

	// SingleUse gives every caller a token of its own, for services that accept a
	// token once only. Tokens are got one after the other.
	SingleUse bool

	// Spare is how many tokens are got in advance when SingleUse is set, 0 to
	// MaxSpare. Each use of the Source fills them up again; what nobody takes
	// before it expires has cost quota for nothing.
	Spare int
}

// MaxSpare bounds SourceOptions.Spare.
const MaxSpare = 16

// A Source shares one token among all its callers, and renews it ahead of time.
// It is safe for concurrent use.
//
// In the last fifth of a token's life, 60 s of 300, less a random part of up to
// 10 s, the next call starts a renewal and gets the old token, as do those that
// follow. Only in the last thirtieth, 10 s of 300, does a call wait for the new
// one, and if that cannot be had, it gets the old one until it expires. Nothing
// is renewed unless there is a call: a Source that is not used costs no quota.
//
// However many calls wait, the token is got once for all of them. That work is
// no caller's own: it is given up when no caller waits any longer, or, if nobody
// has waited, when the old token expires. It sees none of the callers' context
// values.
//
// Failures that asking again would only repeat (ErrQuotaExceeded,
// ErrMisconfigured, ErrRejected, ErrDifficulty) are remembered for one to five
// seconds, ErrRateLimited until it ends. A call whose context has a deadline
// after that end waits for it; any other fails at once.
type Source struct {
	from    TokenSource
	options SourceOptions
	current atomic.Pointer[shared] // nil with SingleUse
	pool    *pool                  // nil without

	// work ends when the Source is closed. It is a function because what it
	// returns is nobody's request.
	work  func() context.Context
	close context.CancelCauseFunc

	hooks   sync.Mutex // held while a hook is called
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	flight  *flight    // the work under way that is waited for, if there is any
	failed  failed
	backoff time.Time // no renewal without a waiter before this
	closed  bool
}

// shared is a token and when it has to be replaced, by the local clock.
type shared struct {
	token Token
	renew time.Time // from here on somebody should get the next one
	block time.Time // from here on the next one is waited for
}

// NewSource returns a Source of tokens that are got from the given one. It asks
// for none before it is asked. It panics if Spare is not 0 to MaxSpare.
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

// Token returns a token: the shared one, or with SingleUse one that nobody else
// has been given. When ctx ends while it waits, it returns within milliseconds.
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

// worthWaiting reports whether the failure is a rate limit that ends before the
// context's deadline.
func worthWaiting(ctx context.Context, err error) (time.Duration, bool) {
	var failure *Error
	if !errors.As(err, &failure) || failure.Kind != ErrRateLimited {
		return 0, false
	}
	wait := withJitter(max(failure.RetryAfter, time.Second))
	return wait, inTime(ctx, wait)
}

// Invalidate tells the Source that the token is not accepted. If it is the one
// that is being shared, or a spare one, it is given out no more; a token that has
// been replaced since is no news. The TokenSource behind is told as well.
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

// Close ends the work under way and waits for it. Calls of Token fail from then
// on, those that wait included, with an error that errors.Is finds to be
// context.Canceled. It is needed only where nothing may outlast the Source: what
// runs without a caller ends by itself.
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
			f.waiters++ // the token itself, as long as it lives
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

// orElse returns the old token while it lives, and then the failure.
func (c *shared) orElse(err error) (Token, error) {
	if c != nil && c.token.Alive() {
		return c.token, nil
	}
	return Token{}, err
}

// A flight is the work of getting one token.
type flight struct {
	cancel  context.CancelFunc
	waiters int         // guarded by Source.mu; the work is given up when it falls to 0
	awaited bool        // guarded by Source.mu; whether a caller has ever waited
	release *time.Timer // guarded by Source.mu; nil if a caller started it

	done  chan struct{} // closed when the rest is set
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
	if f.err == nil { // also if it was given up: it has been paid for
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
	unheard := !f.awaited && f.err != nil
	s.mu.Unlock()
	close(f.done)
	if unheard {
		s.report(f.err)
	}
}

// leave is what a waiter does that waits no longer.
func (s *Source) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.waiters--
	if f.waiters > 0 {
		return
	}
	if s.flight == f {
		s.flight = nil // whoever comes now must not wait for what is being given up
	}
	f.cancel()
}

// fetch gets a new token and shows it to the hook.
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

// newShared chooses when to renew in proportion to the token's lifetime. The
// random part keeps processes that started together from renewing together.
func newShared(token Token, now time.Time) *shared {
	expires, life := token.Expires(), token.life(now)
	return &shared{
		token: token,
		renew: expires.Add(rand.N(life/30+1) - life/5),
		block: expires.Add(-life / 30),
	}
}

// life is the token's whole lifetime, or what is left of one made by hand.
func (t Token) life(now time.Time) time.Duration {
	if t.received.IsZero() {
		return max(t.Expires().Sub(now), 0)
	}
	return max(t.expires.Sub(t.received), 0)
}

// is reports whether both are the same token, whatever else is known of them.
func (t Token) is(other Token) bool { return t.Value.Reveal() == other.Value.Reveal() }

// before reports whether both the monotonic clock, which may stand still while
// the computer sleeps, and the wall clock show a time before t.
func before(now, t time.Time) bool {
	return now.Before(t) && now.Round(0).Before(t.Round(0))
}

// failed remembers a failure that asking again would only repeat.
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

// recall returns nil if there is nothing to remember, or no longer.
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
