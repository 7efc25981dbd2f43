package strategies

import (
	"context"

	"github.com/gkpow/gkpow/solver"
)

// An engine is package solver with one kernel.
type engine struct{ backend solver.Backend }

// BackendOf returns the name of a strategy's kernel for solver.Options, or "" if the
// strategy is not one of the engine's kernels.
func BackendOf(s Strategy) string {
	if e, ok := s.(interface{ Backend() string }); ok {
		return e.Backend()
	}
	return ""
}

// Backend returns the kernel's name, for BackendOf. Only kernels have this method.
func (e engine) Backend() string { return e.backend.Name }

func (e engine) Name() string        { return e.backend.Name }
func (e engine) Description() string { return "gkpow's engine with the kernel " + e.backend.Name }
func (e engine) Missing() string     { return e.backend.Missing }

// Search returns a *solver.KernelFault if the kernel returned a wrong answer, although
// the solver then finds everything with another kernel.
func (e engine) Search(
	ctx context.Context, p solver.Puzzle, r Range, found func(nonce uint64) bool,
) (hashes uint64, err error) {
	return e.search(ctx, 1, p, r, found)
}

func (e engine) search(
	ctx context.Context, workers int, p solver.Puzzle, r Range, found func(nonce uint64) bool,
) (hashes uint64, err error) {
	if err := check(p, r); err != nil {
		return 0, err
	}
	s, err := solver.New(solver.Options{
		Workers: workers, Backend: e.backend.Name,
		MinNonce: r.First, MaxNonce: max(1, r.Last), // 0 would mean the default
	})
	if err != nil {
		return 0, err
	}
	hashes, err = s.All(ctx, p, func(solution solver.Solution) bool {
		return solution.Nonce > r.Last || found(solution.Nonce)
	})
	if r.Last == 0 {
		hashes = min(hashes, 1)
	}
	return hashes, err
}
