package rediscache

import (
	"context"
	"errors"
	"time"
)

// errSlow is the cause of a context whose patience has run out.
var errSlow = errors.New("the server is slow")

// ticks is the number of parts into which patience divides its duration.
const ticks = 20

// patience returns a context that ends with the cause errSlow after this process has run
// for about d. While the process is suspended or waits for a CPU, on a busy machine or in a
// container that has used up its CPU quota, the count stands still: the process is slow
// then, not the server.
func patience(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		ticker := time.NewTicker(d / ticks)
		defer ticker.Stop()
		for range ticks {
			select {
			case <-ticker.C: // a Ticker drops ticks if its receiver is late
			case <-ctx.Done():
				return
			}
		}
		cancel(errSlow)
	}()
	return ctx, func() { cancel(nil) }
}
