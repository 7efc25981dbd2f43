package rediscache

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// A OnceStore remembers on the server which pages with GKTinc's forms have been used, so
// that several processes, and one that is started again, accept each page once between
// them. It is a gktinc.OnceStore, and safe for concurrent use. Of Options it uses URL,
// Timeout and OnWarning.
type OnceStore struct {
	store  *store
	prefix string
}

// NewOnceStore returns a OnceStore. It does not connect.
func NewOnceStore(options Options) (*OnceStore, error) {
	server, err := options.server()
	if err != nil {
		return nil, err
	}
	prefix := server.prefix + "once:"
	return &OnceStore{newStore(server, "", nil, options.OnWarning), prefix}, nil
}

// onceMargin is added to the time for which a used page is remembered: the clocks of the
// processes that accept it may differ by that much.
const onceMargin = 15 * time.Minute

// Use reports whether this is the first time that the page is used, by one command (SET
// NX). An error means that the server could not say so in time; the page must not be
// accepted then.
func (o *OnceStore) Use(ctx context.Context, once string, expires time.Time) (first bool, err error) {
	answer, err := o.store.do(ctx, func(ctx context.Context, client rueidis.Client) ([]rueidis.RedisMessage, error) {
		left := max(time.Until(expires), 0) + onceMargin
		message, err := client.Do(ctx, client.B().Set().Key(o.prefix+once).Value("1").Nx().Px(left).Build()).ToMessage()
		if rueidis.IsRedisNil(err) {
			return nil, nil
		}
		return []rueidis.RedisMessage{message}, err
	})
	return len(answer) > 0, err
}

// Close closes the connection.
func (o *OnceStore) Close() { o.store.close() }
