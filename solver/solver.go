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
// a callback for progress. Its method All finds every solution, not just one.
//
// To read the package, start here and go on with plan.go (what is searched, and
// in which layout), walk.go (the pieces that kernels are given), worker.go (the
// search loop), search.go (what workers share) and choose.go (which kernel they use).
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
	// that is not set, the fastest: early in a search, a worker tries those that
	// come near it in turn, and the choice is remembered in this process.
	// A name that is wrong or of a kernel that cannot be used, from wherever it
	// comes, is an error of New.
	Backend string
	// MinNonce is the smallest nonce allowed. If it is above MaxSafeInteger,
	// MaxNonce cannot be 0.
	MinNonce uint64
	// MaxNonce is the largest nonce allowed. 0 means MaxInt32 where nonces up to
	// that are enough (the chance that none solves the puzzle is below one in a
	// billion) and cost at most 1.2 times what wider ones would, and
	// MaxSafeInteger otherwise.
	MaxNonce uint64
	// Sequential has Solve find the smallest nonce that solves the puzzle, or the
	// smallest of the shard, and All search in numeric order. Solve is as fast as
	// otherwise if small nonces take one block; All is slower.
	Sequential bool
	// Shard is the part of the nonces to search. The zero value means all.
	Shard Shard
	// Progress, if not nil, is called every ProgressInterval until the search
	// ends, always from the goroutine that called Solve or All.
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
	Hashes  uint64            // nonces tried by all workers, each once; by then, if All found it; see KernelFault
	Elapsed time.Duration     // from the call of Solve to its return, or of All to this solution
	Backend string            // the kernel that found the nonce; "std" if it was crypto/sha256
	Workers int               // goroutines that searched
	Fault   *KernelFault      // not nil if a kernel was caught in an error on the way
}

// HashRate returns hashes per second.
func (s Solution) HashRate() float64 { return rate(s.Hashes, s.Elapsed) }

// String describes the solution in a line, for logs: "nonce 19317, after 19318 hashes
// in 2ms (9.7 MH/s) by shani with 2 workers".
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

// New returns a Solver, or an error that names the invalid option.
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
	if o.MaxNonce > 0 && o.MinNonce > o.MaxNonce {
		return nil, fmt.Errorf("solver: nonces from %d to %d: the smallest cannot be above the largest", o.MinNonce, o.MaxNonce)
	}
	if o.MaxNonce == 0 && o.MinNonce > MaxSafeInteger {
		return nil, fmt.Errorf("solver: nonces from %d on: above %d the largest one must be given too", o.MinNonce, MaxSafeInteger)
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
// A puzzle of many bits is accepted: the context bounds the time.
//
// The first nonces of an easy puzzle are tried in the caller's goroutine, unless a
// Backend is named.
func (s *Solver) Solve(ctx context.Context, p Puzzle) (Solution, error) {
	start := time.Since(loaded) // half of what time.Now takes, which an easy puzzle notices
	if err := p.validate(); err != nil {
		return Solution{}, err
	}
	if err := ended(ctx); err != nil {
		return Solution{}, stopped(ctx, err, 0, loaded.Add(start))
	}
	sp := s.options.space(p)
	var easy uint64
	if s.easy(p) {
		found, tried, err := tryFirst(ctx, p, &sp)
		if err != nil {
			return Solution{}, stopped(ctx, err, tried, loaded.Add(start))
		}
		if found.ok {
			return Solution{
				Nonce: found.nonce, Hash: found.digest, Hashes: tried, Elapsed: time.Since(loaded) - start,
				Backend: easyBackend, Workers: 1,
			}, nil
		}
		easy = tried
	}

	run := &search{start: loaded.Add(start), puzzle: p, easy: easy}
	err := s.search(ctx, run, sp)
	if run.solution != nil {
		solution := *run.solution
		solution.Hashes, solution.Workers, solution.Fault = run.hashes(), len(run.workers), run.fault
		solution.Elapsed = time.Since(run.start)
		return solution, nil
	}
	if err != nil {
		return Solution{}, err
	}
	exhausted := &ExhaustedError{
		Hashes:   run.hashes(),
		MinNonce: run.plan.space.least,
		MaxNonce: run.plan.space.limit,
		Shard:    run.plan.space.shard,
		Elapsed:  time.Since(run.start),
	}
	if run.fault != nil {
		return Solution{}, errors.Join(exhausted, run.fault)
	}
	return Solution{}, exhausted
}

// All calls found for every allowed nonce that solves the puzzle, until found
// returns false or no nonce is left. It returns the number of nonces tried, each
// counted once: those are all that are allowed if nothing ended the search
// early, and found has seen each solution among them, once, unless it returned
// false. All remembers the nonces it has reported, in 8 bytes each.
//
// The calls of found come from the workers, one at a time, and the last is over
// when All returns. Their order is that of the search; it is numeric with
// Sequential and one worker.
//
// The default of MaxNonce is made for finding one solution. Give MinNonce and
// MaxNonce to search a range.
//
// Errors are a *PuzzleError, and a *StoppedError if the context ended first, as
// for Solve. A *KernelFault says that a kernel was caught in an error; it is
// returned when the search, which began anew with another kernel, is over, with
// the *StoppedError if there is one.
func (s *Solver) All(ctx context.Context, p Puzzle, found func(Solution) bool) (hashes uint64, err error) {
	if found == nil {
		return 0, errors.New("solver: All needs a function to call")
	}
	run := &search{start: monotonic(), puzzle: p, found: found}
	if err := p.validate(); err != nil {
		return 0, err
	}
	if err := ended(ctx); err != nil {
		return 0, stopped(ctx, err, 0, run.start)
	}
	sp := s.options.space(p)
	if s.options.Sequential {
		sp.order = numeric
	}
	err = s.search(ctx, run, sp)
	if run.enough {
		err = nil
	}
	if run.fault != nil {
		err = errors.Join(err, run.fault)
	}
	return run.hashes(), err
}

// search runs a search of the space. What it has found, and how, is in the search. The
// error is never an ExhaustedError or a KernelFault.
func (s *Solver) search(ctx context.Context, run *search, sp space) error {
	run.registry, run.asked = s.registry, s.asked
	kernels, err := run.equip()
	if err != nil {
		return err
	}
	run.plan = s.options.plan(sp, kernels)
	if run.mid, err = newMidstate(ctx, run.puzzle.Prefix); err == nil {
		run.beyond.Store(^uint64(0))
		if err := run.run(ctx, s.options); err != nil {
			return err
		}
		err = run.err
	}
	if err != nil {
		return stopped(ctx, err, run.hashes(), run.start)
	}
	return nil
}

// space returns the nonces to search for a puzzle. The limit is yet to be chosen if
// none is asked for: see plan.
func (o *Options) space(p Puzzle) space {
	sp := space{prefix: len(p.Prefix), bits: p.Bits, least: o.MinNonce, limit: o.MaxNonce, shard: o.Shard}
	if o.Sequential {
		sp.order = byWindow
	}
	return sp
}

// plan plans a search of the space.
func (o *Options) plan(sp space, kernels lineup) plan {
	sp.workers = o.workers() // not in space, since an easy puzzle would notice
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
