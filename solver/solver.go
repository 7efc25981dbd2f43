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
// in which layout), cursor.go (how chunks of nonces are made), search.go (the
// workers) and choose.go (which kernel they use).
package solver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// Options change how a Solver searches. The zero value is right for most uses.
type Options struct {
	// Workers is how many goroutines search. 0 means runtime.GOMAXPROCS, which
	// respects CPU limits of containers.
	Workers int
	// Backend names the kernel to use, one of those that Backends lists. ""
	// means the one that the environment variable GKPOW_BACKEND names, and if
	// that is not set, the fastest: the first moments of a search are spent with
	// each usable kernel in turn, and the choice is remembered in this process.
	// A name that is wrong or of a kernel that cannot be used, from wherever it
	// comes, is an error of New.
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
	options  Options
	registry *registry
	asked    *asm.Kernel // nil if the choice is free
	why      string      // by whom, if not
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

// New returns a Solver. Options that cannot be are an error that says which.
func New(o Options) (*Solver, error) { return newSolver(o, kernels) }

func newSolver(o Options, r *registry) (*Solver, error) {
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
	k, why, err := r.ask(o.Backend)
	if err != nil {
		return nil, err
	}
	return &Solver{options: o, registry: r, asked: k, why: why}, nil
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
// *ExhaustedError (ErrExhausted) if no allowed nonce solves the puzzle. On a
// machine where not even the generic kernel passes its self-test there is no
// search.
//
// A puzzle of many bits is not refused: it is the context that bounds the time.
func (s *Solver) Solve(ctx context.Context, p Puzzle) (Solution, error) {
	start := time.Now()
	if err := p.validate(); err != nil {
		return Solution{}, err
	}
	stop := func(hashes uint64, err error) (Solution, error) {
		if ctx.Err() == nil {
			// The clock says so; the timer, which brings the cause, is due.
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Microsecond):
			}
		}
		stopped := &StoppedError{Hashes: hashes, Elapsed: time.Since(start), Err: err, Cause: err}
		if cause := context.Cause(ctx); cause != nil {
			stopped.Cause = cause
		}
		return Solution{}, stopped
	}
	if err := stopped(ctx); err != nil {
		return stop(0, err)
	}

	run := &search{puzzle: p, registry: s.registry, sequential: s.options.Sequential}
	if err := s.equip(run); err != nil {
		return Solution{}, err
	}
	k := run.kernels[0].Load()
	sp, _ := s.options.space(p, k)
	mid, err := newMidstate(ctx, p.Prefix)
	if err != nil {
		return stop(0, err)
	}
	run.mid, run.plan = mid, newPlan(sp, *k)
	run.beyond.Store(^uint64(0))
	run.begin(0)

	workers := s.options.workers()
	var progress func(hashes uint64)
	if s.options.Progress != nil {
		o, all := odds{p.Bits}, run.plan.nonces()
		progress = func(hashes uint64) {
			s.options.Progress(newProgress(o, hashes, time.Since(start), all-float64(hashes)))
		}
	}
	hashes := run.run(ctx, workers, s.options.ProgressInterval, progress)

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

// equip gives a search its kernels.
func (s *Solver) equip(run *search) error {
	for kind := range run.kernels {
		k, chosen := s.asked, true
		if k == nil || !s.registry.works(k) {
			var err error
			if k, chosen, err = s.registry.pick(kind); err != nil {
				return err
			}
		}
		run.kernels[kind].Store(k)
		run.open[kind].Store(!chosen)
	}
	return nil
}

// space returns the nonces to search for a puzzle with a kernel, and why they
// have the limit they have.
func (o Options) space(p Puzzle, k *asm.Kernel) (sp space, why string) {
	sp = space{prefix: len(p.Prefix), limit: o.MaxNonce, shard: o.Shard, sequential: o.Sequential}
	if sp.limit > 0 {
		return sp, "asked for"
	}
	sp.limit, why = defaultLimit(sp, p.Bits, *k)
	return sp, why
}

func (o Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}
