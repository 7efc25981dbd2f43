package solver

import "time"

// Progress says how far a search has got.
type Progress struct {
	Hashes   uint64        // nonces tried so far
	Elapsed  time.Duration // time since Solve or All was called
	HashRate float64       // average hashes per second since then
	// Chance is the probability, 0 to 1, that this many hashes include a solution. It grows towards
	// 1, but says nothing about the next hash: the search has no memory.
	Chance float64
	// Remaining is the average time until the search ends. Solve needs 2^Bits more hashes on
	// average, or fewer if the nonce space runs out first; All tries the whole rest of the space.
	// Remaining is capped at the longest time.Duration, and 0 while the rate is unknown.
	Remaining time.Duration
}

func newProgress(o odds, hashes uint64, elapsed time.Duration, left float64) Progress {
	p := Progress{Hashes: hashes, Elapsed: elapsed, HashRate: rate(hashes, elapsed), Chance: o.found(float64(hashes))}
	if p.HashRate > 0 {
		p.Remaining = duration(o.expected(left) / p.HashRate)
	}
	return p
}

// rate returns hashes per second, or 0 if no time has passed.
func rate(hashes uint64, elapsed time.Duration) float64 {
	if elapsed <= 0 {
		return 0
	}
	return float64(hashes) / elapsed.Seconds()
}

// duration converts seconds to a time.Duration, capped at the longest one.
func duration(seconds float64) time.Duration {
	const longest = 1<<63 - 1
	if nanoseconds := seconds * 1e9; nanoseconds < longest {
		return time.Duration(nanoseconds)
	}
	return longest
}

// monotonic returns the current time, for measuring durations only: it ignores changes of the wall
// clock. It takes half as long as time.Now, which matters in easy puzzles.
func monotonic() time.Time { return loaded.Add(time.Since(loaded)) }

var loaded = time.Now()
