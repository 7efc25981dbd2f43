package rediscache

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/gkpow/gkpow/client"
)

// single returns a token that no other caller in the fleet gets: one from the pool, or a
// new one.
func (c *Cache) single(ctx context.Context) (client.Token, error) {
	for {
		c.mu.Lock()
		closed := c.closed
		c.mu.Unlock()
		if closed {
			return client.Token{}, &client.Error{Op: "token", Err: fmt.Errorf("%w: %w", context.Canceled, errClosed)}
		}
		token, err := c.take(ctx)
		if err == nil {
			c.refill()
			return token, nil
		}
		if err != errEmpty {
			return c.aloneAfter(ctx, err)
		}
		s, err := c.look(ctx, claim{})
		if err != nil {
			return c.aloneAfter(ctx, err)
		}
		if failure := c.failure(s); failure != nil {
			if err := failure.Await(ctx); err != nil {
				return client.Token{}, err
			}
			continue
		}
		token, err = c.fetch(ctx)
		if err != nil {
			c.remember(ctx, err, s.now)
			return client.Token{}, err
		}
		c.refill()
		return token, nil
	}
}

// remember stores a failure on the server, so that no member repeats the request.
func (c *Cache) remember(ctx context.Context, err error, now int64) {
	failure, ok := client.NewFailure(err, time.UnixMilli(now))
	if !ok {
		return
	}
	value, sealErr := c.seal.seal("failed", failure)
	if sealErr != nil {
		return
	}
	_, _ = c.store.do(context.WithoutCancel(ctx), stores, func(ctx context.Context, client rueidis.Client) ([]rueidis.RedisMessage, error) {
		return nil, client.Do(ctx, client.B().Set().Key(c.keys.failed).Value(value).Px(failure.Until.Sub(failure.At)).Build()).Error()
	})
}

// minLeft is the minimum remaining lifetime of a token taken from the pool.
const minLeft = 5 * time.Second

// errEmpty means that the pool has no token.
var errEmpty = fmt.Errorf("the pool is empty")

// take removes a token from the pool and returns it. It skips entries that cannot be
// opened or were rejected.
func (c *Cache) take(ctx context.Context) (client.Token, error) {
	if c.options.Spare == 0 {
		return client.Token{}, errEmpty
	}
	for {
		answer, err := c.store.run(ctx, answers, takeScript, c.keys.all(), milliseconds(minLeft))
		if err != nil {
			return client.Token{}, err
		}
		if len(answer) != 3 {
			return client.Token{}, fmt.Errorf("the server answered with %d values", len(answer))
		}
		entry, _ := answer[1].ToString()
		if entry == "" {
			return client.Token{}, errEmpty
		}
		now, _ := answer[0].AsInt64()
		left, _ := answer[2].AsInt64()
		id, value, _ := strings.Cut(entry, ":")
		k := c.seal.openToken("single "+id, value, now, time.Duration(left)*time.Millisecond)
		if k == nil || c.isRejected(k.tag) {
			continue
		}
		if token, err := k.token(); err == nil {
			c.shared.Add(1)
			return token, nil
		}
	}
}

// refill starts to fill the pool in the background, unless this member is doing so already.
func (c *Cache) refill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filling || c.closed || c.options.Spare == 0 {
		return
	}
	c.filling = true
	c.running.Go(func() {
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.filling = false
		}()
		if err := c.fill(c.work()); err != nil && c.work().Err() == nil && c.options.OnError != nil {
			c.options.OnError(err)
		}
	})
}

// fill takes the lease on filling the pool, and gets tokens until the pool is full. It does
// nothing if another member holds that lease.
func (c *Cache) fill(ctx context.Context) error {
	held := claim{owner: rand.Text(), term: leaseTimeouts * c.options.Timeout}
	claimed, err := c.store.do(ctx, stores, func(ctx context.Context, client rueidis.Client) ([]rueidis.RedisMessage, error) {
		message, err := client.Do(ctx, client.B().Set().Key(c.keys.fill).Value(held.owner).Nx().Px(held.term).Build()).ToMessage()
		if rueidis.IsRedisNil(err) {
			return nil, nil
		}
		return []rueidis.RedisMessage{message}, err
	})
	if err != nil || len(claimed) == 0 {
		return nil // another member fills the pool, or the server is down
	}
	defer func() {
		_, _ = c.store.run(context.WithoutCancel(ctx), answers, releaseScript, append(c.keys.all(), c.keys.fill), held.owner)
	}()
	_, err = c.whileHeld(ctx, c.keys.fill, held, func() (client.Token, error) {
		for count := c.count(ctx); count >= 0 && count < c.options.Spare; {
			s, err := c.look(ctx, claim{})
			if err != nil || c.failure(s) != nil {
				return client.Token{}, nil
			}
			begun := time.Now()
			token, err := c.fetch(ctx)
			if err != nil {
				c.remember(ctx, err, s.now)
				return client.Token{}, err
			}
			if count, err = c.put(ctx, token, s.now+time.Since(begun).Milliseconds()); err != nil {
				return client.Token{}, nil
			}
		}
		return client.Token{}, nil
	})
	return err
}

// count returns the number of tokens in the pool, or -1 if the server does not answer.
func (c *Cache) count(ctx context.Context) int {
	answer, err := c.store.run(ctx, answers, putScript, c.keys.all(), "", "0", "0")
	if err != nil {
		return -1
	}
	n, _ := answer[0].AsInt64()
	return int(n)
}

// put adds a token to the pool, unless the pool is full, and returns the number of tokens in
// the pool.
func (c *Cache) put(ctx context.Context, token client.Token, now int64) (int, error) {
	id := strings.ToLower(rand.Text() + rand.Text())[:32]
	value, left, err := c.seal.sealToken("single "+id, token, now)
	if err != nil {
		return 0, err
	}
	answer, err := c.store.run(ctx, stores, putScript, c.keys.all(), id+":"+value, milliseconds(left), fmt.Sprint(c.options.Spare))
	if err != nil {
		return 0, err
	}
	n, _ := answer[0].AsInt64()
	return int(n), nil
}
