package strategies

import (
	"context"
	"sync/atomic"
	"time"
)

// CPUClock measures the clock of the CPU it runs on, in cycles per second, for
// about 1.5 ms: additions of which each needs the result of the last take a
// cycle each. What disturbs the machine makes them slower only, so the fastest
// of several attempts counts. It is 0 if the context has ended.
func CPUClock(ctx context.Context) float64 {
	const (
		attempts = 16
		rounds   = 25_000 // of ten additions: less than 100 µs
	)
	best := 0.0
	for range attempts {
		if ctx.Err() != nil {
			break
		}
		start := time.Now()
		additions.Store(add(additions.Load()|1, rounds))
		if elapsed := time.Since(start); elapsed > 0 {
			best = max(best, 10*rounds/elapsed.Seconds())
		}
	}
	return best
}

// additions keeps the compiler from knowing the numbers, and from leaving out the
// loop.
var additions atomic.Uint64

// add adds step ten times in each round.
func add(step uint64, rounds int) (x uint64) {
	for range rounds {
		x += step
		x += step
		x += step
		x += step
		x += step
		x += step
		x += step
		x += step
		x += step
		x += step
	}
	return x
}
