// Package pause waits for a time or for a context, whichever ends first.
package pause

import (
	"context"
	"time"
)

// For waits for d. It returns false at once if the context ends first.
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
