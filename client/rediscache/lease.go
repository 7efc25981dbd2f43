package rediscache

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/internal/pause"
)

// A storedToken is the content of a sealed token on the server. The token's age is measured
// by the server's clock, which all members share.
type storedToken struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"` // by the service's clock
	Life      int64     `json:"life"`      // lifetime from arrival to expiry, in ms
	Left      int64     `json:"left"`      // remaining lifetime when it was stored, in ms
	At        int64     `json:"at"`        // when it was stored, in Unix ms by the server's clock
	Wall      time.Time `json:"wall"`      // the same, by the clock of the member that stored it

	left time.Duration // remaining lifetime now
	tag  string
}

// maxWall is the maximum difference between a value's age by the members' clocks and its age
// by the server's clock. The members' clocks may disagree a little; if the difference is
// larger, an attacker who controls the server has probably set its clock back to replay an
// old value.
const maxWall = 24 * time.Hour

// sealToken returns the value to store for a token at now, the time of the server's clock in
// Unix ms, and the token's remaining lifetime.
func (s *sealer) sealToken(kind string, token client.Token, now int64) (value string, left time.Duration, err error) {
	left = time.Until(token.Expires())
	received := token.Received()
	if received.IsZero() {
		received = time.Now()
	}
	value, err = s.seal(kind, storedToken{
		Token:     token.Value.Reveal(),
		ExpiresAt: token.ExpiresAt,
		Life:      token.Expires().Sub(received).Milliseconds(),
		Left:      left.Milliseconds(),
		At:        now,
		Wall:      time.Now(),
	})
	return value, left, err
}

// openToken opens a value that sealToken made. It returns nil if value is anything else, or
// if the token has expired. ttl limits the token's remaining lifetime; now is the time of
// the server's clock in Unix ms.
func (s *sealer) openToken(kind, value string, now int64, ttl time.Duration) *storedToken {
	k := new(storedToken)
	if value == "" || s.open(kind, value, k) != nil {
		return nil
	}
	elapsed := time.Duration(now-k.At) * time.Millisecond
	k.left = min(ttl, time.Duration(k.Left)*time.Millisecond-max(elapsed, 0))
	drift := time.Since(k.Wall) - elapsed
	if k.left <= 0 || elapsed < -time.Minute || drift.Abs() > maxWall {
		return nil
	}
	k.tag = s.tag(client.Token{Value: client.NewSecret(k.Token)})
	return k
}

// usable reports whether a member returns the token rather than wait for a new one. In the
// last fifth of its lifetime one member renews the token, holding the lease. Until the last
// thirtieth, the others return the old token meanwhile, but not to a client.Source that
// already has it.
func (k *storedToken) usable(leased bool, last client.Token) bool {
	life := time.Duration(k.Life) * time.Millisecond
	if k.left > life/5 {
		return true
	}
	return leased && k.left > life/30 && k.Token != last.Value.Reveal()
}

// token returns the stored token as a client.Token.
func (k *storedToken) token() (client.Token, error) {
	now := time.Now()
	expires := now.Add(k.left)
	received := expires.Add(-time.Duration(max(k.Life, k.left.Milliseconds())) * time.Millisecond)
	return client.RestoreToken(client.NewSecret(k.Token), k.ExpiresAt, received, expires)
}

// A claim asks for the lease. The zero claim does not.
type claim struct {
	owner         string
	term          time.Duration
	token, failed string // as in the state that the caller saw last
}

// state is the state of the server.
type state struct {
	now                    int64  // Unix ms, by the server's clock
	token, failed          string // sealed
	tokenLeft, failureLeft time.Duration
	rejected               []string      // the tags of tokens that were rejected
	leased                 time.Duration // until the lease expires; 0 if it is free
	claimed                bool          // whether the caller now holds the lease
}

// look returns the state of the server. Unless wanted is zero, it first tries to take the
// lease.
func (c *Cache) look(ctx context.Context, wanted claim) (state, error) {
	shows := answers
	if wanted != (claim{}) {
		shows = stores
	}
	answer, err := c.store.run(ctx, shows, lookScript, c.keys.all(), wanted.owner, milliseconds(wanted.term), wanted.token, wanted.failed, milliseconds(longestTerm))
	if err != nil {
		return state{}, err
	}
	if len(answer) != 8 {
		return state{}, fmt.Errorf("the server answered with %d values", len(answer))
	}
	number := func(i int) int64 { n, _ := answer[i].AsInt64(); return n }
	text := func(i int) string { s, _ := answer[i].ToString(); return s }
	rejected, _ := answer[5].AsStrSlice()
	span := func(i int) time.Duration { return time.Duration(max(number(i), 0)) * time.Millisecond }
	leased := span(6)
	if leased > longestTerm {
		leased = 0
	}
	return state{
		now: number(0), token: text(1), tokenLeft: span(2), failed: text(3), failureLeft: span(4),
		rejected: rejected, leased: leased, claimed: number(7) == 1,
	}, nil
}

// open returns the token on the server, or nil if there is none or it was rejected.
func (c *Cache) open(s state) *storedToken {
	k := c.seal.openToken("token", s.token, s.now, s.tokenLeft)
	if k == nil || slices.Contains(s.rejected, k.tag) || c.isRejected(k.tag) {
		return nil
	}
	return k
}

// failure returns the failure on the server, or nil if there is none.
func (c *Cache) failure(s state) *client.Failure {
	var f client.Failure
	if s.failed == "" || c.seal.open("failed", s.failed, &f) != nil {
		return nil
	}
	// Convert its times from the server's clock to the local one.
	now := time.Now()
	shift := now.Sub(time.UnixMilli(s.now))
	f.At, f.Until = f.At.Add(shift), f.Until.Add(shift)
	if f.Until.After(now.Add(s.failureLeft)) {
		f.Until = now.Add(s.failureLeft)
	}
	if !f.Until.After(now) || f.Err(now) == nil {
		return nil
	}
	return &f
}

// get returns the fleet's token, a failure that the fleet remembers, or an error. If the
// fleet needs a new token and no member is getting one, get takes the lease and gets it.
func (c *Cache) get(ctx context.Context) (client.Token, *client.Failure, error) {
	w := c.waiting.join()
	defer c.waiting.leave(w)
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	wanted := claim{}
	for {
		s, err := c.look(ctx, wanted)
		if err != nil {
			token, err := c.aloneAfter(ctx, err)
			return token, nil, err
		}
		if s.claimed {
			token, err := c.handshake(ctx, wanted, s)
			return token, nil, err
		}
		if k := c.open(s); k != nil && k.usable(s.leased > 0, last) {
			if token, err := k.token(); err == nil {
				c.shared.Add(1)
				return token, nil, nil
			}
		}
		if failure := c.failure(s); failure != nil {
			return client.Token{}, failure, nil
		}
		if s.leased == 0 {
			wanted = claim{owner: rand.Text(), term: leaseTimeouts * c.options.Timeout, token: s.token, failed: s.failed}
			continue
		}
		wanted = claim{}
		if err := w.wait(ctx, 2*c.options.Timeout); err != nil {
			return client.Token{}, nil, &client.Error{Op: "token", Err: fmt.Errorf("another member of the fleet was getting a token: %w", err)}
		}
	}
}

// handshake gets a token while it renews the lease, and shares the token or the failure
// with the fleet.
func (c *Cache) handshake(ctx context.Context, held claim, s state) (client.Token, error) {
	begun := time.Now()
	token, err := c.whileHeld(ctx, c.keys.lease, held, func() (client.Token, error) {
		token, err := c.fetch(ctx)
		if tag := c.seal.tag(token); err == nil && slices.Contains(s.rejected, tag) {
			// Options.From still had a token that another member has reported as rejected.
			c.reject(token)
			token, err = c.fetch(ctx)
		}
		return token, err
	})
	now := s.now + time.Since(begun).Milliseconds()
	kind, value, ttl := "none", "", time.Duration(0)
	if err == nil {
		if sealed, left, sealErr := c.seal.sealToken("token", token, now); sealErr == nil {
			kind, value, ttl = "token", sealed, left
		}
	} else if failure, ok := client.NewFailure(err, time.UnixMilli(now)); ok {
		if sealed, sealErr := c.seal.seal("failed", failure); sealErr == nil {
			kind, value, ttl = "failed", sealed, failure.Until.Sub(failure.At)
		}
	}
	// Tell the fleet even if the caller has stopped waiting.
	_, _ = c.store.run(context.WithoutCancel(ctx), stores, settleScript, c.keys.all(), held.owner, kind, value, milliseconds(ttl), s.token)
	return token, err
}

// whileHeld calls work and renews the lease under key until work returns.
func (c *Cache) whileHeld(ctx context.Context, key string, held claim, work func() (client.Token, error)) (client.Token, error) {
	ended, stop := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		for pause.For(ended, c.options.Timeout) {
			answer, err := c.store.run(ended, answers, beatScript, append(c.keys.all(), key), held.owner, milliseconds(held.term))
			if err != nil {
				continue
			}
			if mine, _ := answer[0].AsInt64(); mine != 1 {
				return // the lease expired while this process was suspended; work goes on
			}
		}
	})
	defer beating.Wait()
	defer stop()
	return work()
}

// fetch gets a new token.
func (c *Cache) fetch(ctx context.Context) (client.Token, error) {
	c.handshakes.Add(1)
	token, err := c.from.Token(ctx)
	if err == nil {
		err = token.CheckAlive()
	}
	if err != nil {
		return client.Token{}, err
	}
	return token, nil
}

// aloneAfter applies Options.Policy after an exchange failed with err: it returns an error,
// or gets a token for this member alone. The random pause keeps a fleet that loses its
// server from calling the service all at once.
func (c *Cache) aloneAfter(ctx context.Context, err error) (client.Token, error) {
	ended := ctx.Err() != nil
	if !ended && c.options.Policy == Fail {
		return client.Token{}, unavailable(err)
	}
	if ended || !pause.For(ctx, jitter(c.options.Timeout)) {
		return client.Token{}, &client.Error{Op: "token", Err: context.Cause(ctx)}
	}
	c.alone.Add(1)
	return c.fetch(ctx)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
