package solver

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// A Plan says how a Solver would search for a solution of a puzzle, and how long that would take.
type Plan struct {
	Backend  string // name of the kernel that would search
	Why      string // why this kernel was chosen
	MaxNonce uint64 // the largest nonce allowed
	WhyMax   string // why this limit was chosen
	// Wider lists the larger limits of known receivers that would speed up the search.
	Wider   []WiderLimit
	Workers int // goroutines that would search
	Bits    int // leading zero bits that the puzzle asks for
	// Segments lists the parts of the search, in search order.
	Segments []PlanSegment
	// Hashes is the average number of hashes in a search, up to the solution.
	Hashes float64
	// HashRate is the hashes per second of one worker, measured on the segment that most of the
	// search time goes into. It is 0 if the Plan comes from Outline.
	HashRate float64
	// Sequential compares numeric order with any order. It is nil without Options.Sequential.
	Sequential *SequentialPlan
}

// A SequentialPlan says what numeric order costs. Its rates are for one worker and whole searches,
// derived from Plan.HashRate and the operation counts.
type SequentialPlan struct {
	// HashRate is how many of the nonces up to the smallest solution the search tries per second.
	// Nonces above that solution, which the search also tries, do not count.
	HashRate float64
	// Bound is the highest HashRate, in nonces per second, that a search in numeric order could
	// reach with this kernel: if it tried the nonces of each width in their fastest layout, and
	// none above the solution.
	Bound float64
	// AnyOrder is the hashes per second of a search without Options.Sequential, which may prefer
	// wider nonces that take less time.
	AnyOrder float64
}

// A WiderLimit says how much faster a search would be with a larger limit on nonces.
type WiderLimit struct {
	MaxNonce uint64  // the larger limit
	Speedup  float64 // how many times as fast the average search would be, above 1
}

// A PlanSegment is the part of a Plan that covers the nonces of one width.
type PlanSegment struct {
	Width     int    // number of decimal digits of each nonce
	First     uint64 // the smallest nonce
	Last      uint64 // the largest nonce, included
	Word      int    // the message word that varies in a chunk, 0 to 15
	Block     int    // the block with that word: 0 or 1, counted from the block where the nonce begins
	Blocks    int    // number of blocks from the one where the nonce begins, 1 or 2
	Tails     int    // number of trailing digits, in the block after Block, that also vary in a chunk
	ChunkSize uint64 // nonces per chunk; they differ only in the digits that vary
	// Together is the number of chunks searched together, 1 if none are. They differ only in the
	// word before Word or, if Word is 0, in block 0.
	Together   int
	OpsPerHash float64 // estimated time per hash, set-up included, in operations of the kernel
	// RoundsPerHash is the number of SHA256RNDS2 instructions per hash; 0 if the kernel uses none.
	RoundsPerHash float64
	HashRate      float64 // hashes per second of one worker, from Plan.HashRate and OpsPerHash
	Reached       float64 // probability that the search reaches this segment, 0 to 1
	Chance        float64 // probability that this segment holds a solution, 0 to 1
}

func (s *PlanSegment) nonces() float64 { return float64(s.Last-s.First) + 1 }

// Explain plans the search for a puzzle as Solve would. It measures each candidate kernel on one
// thread for about 20 ms, on the layout that takes most of the search time, and derives the rates
// for other layouts from their operation counts. The only candidate is the kernel that the caller
// named; if the caller named none, the candidates are all kernels that are not far slower than
// generic.
//
// The error is one of:
//
//   - a *PuzzleError if the puzzle is invalid
//   - the context's error if the context has ended
//   - an *ExhaustedError if there are no nonces to search, as when there are more shards than nonces
//   - another error if no kernel works
func (s *Solver) Explain(ctx context.Context, p Puzzle) (Plan, error) {
	candidates, err := s.toExplain(p)
	if err != nil {
		return Plan{}, err
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
	return s.explain(p, k, rate, why), nil
}

// Outline plans the search for a puzzle as Explain does, but from operation counts alone, which
// takes less than a millisecond. Each HashRate is 0, so the results of the Plan's methods Time,
// Quantile and Missed are undefined. The kernel is the one that the caller named, or else the one
// that a search would begin with. The errors are those of Explain, except the context's.
func (s *Solver) Outline(p Puzzle) (Plan, error) {
	candidates, err := s.toExplain(p)
	if err != nil {
		return Plan{}, err
	}
	k, why := candidates[0], s.why
	if k != s.asked {
		if k, _, err = s.registry.pick(0); err != nil {
			return Plan{}, err
		}
		why = "the fastest by a short measurement"
	}
	return s.explain(p, k, 0, why), nil
}

// toExplain returns the kernels that a search for the puzzle may use, or the reason why there
// is no search to explain.
func (s *Solver) toExplain(p Puzzle) ([]*asm.Kernel, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	candidates, err := s.candidates()
	if err != nil {
		return nil, err
	}
	sp := s.options.space(p)
	if none := s.options.plan(sp, allKinds(candidates[0])); len(none.segments) == 0 {
		return nil, &ExhaustedError{MaxNonce: none.space.limit, Shard: sp.shard}
	}
	return candidates, nil
}

// explain describes the plan of a search with a kernel whose hashes per second are known for the
// main segment.
func (s *Solver) explain(p Puzzle, k *asm.Kernel, rate float64, why string) Plan {
	o := odds{p.Bits}
	planned := s.options.plan(s.options.space(p), allKinds(k))
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
	if s.options.Sequential {
		plan.Sequential = s.compareOrders(p, planned, k, rate*main.cost)
	}
	return plan
}

// compareOrders compares a planned sequential search with one in any order. operations is the
// kernel's operations per second.
func (s *Solver) compareOrders(p Puzzle, ordered plan, k *asm.Kernel, operations float64) *SequentialPlan {
	o := s.options
	o.Sequential = false
	free := o.plan(o.space(p), allKinds(k))
	rate := func(p plan, time float64) float64 { return p.space.odds().expected(p.nonces()) / time * operations }
	return &SequentialPlan{
		HashRate: rate(ordered, ordered.sequentialTime()),
		Bound:    rate(ordered, ordered.sequentialBound(allKinds(k))),
		AnyOrder: rate(free, free.expectedTime()),
	}
}

// wider returns the larger limits that would speed up a planned search.
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

// candidates returns the kernels that a search may use. If the caller named one, it is the only
// one.
func (s *Solver) candidates() ([]*asm.Kernel, error) {
	if s.asked != nil && s.registry.fault(s.asked) == nil {
		return []*asm.Kernel{s.asked}, nil
	}
	if _, _, err := s.registry.pick(0); err != nil {
		return nil, err
	}
	return s.registry.promising(), nil
}

// Time returns the average duration of the search, whether or not it finds a solution.
func (p *Plan) Time() time.Duration {
	if p.Sequential != nil { // a sequential search also tries nonces above the solution
		return duration(p.Hashes / (p.Sequential.HashRate * float64(p.Workers)))
	}
	seconds := 0.0
	for i := range p.Segments {
		s := &p.Segments[i]
		seconds += s.Reached * odds{p.Bits}.expected(s.nonces()) / p.rate(s)
	}
	return duration(seconds)
}

// Quantile returns the time within which a search finds a solution with the given probability, 0 to
// 1. ok is false if the probability that the allowed nonces include a solution is lower than that.
func (p *Plan) Quantile(chance float64) (d time.Duration, ok bool) {
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

// Missed returns the probability, 0 to 1, that a search has found no solution after d. If the
// allowed nonces may hold no solution, it stays above 0 even for the longest time.Duration.
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

// rate returns the hashes per second of all workers in a segment.
func (p *Plan) rate(s *PlanSegment) float64 { return s.HashRate * float64(p.Workers) }
