package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/gkpow/gkpow/solver"
)

// engineFlags are the flags of commands that search.
type engineFlags struct {
	threads int
	backend string
	timeout time.Duration
}

func (f *engineFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.threads, "threads", 0, "how many threads search (default: all CPUs allowed)")
	flags.StringVar(&f.backend, "backend", "", `kernel to use, see "gkpow backends" (default: the best)`)
	flags.DurationVar(&f.timeout, "timeout", 0, "give up after this time, such as 30s (default: no limit)")
}

// errTimeout is the cause of a context that --timeout has ended.
var errTimeout = errors.New("--timeout has passed")

// withTimeout returns the context for a command.
func (f *engineFlags) withTimeout(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if f.timeout < 0 {
		return nil, nil, usagef("--timeout %v is negative", f.timeout)
	}
	if f.timeout == 0 {
		return ctx, func() {}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("%w (%v)", errTimeout, f.timeout))
	return ctx, cancel, nil
}

// solver returns a Solver with the flags' options besides those given. It shows
// progress on stderr if that is a terminal; call the function when the search
// is over.
func (f *engineFlags) solver(o solver.Options, stderr io.Writer) (*solver.Solver, func(), error) {
	o.Workers, o.Backend = f.threads, f.backend
	bar := newProgress(stderr)
	o.Progress = bar.show
	s, err := solver.New(o)
	if err != nil {
		return nil, nil, &usageError{err}
	}
	return s, bar.close, nil
}

// solutionJSON is how --json shows a solution.
type solutionJSON struct {
	Nonce    uint64  `json:"nonce"`
	Hash     string  `json:"hash"`
	Hashes   uint64  `json:"hashes"`
	Seconds  float64 `json:"seconds"`
	HashRate float64 `json:"hashRate"` // hashes per second
	Backend  string  `json:"backend"`
	Threads  int     `json:"threads"`
}

func newSolutionJSON(s solver.Solution) solutionJSON {
	return solutionJSON{
		Nonce:    s.Nonce,
		Hash:     hex.EncodeToString(s.Hash[:]),
		Hashes:   s.Hashes,
		Seconds:  s.Elapsed.Seconds(),
		HashRate: s.HashRate(),
		Backend:  s.Backend,
		Threads:  s.Workers,
	}
}

// warnFault tells of a kernel that was caught in an error.
func warnFault(stderr io.Writer, s solver.Solution) {
	if s.Fault != nil {
		fmt.Fprintf(stderr, "gkpow: warning: %v\n", s.Fault)
	}
}
