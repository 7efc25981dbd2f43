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

// remember tells the fleet of a failure.
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

// errEmpty means that the pool has no token.
var errEmpty = fmt.Errorf("the pool is empty")

// take removes a token from the pool and returns it. It skips entries that cannot be
// opened or were refused. With replicas, it fails unless one of them has confirmed the
// removal.
func (c *Cache) take(ctx context.Context) (client.Token, error) {
	if c.options.Spare == 0 {
		return client.Token{}, errEmpty
	}
	for {
		answer, err := c.takeOnce(ctx)
		if err != nil {
			return client.Token{}, err
		}
		if len(answer) != 4 {
			return client.Token{}, fmt.Errorf("the server answered with %d values", len(answer))
		}
		entry, _ := answer[1].ToString()
		if entry == "" {
			return client.Token{}, errEmpty
		}
		now, _ := answer[0].AsInt64()
		left, _ := answer[2].AsInt64()
		id, value, _ := strings.Cut(entry, ":")
		k := c.seal.kept("single "+id, value, now, time.Duration(left)*time.Millisecond)
		if k == nil || c.isRejected(k.tag) {
			continue
		}
		if token, err := k.token(); err == nil {
			c.shared.Add(1)
			return token, nil
		}
	}
}

// takeOnce runs takeScript. If there are replicas, it waits until one has confirmed the
// removal; otherwise the token would be back in the pool after a failover to a replica
// that missed it. WAIT covers only the writes of its own connection, so both commands use
// the same one.
func (c *Cache) takeOnce(ctx context.Context) ([]rueidis.RedisMessage, error) {
	least := milliseconds(5 * time.Second)
	if !c.store.server.replicated && !c.replicated.Load() {
		answer, err := c.store.run(ctx, answers, takeScript, c.keys.all(), least, "unconfirmed")
		if err != nil || online(answer) <= 0 {
			return answer, err
		}
		c.replicated.Store(true)
	}
	mode := "any"
	if c.store.server.replicated {
		mode = "confirmed"
	}
	return c.store.do(ctx, answers, func(ctx context.Context, whole rueidis.Client) (answer []rueidis.RedisMessage, err error) {
		err = whole.Dedicated(func(one rueidis.DedicatedClient) error {
			keys := c.keys.all()
			// In a cluster, the keys of the first command select the node.
			taken := one.Do(ctx, one.B().Eval().Script(takeSource).Numkeys(int64(len(keys))).Key(keys...).Arg(least, mode).Build())
			if answer, err = taken.ToArray(); err != nil || online(answer) == 0 {
				return err
			}
			heard, err := one.Do(ctx, one.B().Wait().Numreplicas(1).Timeout(c.options.Timeout.Milliseconds()).Build()).AsInt64()
			if err == nil && heard < 1 {
				err = fmt.Errorf("discarding a single-use token: no replica has confirmed that it was taken")
			}
			return err
		})
		return answer, err
	})
}

// online returns the number of replicas in the answer of takeScript.
func online(answer []rueidis.RedisMessage) int64 {
	n := int64(-1)
	if len(answer) == 4 {
		n, _ = answer[3].AsInt64()
	}
	return n
}

// refill fills the pool in the background, unless another member is filling it.
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

// fill gets tokens until the pool is full, while it holds the lease on filling.
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

// count returns the number of tokens in the pool, -1 if the server does not answer.
func (c *Cache) count(ctx context.Context) int {
	answer, err := c.store.run(ctx, answers, putScript, c.keys.all(), "", "0", "0")
	if err != nil {
		return -1
	}
	n, _ := answer[0].AsInt64()
	return int(n)
}

// put adds a token to the pool, unless it is full, and returns the number of tokens there.
func (c *Cache) put(ctx context.Context, token client.Token, now int64) (int, error) {
	id := strings.ToLower(rand.Text() + rand.Text())[:32]
	value, left, err := c.seal.keep("single "+id, token, now)
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
