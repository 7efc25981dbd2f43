package solver

import "time"

// Progress says how far a search has got.
type Progress struct {
	Hashes   uint64        // nonces tried so far
	Elapsed  time.Duration // since Solve or All was called
	HashRate float64       // hashes per second since then
	// Chance is the probability, 0 to 1, that so many hashes would have found a
	// solution. It grows towards 1 but says nothing of the next hash: the search
	// has no memory.
	Chance float64
	// Remaining is how long the search will go on, on average: the time for
	// 2^Bits hashes, or for what is left of the nonce space if that is much
	// less, or for all that is left if all solutions are wanted. It is at most
	// the longest time.Duration, and 0 while the rate is not known.
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

// duration returns so many seconds, or the longest time.Duration if that is less.
func duration(seconds float64) time.Duration {
	const longest = 1<<63 - 1
	if nanoseconds := seconds * 1e9; nanoseconds < longest {
		return time.Duration(nanoseconds)
	}
	return longest
}

// monotonic returns the time for measuring durations only: it does not know when the
// wall clock was set. It costs half of what time.Now does, which an easy puzzle notices.
func monotonic() time.Time { return loaded.Add(time.Since(loaded)) }

var loaded = time.Now()
