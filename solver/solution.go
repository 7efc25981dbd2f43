package solver

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// A Solution is a nonce that solves a puzzle, and how it was found.
type Solution struct {
	Nonce   uint64            // hashed as canonical decimal digits
	Hash    [sha256.Size]byte // SHA-256(prefix || nonce), by crypto/sha256
	Hashes  uint64            // nonces that all workers had tried by then, each counted once
	Elapsed time.Duration     // from the call of Solve to its return, or of All to this solution
	Backend string            // the kernel that found the nonce, or "std" for crypto/sha256
	Workers int               // goroutines that searched
	Fault   *KernelFault      // set if a kernel was disabled during the search, else nil
}

// HashRate returns the hashes per second of all workers together.
func (s Solution) HashRate() float64 { return rate(s.Hashes, s.Elapsed) }

// String describes the solution in one line, for logs: "nonce 19317, after 19318 hashes in 2ms (9.7
// MH/s) by shani with 2 workers".
func (s Solution) String() string {
	workers := "workers"
	if s.Workers == 1 {
		workers = "worker"
	}
	text := fmt.Sprintf("nonce %d, after %d hashes in %v (%.1f MH/s) by %s with %d %s",
		s.Nonce, s.Hashes, s.Elapsed, s.HashRate()/1e6, s.Backend, s.Workers, workers)
	if s.Fault != nil {
		text += ": " + s.Fault.Error()
	}
	return text
}
