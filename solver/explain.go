package solver

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// A Plan says how a Solver would search for a solution of a puzzle, and what to
// expect of it.
type Plan struct {
	Backend  string // the kernel
	Why      string // why this kernel
	MaxNonce uint64 // the largest nonce allowed
	WhyMax   string // why this limit
	// Wider is what larger limits would win, those that receivers are known to
	// have and that would win anything.
	Wider   []WiderLimit
	Workers int // goroutines that would search
	Bits    int // leading zero bits wanted
	// Segments are the parts of the search, in its order.
	Segments []PlanSegment
	// Hashes is how many hashes the search takes on average.
	Hashes float64
	// HashRate is hashes per second of one worker, as measured for the segment
	// that most of the search goes into.
	HashRate float64
}

// A WiderLimit is what a larger limit on nonces would win.
type WiderLimit struct {
	MaxNonce uint64  // the largest nonce that would be allowed
	Speedup  float64 // how many times as fast a solution would be found, above 1
}

// A PlanSegment is the nonces of one width, as a part of a Plan.
type PlanSegment struct {
	Width      int     // decimal digits
	First      uint64  // smallest nonce
	Last       uint64  // largest nonce, included
	Word       int     // the message word that varies in a chunk, 0 to 15
	Block      int     // the block with that word, 0 or 1, counted from where the nonce begins
	Blocks     int     // blocks from there to the end, 1 or 2
	Tails      int     // last digits, in the block that follows, that vary in a chunk too
	ChunkSize  uint64  // nonces that differ in nothing else
	Together   int     // chunks that are searched together, which differ in the word before Word only; 1 if they are not
	OpsPerHash float64 // time for one hash, set-up included, as estimated: in operations of the kernel that take as long
	// RoundsPerHash is how many SHA256RNDS2 the kernel takes for one hash; 0 if it has none.
	RoundsPerHash float64
	HashRate      float64 // hashes per second of one worker, by Plan.HashRate and the operations
	Reached       float64 // chance that the search comes to this segment, 0 to 1
	Chance        float64 // chance that this segment has a solution, 0 to 1
}

func (s *PlanSegment) nonces() float64 { return float64(s.Last-s.First) + 1 }

// Explain plans the search for a puzzle as Solve would, and measures the rate of
// the kernels, on one thread, unless one is asked for: on the layout that most
// of the search goes into, for about 20 ms each. Kernels that a search would not
// try, since they are far slower than generic, are left out. The rate for other layouts
// follows from their operations. If there are no nonces to search, which is so
// where there are more shards than nonces, the error is an *ExhaustedError.
func (s *Solver) Explain(ctx context.Context, p Puzzle) (Plan, error) {
	if err := p.validate(); err != nil {
		return Plan{}, err
	}
	candidates, err := s.candidates()
	if err != nil {
		return Plan{}, err
	}
	sp := s.options.space(p)
	if none := s.options.plan(sp, allKinds(candidates[0])); len(none.segments) == 0 {
		return Plan{}, &ExhaustedError{MaxNonce: none.space.limit, Shard: sp.shard}
	}
	rates, err := s.registry.measure(ctx, candidates, s.options, p)
	if err != nil {
		return Plan{}, err
	}
	k, rate, why := fastest(candidates, rates)
	if rate == 0 {
		_, err := s.registry.named(k.Name)
		return Plan{}, fmt.Errorf("solver: %w", err)
	}
	if k == s.asked {
		why = s.why
	}

	o := odds{p.Bits}
	planned := s.options.plan(sp, allKinds(k))
	plan := Plan{
		Backend: k.Name, Why: why,
		MaxNonce: planned.space.limit, WhyMax: planned.why,
		Wider:   wider(planned, k),
		Workers: s.options.workers(),
		Bits:    p.Bits,
		Hashes:  o.expected(planned.nonces()), HashRate: rate,
	}
	main := planned.main()
	before := 0.0
	for i := range planned.segments {
		seg := &planned.segments[i]
		plan.Segments = append(plan.Segments, PlanSegment{
			Width: seg.width, First: seg.first, Last: seg.last,
			Word: seg.word(), Block: seg.block(), Blocks: seg.blocks,
			Tails:      seg.tailDigits,
			ChunkSize:  seg.size(),
			Together:   int(seg.together()),
			OpsPerHash: seg.cost, RoundsPerHash: seg.rounds(k),
			HashRate: rate * main.cost / seg.cost,
			Reached:  o.missed(before),
			Chance:   o.found(seg.nonces()),
		})
		before += seg.nonces()
	}
	return plan, nil
}

// wider returns what larger limits than that of a plan would win.
func wider(now plan, k *asm.Kernel) (list []WiderLimit) {
	solution := func(p plan) float64 { return p.expectedTime() / p.space.odds().found(p.nonces()) }
	for _, limit := range []uint64{MaxSafeInteger, math.MaxUint64} {
		if limit <= now.space.limit {
			continue
		}
		sp := now.space
		sp.limit = limit
		if speedup := solution(now) / solution(newPlan(sp, allKinds(k), now)); speedup >= 1.005 {
			list = append(list, WiderLimit{limit, speedup})
		}
	}
	return list
}

// candidates returns the kernels that a search may use: one if it is asked for.
func (s *Solver) candidates() ([]*asm.Kernel, error) {
	if s.asked != nil && s.registry.fault(s.asked) == nil {
		return []*asm.Kernel{s.asked}, nil
	}
	if _, _, err := s.registry.pick(0); err != nil {
		return nil, err
	}
	return s.registry.promising(), nil
}

// Time returns how long the search takes on average, whether it finds a
// solution or not.
func (p *Plan) Time() time.Duration {
	seconds := 0.0
	for i := range p.Segments {
		s := &p.Segments[i]
		seconds += s.Reached * odds{p.Bits}.expected(s.nonces()) / p.rate(s)
	}
	return duration(seconds)
}

// Quantile returns the time within which a search finds a solution with the
// given chance, 0 to 1. It is false if all nonces together have less of a
// chance.
func (p *Plan) Quantile(chance float64) (time.Duration, bool) {
	hashes := max(1, math.Log1p(-chance)/math.Log1p(-math.Ldexp(1, -p.Bits)))
	seconds := 0.0
	for i := range p.Segments {
		s := &p.Segments[i]
		n := min(hashes, s.nonces())
		seconds += n / p.rate(s)
		if hashes -= n; hashes <= 0 {
			return duration(seconds), true
		}
	}
	return 0, false
}

// Missed returns the chance that a search has not found a solution after the
// given time. That is not 0 for the longest time.Duration if it may be that no
// nonce is a solution.
func (p *Plan) Missed(d time.Duration) float64 {
	hashes, seconds := 0.0, d.Seconds()
	for i := range p.Segments {
		s := &p.Segments[i]
		n := min(seconds*p.rate(s), s.nonces())
		hashes += n
		seconds -= n / p.rate(s)
	}
	return odds{p.Bits}.missed(hashes)
}

// rate returns hashes per second of all workers.
func (p *Plan) rate(s *PlanSegment) float64 { return s.HashRate * float64(p.Workers) }
