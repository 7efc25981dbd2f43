// Package cpuclock measures the clock of the CPU: what turns seconds into cycles.
package cpuclock

import (
	"context"
	"time"
)

// Measure returns the clock of the CPU that it runs on, in cycles per second. It takes about
// 1.5 ms, and returns 0 if the context ends first. It is safe for concurrent use.
//
// It times a chain of instructions that each take one cycle and wait for the one before.
// Whatever disturbs the machine can only make the chain slower, so the fastest of several attempts
// counts. On a CPU that changes its clock the result is that of the moment.
func Measure(ctx context.Context) float64 {
	const (
		attempts = 16
		rounds   = 12_500 // less than 100 µs at 3 GHz, so that most attempts are not interrupted
	)
	best := 0.0
	for range attempts {
		if ctx.Err() != nil {
			return 0
		}
		start := time.Now()
		chain(rounds)
		if elapsed := time.Since(start); elapsed > 0 {
			best = max(best, cyclesPerRound*rounds/elapsed.Seconds())
		}
	}
	return best
}

// cyclesPerRound is the length of the chain in a round of chain: ten times an addition and an
// exclusive or of registers. Each has a latency of one cycle on all CPUs that we know, and no two
// of them can become one instruction, as two additions can.
const cyclesPerRound = 20
