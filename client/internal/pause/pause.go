// Package pause waits for a duration or until a context is done.
package pause

import (
	"context"
	"time"
)

// For waits for d and returns true. If ctx is done before that, it returns false at once.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
