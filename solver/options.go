package solver

import (
	"fmt"
	"runtime"
	"time"
)

// Options configure a Solver. The zero value suits most programs.
type Options struct {
	// Workers is the number of goroutines that search, at most 4096. 0 means runtime.GOMAXPROCS,
	// which respects the CPU limits of containers.
	Workers int
	// Backend is the name of the kernel to use, as listed by Backends. If it is empty, the
	// environment variable GKPOW_BACKEND names the kernel. If that is not set either, the Solver
	// chooses the fastest kernel: early in a search, a worker measures the front runners in turn,
	// and the process remembers the result. New returns an error for a kernel that does not exist
	// or cannot run on this machine, whether the option or the variable names it.
	Backend string
	// MinNonce is the smallest nonce allowed. If it is above MaxSafeInteger, set MaxNonce too.
	MinNonce uint64
	// MaxNonce is the largest nonce allowed. 0 selects MaxInt32, if two conditions hold, and
	// MaxSafeInteger otherwise: the chance that no nonce up to MaxInt32 solves the puzzle is below
	// one in a billion, and the search takes at most 1.2 times as long as with MaxSafeInteger.
	MaxNonce uint64
	// Sequential makes Solve return the smallest nonce that solves the puzzle (within its shard, if
	// any) and makes All search in numeric order. It hardly slows down Solve as long as messages
	// with small nonces take one block; Explain says how much. It does slow down All.
	Sequential bool
	// Shard is the part of the nonce space to search. The zero value means all of it.
	Shard Shard
	// Progress, if not nil, is called every ProgressInterval until the search ends, always on the
	// goroutine that called Solve or All.
	Progress func(Progress)
	// ProgressInterval is the time between calls of Progress. 0 means 100 ms; New rejects negative
	// values.
	ProgressInterval time.Duration
}

// maxWorkers exceeds the number of CPUs of any machine.
const maxWorkers = 4096

// validate returns an error that names the invalid option.
func (o *Options) validate() error {
	if o.Workers < 0 || o.Workers > maxWorkers {
		return fmt.Errorf("solver: %d workers: must be 0 (one per CPU) to %d", o.Workers, maxWorkers)
	}
	if o.ProgressInterval < 0 {
		return fmt.Errorf("solver: progress interval %v: must not be negative", o.ProgressInterval)
	}
	if o.MaxNonce > 0 && o.MinNonce > o.MaxNonce {
		return fmt.Errorf("solver: the smallest nonce, %d, is above the largest, %d", o.MinNonce, o.MaxNonce)
	}
	if o.MaxNonce == 0 && o.MinNonce > MaxSafeInteger {
		return fmt.Errorf("solver: the smallest nonce, %d, is above %d: set the largest nonce too",
			o.MinNonce, MaxSafeInteger)
	}
	return o.Shard.validate()
}

// space returns the space to search for a puzzle. Its limit is 0 if the caller did not set
// MaxNonce; plan then chooses one.
func (o *Options) space(p Puzzle) space {
	sp := space{
		prefix: len(p.Prefix), bits: p.Bits, least: o.MinNonce, limit: o.MaxNonce, shard: o.Shard,
	}
	if o.Sequential {
		sp.order = byWindow
	}
	return sp
}

// plan plans a search of the space.
func (o *Options) plan(sp space, kernels lineup) plan {
	sp.workers = o.workers() // not set by space: looking it up would slow down easy puzzles
	if o.MaxNonce == 0 {
		return withDefaultLimit(sp, kernels)
	}
	p := newPlan(sp, kernels)
	p.why = "asked for"
	return p
}

func (o *Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}
