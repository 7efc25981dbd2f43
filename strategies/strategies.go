// Package strategies holds ways to search for a nonce, from the loop of the service's own samples
// to the kernels of package solver, behind one interface, so that their results and speed can be
// compared.
//
// Programs that just want a solution need only package solver.
//
// To read the source, start in this file and continue with loop.go, which runs the strategies that
// hash nonce after nonce (textbook.go to minio.go), then engine.go, and workers.go, which divides a
// search among workers.
package strategies

import (
	"context"
	"fmt"
	"strings"

	"github.com/gkpow/gkpow/solver"
)

// A Strategy is a way to search. It is safe for concurrent use.
type Strategy interface {
	// Name is a short name for flags and benchmarks, such as "midstate".
	Name() string
	// Description says in one line how the strategy works.
	Description() string
	// Missing is the CPU feature that this machine lacks, or "" if it can run
	// the strategy.
	Missing() string
	// Search tries all nonces of the range and calls found for each that solves the puzzle, in any
	// order, from one goroutine at a time. It stops when found returns false. hashes is the number
	// of distinct nonces tried, even if the search stopped early.
	//
	// The error is one of:
	//
	//   - a *solver.PuzzleError or a *RangeError if an argument is invalid
	//   - a *solver.StoppedError if the context ended first; strategies check it about every 100 µs
	//   - another error if the strategy cannot run on this machine or returned a wrong answer
	//
	// The search uses one thread, unless the description says otherwise.
	Search(ctx context.Context, p solver.Puzzle, r Range, found func(nonce uint64) bool) (hashes uint64, err error)
}

// A Range is the set of nonces from First to Last.
type Range struct {
	First uint64 // the smallest nonce
	Last  uint64 // the largest nonce, included
}

// String returns the range as text: "0 to 99".
func (r Range) String() string { return fmt.Sprintf("%d to %d", r.First, r.Last) }

// A RangeError says that a range ends before it begins.
type RangeError struct {
	Range Range // the invalid range
}

// Error names the range.
func (e *RangeError) Error() string {
	return fmt.Sprintf("strategies: nonces %v: the range ends before it begins", e.Range)
}

// All lists the strategies, from the simplest to the engine's kernels, which come in the order of
// solver.Backends. It includes strategies that this machine cannot run.
func All() []Strategy {
	list := []Strategy{
		textbook, appending, suffix, midstate, minio, minioAVX512{},
	}
	for _, b := range solver.Backends() {
		list = append(list, engine{b})
	}
	return list
}

// Named returns the strategy with the given name, or an error that lists the known names.
func Named(name string) (Strategy, error) {
	var names []string
	for _, s := range All() {
		if s.Name() == name {
			return s, nil
		}
		names = append(names, s.Name())
	}
	return nil, fmt.Errorf("strategies: no strategy %q; there are %s", name, strings.Join(names, ", "))
}

// check rejects puzzles and ranges that no strategy can search.
func check(p solver.Puzzle, r Range) error {
	if p.Bits < 0 || p.Bits > solver.MaxBits {
		return &solver.PuzzleError{
			Field:  "bits",
			Reason: fmt.Sprintf("%d is out of range: a SHA-256 digest has 0 to %d leading zero bits", p.Bits, solver.MaxBits),
		}
	}
	if r.First > r.Last {
		return &RangeError{r}
	}
	return nil
}
