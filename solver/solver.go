// Package solver finds proof-of-work nonces: decimal integers such that
// SHA-256(prefix || nonce) begins with a given number of zero bits. It is made
// for gkCAPTCHA's machine-to-machine challenges, where the prefix is a salt and
// a colon, and works for any prefix and any number of bits.
//
// Most programs need two functions:
//
//	puzzle, err := solver.NewPuzzle(salt, difficulty)
//	solution, err := solver.Solve(ctx, puzzle)
//
// A Solver made by New does the same with options: the number of workers, limits
// on the nonce, numeric order, one part of a search shared by many machines, and
// a callback for progress.
//
// To read the package, start here and go on with plan.go (what is searched, and
// in which layout), cursor.go (how chunks of nonces are made) and search.go (the
// workers).
package solver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// Options change how a Solver searches. The zero value is right for most uses.
type Options struct {
	// Workers is how many goroutines search. 0 means runtime.GOMAXPROCS, which
	// respects CPU limits of containers.
	Workers int
	// Backend names the kernel to use, one of those that Backends lists. ""
	// means the best that this CPU can run.
	Backend string
	// MaxNonce is the largest nonce allowed. 0 means MaxInt32 where nonces up to
	// that are enough (the chance that none solves the puzzle is below one in a
	// billion) and cost at most 1.2 times what wider ones would, and
	// MaxSafeInteger otherwise.
	MaxNonce uint64
	// Sequential searches nonces in numeric order and finds the smallest one
	// that solves the puzzle, or the smallest of the shard. It may be slower.
	Sequential bool
	// Shard is the part of the nonces to search. The zero value means all.
	Shard Shard
	// Progress, if not nil, is called every ProgressInterval until the search
	// ends, always from the goroutine that called Solve.
	Progress func(Progress)
	// ProgressInterval is the time between calls of Progress. 0 means 100 ms.
	ProgressInterval time.Duration
}

// maxWorkers is more than any machine has CPUs.
const maxWorkers = 4096

// A Solver solves puzzles. It is safe for concurrent use; searches that run at
// the same time share the CPUs.
type Solver struct {
	options Options
	kernel  asm.Kernel
	faulty  atomic.Bool // whether kernel was at fault in a search
}

// A Solution is a nonce that solves a puzzle, and how it was found.
type Solution struct {
	Nonce   uint64            // its canonical decimal digits are what was hashed
	Hash    [sha256.Size]byte // SHA-256(prefix || nonce), by crypto/sha256
	Hashes  uint64            // nonces tried by all workers, each once
	Elapsed time.Duration     // from the call of Solve to its return
	Backend string            // the kernel that found the nonce
	Workers int               // goroutines that searched
	Fault   *KernelFault      // not nil if a kernel was caught in an error on the way
}

// HashRate returns hashes per second.
func (s Solution) HashRate() float64 { return rate(s.Hashes, s.Elapsed) }

// A Backend describes a kernel.
type Backend struct {
	Name    string // for Options.Backend
	Lanes   int    // nonces hashed at a time
	Usable  bool   // whether this CPU can run it
	Missing string // the CPU feature that is missing if not
	Default bool   // whether it is used when Options.Backend is ""
}

// Backends lists the kernels of this architecture, fastest first.
func Backends() []Backend {
	var list []Backend
	chosen := false
	for _, k := range asm.Kernels() {
		usable := k.Missing == ""
		list = append(list, Backend{k.Name, k.Lanes, usable, k.Missing, usable && !chosen})
		chosen = chosen || usable
	}
	return list
}

// New returns a Solver. Options that cannot be are an error that says which.
func New(o Options) (*Solver, error) {
	if o.Workers < 0 || o.Workers > maxWorkers {
		return nil, fmt.Errorf("solver: %d workers: the number must be 0 (one for each CPU) to %d", o.Workers, maxWorkers)
	}
	if o.ProgressInterval < 0 {
		return nil, fmt.Errorf("solver: progress interval %v: it cannot be negative", o.ProgressInterval)
	}
	if o.ProgressInterval == 0 {
		o.ProgressInterval = 100 * time.Millisecond
	}
	if err := o.Shard.validate(); err != nil {
		return nil, err
	}
	k, err := kernelNamed(o.Backend)
	if err != nil {
		return nil, err
	}
	return &Solver{options: o, kernel: k}, nil
}

// kernelNamed returns a kernel that this CPU can run.
func kernelNamed(name string) (asm.Kernel, error) {
	var usable []string
	for _, k := range asm.Kernels() {
		switch {
		case k.Missing == "" && (name == "" || name == k.Name):
			return k, nil
		case k.Missing == "":
			usable = append(usable, k.Name)
		case name == k.Name:
			return k, fmt.Errorf("solver: backend %s: this CPU has no %s", name, k.Missing)
		}
	}
	return asm.Kernel{}, fmt.Errorf("solver: no backend %q; this machine has %s", name, strings.Join(usable, ", "))
}

var shared = sync.OnceValues(func() (*Solver, error) { return New(Options{}) })

// Solve solves a puzzle with a Solver of default Options.
func Solve(ctx context.Context, p Puzzle) (Solution, error) {
	s, err := shared()
	if err != nil {
		return Solution{}, err
	}
	return s.Solve(ctx, p)
}

// Solve finds a nonce that solves the puzzle. It returns well within a
// millisecond of the context's end, given a processor to run on.
//
// Errors are a *PuzzleError, a *StoppedError if the context ended first (which
// errors.Is finds to be context.Canceled or context.DeadlineExceeded), or an
// *ExhaustedError (ErrExhausted) if no allowed nonce solves the puzzle.
//
// A puzzle of many bits is not refused: it is the context that bounds the time.
func (s *Solver) Solve(ctx context.Context, p Puzzle) (Solution, error) {
	start := time.Now()
	if err := p.validate(); err != nil {
		return Solution{}, err
	}
	stop := func(hashes uint64, err error) (Solution, error) {
		stopped := &StoppedError{Hashes: hashes, Elapsed: time.Since(start), Err: err, Cause: err}
		if cause := context.Cause(ctx); cause != nil {
			stopped.Cause = cause
		}
		return Solution{}, stopped
	}
	if err := stopped(ctx); err != nil {
		return stop(0, err)
	}

	k := s.kernel
	if s.faulty.Load() {
		k = asm.Generic()
	}
	sp := space{prefix: len(p.Prefix), limit: s.options.MaxNonce, shard: s.options.Shard, sequential: s.options.Sequential}
	if sp.limit == 0 {
		sp.limit = defaultLimit(sp, p.Bits, k)
	}
	mid, err := newMidstate(ctx, p.Prefix)
	if err != nil {
		return stop(0, err)
	}
	run := &search{puzzle: p, mid: mid, plan: newPlan(sp, k), sequential: sp.sequential}
	run.kernel.Store(&k)
	run.beyond.Store(^uint64(0))
	run.begin(0)

	workers := s.options.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var progress func(hashes uint64)
	if s.options.Progress != nil {
		o, all := odds{p.Bits}, run.plan.nonces()
		progress = func(hashes uint64) {
			s.options.Progress(newProgress(o, hashes, time.Since(start), all-float64(hashes)))
		}
	}
	hashes := run.run(ctx, workers, s.options.ProgressInterval, progress)

	if run.fault != nil {
		s.faulty.Store(true)
	}
	switch {
	case run.solution != nil:
		solution := *run.solution
		solution.Hashes, solution.Workers, solution.Fault = hashes, workers, run.fault
		solution.Elapsed = time.Since(start)
		return solution, nil
	case run.err != nil:
		return stop(hashes, run.err)
	}
	exhausted := &ExhaustedError{Hashes: hashes, MaxNonce: sp.limit, Shard: sp.shard, Elapsed: time.Since(start)}
	if run.fault != nil {
		return Solution{}, errors.Join(exhausted, run.fault)
	}
	return Solution{}, exhausted
}
