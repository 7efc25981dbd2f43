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
// in which layout), run.go (how workers are started), worker.go (the search loop), search.go (the
// state that workers share), walk.go (the pieces that a kernel searches per call) and choose.go
// (how a kernel is chosen).
package solver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

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

// New returns a Solver, or an error that names the invalid option.
func New(o Options) (*Solver, error) { return newSolver(o, processRegistry) }

func newSolver(o Options, r *registry) (*Solver, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.ProgressInterval == 0 {
		o.ProgressInterval = 100 * time.Millisecond
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
	if s.asked == nil && isEasy(p, s.registry) { // a kernel that the caller named does all the work
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
