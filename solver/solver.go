// Package solver finds proof-of-work nonces: decimal integers such that SHA-256(prefix || nonce)
// begins with a given number of zero bits. It is built for gkCAPTCHA's machine-to-machine
// challenges, whose prefix is a salt and a colon, and works for any prefix and any number of bits.
//
// Most programs need two functions:
//
//	puzzle, err := solver.NewPuzzle(salt, difficulty)
//	solution, err := solver.Solve(ctx, puzzle)
//
// New returns a Solver with Options: the number of workers, limits on the nonce, numeric order,
// sharding across machines, and a progress callback. Its method All finds every solution instead of
// one.
//
// To read the source, start in this file and continue with plan.go (which nonces are searched, and
// in which layout), walk.go (the pieces that a kernel searches per call), worker.go (the search
// loop), search.go (the state that workers share) and choose.go (how a kernel is chosen).
package solver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
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

// A Solver solves puzzles. It is safe for concurrent use; concurrent searches share the CPUs.
type Solver struct {
	options  Options
	registry *registry
	asked    *asm.Kernel // the kernel that the caller named; nil if none
	why      string      // where it was named: the option or the variable

	latest atomic.Pointer[keptPlan] // the plan of the latest search
}

// A keptPlan is a plan and what it depends on.
type keptPlan struct {
	space   space
	kernels lineup
	plan    plan
}

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

// New returns a Solver, or an error that names the invalid option.
func New(o Options) (*Solver, error) { return newSolver(o, kernels) }

func newSolver(o Options, r *registry) (*Solver, error) {
	if o.Workers < 0 || o.Workers > maxWorkers {
		return nil, fmt.Errorf("solver: %d workers: must be 0 (one per CPU) to %d", o.Workers, maxWorkers)
	}
	if o.ProgressInterval < 0 {
		return nil, fmt.Errorf("solver: progress interval %v: must not be negative", o.ProgressInterval)
	}
	if o.ProgressInterval == 0 {
		o.ProgressInterval = 100 * time.Millisecond
	}
	if o.MaxNonce > 0 && o.MinNonce > o.MaxNonce {
		return nil, fmt.Errorf("solver: nonces from %d to %d: the smallest is above the largest",
			o.MinNonce, o.MaxNonce)
	}
	if o.MaxNonce == 0 && o.MinNonce > MaxSafeInteger {
		return nil, fmt.Errorf("solver: nonces from %d: above %d, set the largest nonce too",
			o.MinNonce, MaxSafeInteger)
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

// Solve solves a puzzle with default Options; see Solver.Solve. It is safe for concurrent use.
func Solve(ctx context.Context, p Puzzle) (Solution, error) {
	s, err := shared()
	if err != nil {
		return Solution{}, err
	}
	return s.Solve(ctx, p)
}

// Solve finds a nonce that solves the puzzle. If the context ends first, Solve returns well within
// a millisecond, provided that a processor is free to run it.
//
// The error is one of:
//
//   - a *PuzzleError if the puzzle is invalid
//   - a *StoppedError if the context ended first; it wraps context.Canceled or
//     context.DeadlineExceeded
//   - an *ExhaustedError, which wraps ErrExhausted, if no allowed nonce solves the puzzle; it is
//     joined with a *KernelFault if a kernel was disabled during the search
//   - another error if no kernel works on this machine: even the generic one failed its self-test
//
// Solve accepts puzzles of up to MaxBits bits, however long they take; use the context to limit the
// time.
//
// Solve tries the first nonces of an easy puzzle on the calling goroutine, with crypto/sha256,
// unless a Backend is named.
func (s *Solver) Solve(ctx context.Context, p Puzzle) (Solution, error) {
	start := time.Since(loaded) // takes half as long as time.Now, which matters in easy puzzles
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
	defer run.release()
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

// All calls found for every allowed nonce that solves the puzzle, until found returns false or all
// nonces have been tried. It returns the number of distinct nonces tried: all allowed nonces,
// unless found or the context ended the search early. found receives every solution among them
// exactly once, until it returns false. All remembers the nonces that it has reported, at 8 bytes
// each.
//
// Workers call found, one at a time; no call is running when All returns. Solutions arrive in
// search order, which is numeric with Sequential and one worker.
//
// The default MaxNonce is meant for finding one solution. Set MinNonce and MaxNonce to search a
// particular range.
//
// The error is nil if all nonces were tried or found returned false. Otherwise it is the same as
// for Solve, except that there is no *ExhaustedError. If a kernel was disabled, the search starts
// over without it, and All returns the *KernelFault when the search is done, joined with the
// *StoppedError if there is one.
func (s *Solver) All(ctx context.Context, p Puzzle, found func(Solution) bool) (hashes uint64, err error) {
	if found == nil {
		return 0, errors.New("solver: All needs a function to call with each solution")
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
	defer run.release()
	err = s.search(ctx, run, sp)
	if run.enough {
		err = nil
	}
	if run.fault != nil {
		err = errors.Join(err, run.fault)
	}
	return run.hashes(), err
}

// search searches the space and leaves its results in run. The error is never an ExhaustedError or
// a KernelFault.
func (s *Solver) search(ctx context.Context, run *search, sp space) error {
	run.registry, run.asked = s.registry, s.asked
	kernels, err := run.equip()
	if err != nil {
		return err
	}
	run.plan = s.plan(sp, kernels)
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

// plan plans a search of the space. The puzzles of one service differ only in their salts, so the
// latest search usually had the same plan.
func (s *Solver) plan(sp space, kernels lineup) plan {
	sp.workers = s.options.workers()
	if k := s.latest.Load(); k != nil && k.space == sp && k.kernels == kernels {
		return k.plan
	}
	p := s.options.plan(sp, kernels)
	s.latest.Store(&keptPlan{sp, kernels, p})
	return p
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
