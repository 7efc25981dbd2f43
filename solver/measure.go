package solver

import (
	"context"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// Kernels are measured in turn, in short slices, so that a disturbance of the machine affects all
// of them. The slices are shorter than the operating system's time slice, so most are not
// interrupted.
const (
	measureRounds = 31
	measureSlice  = 500 * time.Microsecond
)

// MeasureBackends lists the kernels as Backends does, and measures each usable one on one thread,
// for a salt of 32 characters. It marks the kernel to use: the one that GKPOW_BACKEND names, or
// else the fastest. It takes about 20 ms per kernel. The error is the context's, or says why the
// kernel that GKPOW_BACKEND names cannot be used. It is safe for concurrent use.
func MeasureBackends(ctx context.Context) ([]Backend, error) {
	return processRegistry.measureBackends(ctx)
}

func (r *registry) measureBackends(ctx context.Context) ([]Backend, error) {
	asked, why, err := r.ask("")
	if err != nil {
		return nil, err
	}
	candidates := r.usable()
	rates, err := r.measure(ctx, candidates, Options{}, Puzzle{Prefix: make([]byte, 32+1), Bits: 24})
	if err != nil {
		return nil, err
	}
	list := r.backends()
	if len(candidates) == 0 {
		return list, nil
	}
	chosen := asked
	if chosen == nil {
		chosen, _, why = fastest(candidates, rates)
	}
	for i := range list {
		for j, k := range candidates {
			if list[i].Name == k.Name {
				list[i].HashRate = rates[j]
			}
		}
		if list[i].Name == chosen.Name {
			list[i].Chosen, list[i].Why = true, why
		}
	}
	return list, nil
}

// fastest returns the kernel with the highest rate, that rate, and the reason for the choice.
func fastest(candidates []*asm.Kernel, rates []float64) (k *asm.Kernel, rate float64, why string) {
	rate, why = slices.Max(rates), "the fastest measured"
	if len(candidates) == 1 {
		why = "the only one usable"
	}
	return candidates[slices.Index(rates, rate)], rate, why
}

// measure returns the hashes per second of each kernel on one thread, for the segment that takes
// most of the search for a puzzle. The rate of a kernel that faults is 0.
func (r *registry) measure(ctx context.Context, candidates []*asm.Kernel, o Options, p Puzzle) ([]float64, error) {
	meters := make([]*meter, len(candidates))
	for i, k := range candidates {
		meters[i] = r.newMeter(k, o.plan(o.space(p), allKinds(k)).main().layout)
	}
	for range measureRounds {
		for _, m := range meters {
			if err := m.run(ctx); err != nil {
				return nil, err
			}
		}
	}
	rates := make([]float64, len(meters))
	for i, m := range meters {
		if slices.Sort(m.rates); !m.search.void {
			rates[i] = m.rates[len(m.rates)/2]
		}
	}
	return rates, nil
}

// A meter measures one kernel on one layout. It is an endless search that finds nothing, whose only
// worker runs one slice at a time.
type meter struct {
	*search
	rates []float64 // hashes per second in each slice
}

func (r *registry) newMeter(k *asm.Kernel, l layout) *meter {
	first, last, _ := widthRange(l.width, math.MaxUint64)
	p := Puzzle{Prefix: make([]byte, l.at), Bits: MaxBits}
	s := &search{
		puzzle: p, registry: r, asked: k, endless: true, processors: int64(runtime.GOMAXPROCS(0)),
		mid:     midstate{state: asm.IV, rest: p.Prefix, length: len(p.Prefix)},
		plan:    plan{segments: []segment{{layout: l, first: first, last: last}}},
		workers: []*worker{new(worker)},
	}
	for kind := range s.kernels {
		s.kernels[kind].Store(k)
	}
	s.beyond.Store(math.MaxUint64)
	s.workers[0].search = s
	s.begin(0)
	if s.workers[0].claim() {
		s.workers[0].walk.buildTails() // it would take longer than the measurement
	}
	return &meter{search: s}
}

// run measures one slice. The error is the context's.
func (m *meter) run(ctx context.Context) error { return m.slice(ctx, measureSlice) }

// slice measures one slice of the given length.
func (m *meter) slice(ctx context.Context, length time.Duration) error {
	w, now := m.workers[0], m.registry.now
	begin, before := now(), w.hashes.Load()
	w.until = begin.Add(length)
	w.run(ctx)
	m.rates = append(m.rates, rate(w.hashes.Load()-before, now().Sub(begin)))
	return m.err
}
