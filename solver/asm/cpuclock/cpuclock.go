// Package cpuclock measures the clock rate of the CPU, which converts seconds to cycles.
package cpuclock

import (
	"context"
	"time"
)

// Measure returns the current clock rate of the CPU that it runs on, in cycles per second. It
// takes about 1.5 ms and returns 0 if the context ends first. It is safe for concurrent use.
//
// Measure times a chain of instructions that take one cycle each and wait for the one before.
// Other load on the machine can only slow the chain down, so the fastest of several attempts
// counts.
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

// cyclesPerRound is the number of instructions in one round of chain: ten times an addition and
// an exclusive or. Each has a latency of one cycle on all CPUs that we know. They alternate
// because two additions in a row could be combined into one instruction.
const cyclesPerRound = 20
