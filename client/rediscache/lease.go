package rediscache

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/gkpow/gkpow/client"
)

// A kept token is what the server keeps of one, sealed. Its age is told by the server's
// clock, which all members share.
type kept struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"` // by the service's clock
	Life      int64     `json:"life"`      // ms, from its arrival to its end
	Left      int64     `json:"left"`      // ms, when it was kept
	At        int64     `json:"at"`        // Unix ms, when it was kept, by the server's clock
	Wall      time.Time `json:"wall"`      // the same by the clock of the member that kept it

	left time.Duration // now
	tag  string
}

// maxWall is how far the clocks of two members may differ: a value that is older by them
// was put back by somebody who also holds the server's clock.
const maxWall = 24 * time.Hour

func (s *sealer) keep(kind string, token client.Token, now int64) (value string, left time.Duration, err error) {
	left = time.Until(token.Expires())
	received := token.Received()
	if received.IsZero() {
		received = time.Now()
	}
	value, err = s.seal(kind, kept{
		Token:     token.Value.Reveal(),
		ExpiresAt: token.ExpiresAt,
		Life:      token.Expires().Sub(received).Milliseconds(),
		Left:      left.Milliseconds(),
		At:        now,
		Wall:      time.Now(),
	})
	return value, left, err
}

// kept opens a token, nil if it is none or has expired: at most ttl is left, and now is
// the server's clock.
func (s *sealer) kept(kind, value string, now int64, ttl time.Duration) *kept {
	k := new(kept)
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

// token restores it.
func (k *kept) token() (client.Token, error) {
	now := time.Now()
	expires := now.Add(k.left)
	received := expires.Add(-time.Duration(max(k.Life, k.left.Milliseconds())) * time.Millisecond)
	return client.RestoreToken(client.NewSecret(k.Token), k.ExpiresAt, received, expires)
}

// A claim asks for the lease. The zero claim only looks.
type claim struct {
	owner         string
	term          time.Duration
	token, failed string // what the caller has seen
}

// seen is what is on the server.
type seen struct {
	now                    int64  // Unix ms, by the server's clock
	token, failed          string // sealed
	tokenLeft, failureLeft time.Duration
	refused                string        // the tag of the token that was refused last
	leased                 time.Duration // for how long the lease is held; 0 if it is free
	claimed                bool
}

func (c *Cache) look(ctx context.Context, wanted claim) (seen, error) {
	answer, err := c.store.run(ctx, lookScript, c.keys.all(), wanted.owner, milliseconds(wanted.term), wanted.token, wanted.failed)
	if err != nil {
		return seen{}, err
	}
	if len(answer) != 8 {
		return seen{}, fmt.Errorf("the server answered with %d values", len(answer))
	}
	number := func(i int) int64 { n, _ := answer[i].AsInt64(); return n }
	text := func(i int) string { s, _ := answer[i].ToString(); return s }
	span := func(i int) time.Duration { return time.Duration(max(number(i), 0)) * time.Millisecond }
	return seen{
		now: number(0), token: text(1), tokenLeft: span(2), failed: text(3), failureLeft: span(4),
		refused: text(5), leased: span(6), claimed: number(7) == 1,
	}, nil
}

// open returns the token that was seen, nil if it is none, or one that was refused.
func (c *Cache) open(s seen) *kept {
	k := c.seal.kept("token", s.token, s.now, s.tokenLeft)
	if k == nil || k.tag == s.refused || c.isRejected(k.tag) {
		return nil
	}
	return k
}

// failure returns the failure that was seen, nil if there is none.
func (c *Cache) failure(s seen) *client.Failure {
	var f client.Failure
	if s.failed == "" || c.seal.open("failed", s.failed, &f) != nil {
		return nil
	}
	// Its times are by the server's clock; here they are by the local one.
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

// get returns the fleet's token, a failure that the fleet remembers, or an error. If
// nobody is getting a token, it does.
func (c *Cache) get(ctx context.Context) (client.Token, *client.Failure, error) {
	w := c.told.join()
	defer c.told.leave(w)
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
		k := c.open(s)
		life := time.Duration(0)
		if k != nil {
			life = time.Duration(k.Life) * time.Millisecond
		}
		// In the last fifth of its life a token is renewed by one member. Until the last
		// thirtieth the others give it out, but not to a memory that has it already.
		if k != nil && (k.left > life/5 || s.leased > 0 && k.left > life/30 && k.Token != last.Value.Reveal()) {
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

// handshake gets a token for the fleet, while it renews the lease, and shares it or the
// failure.
func (c *Cache) handshake(ctx context.Context, held claim, s seen) (client.Token, error) {
	begun := time.Now()
	token, err := c.whileHeld(ctx, c.keys.lease, held, func() (client.Token, error) {
		token, err := c.fetch(ctx)
		if tag := c.seal.tag(token); err == nil && tag == s.refused {
			// Options.From has kept a token that another member had refused.
			c.reject(token)
			token, err = c.fetch(ctx)
		}
		return token, err
	})
	now := s.now + time.Since(begun).Milliseconds()
	kind, value, ttl := "none", "", time.Duration(0)
	if err == nil {
		if sealed, left, sealErr := c.seal.keep("token", token, now); sealErr == nil {
			kind, value, ttl = "token", sealed, left
		}
	} else if failure, ok := client.NewFailure(err, time.UnixMilli(now)); ok {
		if sealed, sealErr := c.seal.seal("failed", failure); sealErr == nil {
			kind, value, ttl = "failed", sealed, failure.Until.Sub(failure.At)
		}
	}
	// Whoever has stopped waiting, the fleet is told.
	_, _ = c.store.run(context.WithoutCancel(ctx), settleScript, c.keys.all(), held.owner, kind, value, milliseconds(ttl), s.token)
	return token, err
}

// whileHeld works while it renews the lease under that key.
func (c *Cache) whileHeld(ctx context.Context, key string, held claim, work func() (client.Token, error)) (client.Token, error) {
	ended, stop := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		for pause(ended, c.options.Timeout) {
			answer, err := c.store.run(ended, beatScript, append(c.keys.all(), key), held.owner, milliseconds(held.term))
			if err != nil {
				continue
			}
			if mine, _ := answer[0].AsInt64(); mine != 1 {
				return // it was lost while this process stood still; the work goes on
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

// aloneAfter does what the policy says after an exchange has failed. The random wait
// keeps a fleet that loses its server from asking the service in one moment.
func (c *Cache) aloneAfter(ctx context.Context, err error) (client.Token, error) {
	ended := ctx.Err() != nil
	if !ended && c.options.Policy == Fail {
		return client.Token{}, unavailable(err)
	}
	if ended || !pause(ctx, jitter(c.options.Timeout)) {
		return client.Token{}, &client.Error{Op: "token", Err: context.Cause(ctx)}
	}
	c.alone.Add(1)
	return c.fetch(ctx)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
