package rediscache

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// A OnceStore is a gktinc.OnceStore that records the used pages on the server, so all
// processes together accept each page only once, even after a restart. It uses the fields
// URL, Timeout and OnWarning of Options. It is safe for concurrent use.
type OnceStore struct {
	store  *store
	prefix string
}

// NewOnceStore returns a OnceStore. It does not connect; the first call of Use does. The
// error is client.ErrMisconfigured.
func NewOnceStore(options Options) (*OnceStore, error) {
	server, err := options.server()
	if err != nil {
		return nil, err
	}
	prefix := server.prefix + "once:"
	return &OnceStore{newStore(server, "", nil, options.OnWarning), prefix}, nil
}

// onceMargin extends the time for which the server remembers a used page, since the
// clocks of the processes may differ by that much.
const onceMargin = 15 * time.Minute

// Use marks the page as used until expires, with one command (SET NX), and reports
// whether this was its first use. After an error, such as no answer in time, the caller
// must not accept the page.
func (o *OnceStore) Use(ctx context.Context, once string, expires time.Time) (first bool, err error) {
	answer, err := o.store.do(ctx, stores, func(ctx context.Context, client rueidis.Client) ([]rueidis.RedisMessage, error) {
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
