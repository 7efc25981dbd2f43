package solver

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gkpow/gkpow/solver/asm"
)

// A plan lists the segments that a search goes through, in order, each with its layout. A search
// has one plan.
type plan struct {
	space    space
	why      string // why the space has this limit
	segments []segment
}

// newPlan plans a search of the space. It chooses the cheapest layout for each width, and orders
// widths by cost or, if the space asks for an order, by size. It reuses segments of the other
// plans, which must be for the same kernels.
func newPlan(sp space, kernels lineup, others ...plan) plan {
	p := plan{space: sp, segments: make([]segment, 0, maxWidth)}
	for width := 1; width <= maxWidth; width++ {
		first, last, ok := sp.width(width, sp.limit)
		if !ok {
			continue
		}
		best := segment{first: first, last: last, time: math.Inf(1)}
		for _, other := range others {
			i := slices.IndexFunc(other.segments, func(s segment) bool {
				return s.width == width && s.first == first && s.last == last
			})
			if i >= 0 {
				best = other.segments[i]
			}
		}
		if best.width == 0 {
			best = sp.cheapest(width, best, kernels)
		}
		p.segments = append(p.segments, best)
	}
	if sp.order == cheapestFirst {
		slices.SortStableFunc(p.segments, func(a, b segment) int { return cmp.Compare(a.time, b.time) })
	}
	return p
}

// cheapest returns the segment with the layout that searches its nonces in the least time.
func (sp space) cheapest(width int, s segment, kernels lineup) segment {
	best, least := s, math.Inf(1)
	hashes := sp.odds().expected(s.nonces())
	for whole := range layouts(sp.prefix, width) {
		if sp.order == numeric && !whole.strict() {
			continue
		}
		k := kernels[whole.kind()]
		for l := range whole.stretches() {
			s.layout = l
			if s.cost = s.costWith(k.Kernel); math.IsInf(s.cost, 1) {
				break
			}
			s.time = s.cost * k.opTime
			s.tables = l.tableCycles() / k.Weights.Scan * k.opTime
			total := s.time*(1+sp.excess(&s)/hashes) + s.tables/hashes
			if total < least {
				best, least = s, total
			}
			if sp.order != byWindow {
				break
			}
		}
	}
	return best
}

// excess estimates how many nonces above the smallest solution a sequential search tries in a
// segment. If the segment holds that solution, they are half of the solution's window and of the
// rows of the other workers, on average. If chunks are searched together, the search then leaves out
// those above the solution. That would halve the rest of the window, but the remaining chunks are
// searched one by one, which takes longer.
func (sp space) excess(s *segment) float64 {
	if sp.order != byWindow {
		return 0
	}
	window, others := s.window()/2, max(0, sp.workers-1)
	if s.together() > 1 {
		window = s.window() / 3
	}
	above := min(window+float64(others)*float64(s.rowSize())/2, s.nonces()/2)
	return sp.odds().found(s.nonces()) * above
}

// nonces returns the number of nonces in the plan.
func (p plan) nonces() (n float64) {
	for i := range p.segments {
		n += p.segments[i].nonces()
	}
	return n
}

// expectedTimes estimates the average time that a search spends in each segment, in the unit of
// segment.time.
func (p plan) expectedTimes() (times [maxWidth]float64) {
	before, o := 0.0, p.space.odds()
	for i := range p.segments {
		n := p.segments[i].nonces()
		times[i] = o.missed(before) * o.expected(n) * p.segments[i].time
		before += n
	}
	return times
}

// expectedTime estimates the average time of the whole search.
func (p plan) expectedTime() (time float64) {
	for _, t := range p.expectedTimes() {
		time += t
	}
	return time
}

// sequentialTime is expectedTime for a sequential search. It includes the tables of tails and the
// nonces above the smallest solution that the search tries.
func (p plan) sequentialTime() (time float64) {
	before, o := 0.0, p.space.odds()
	for i := range p.segments {
		s := &p.segments[i]
		tried := o.expected(s.nonces()) + p.space.excess(s)
		time += o.missed(before) * (tried*s.time + s.tables)
		before += s.nonces()
	}
	return time
}

// sequentialBound is a lower bound on sequentialTime: each segment has its fastest layout, whatever
// the order of its nonces, and the search tries no nonce above the smallest solution.
func (p plan) sequentialBound(kernels lineup) float64 {
	o, free := p.space.odds(), p.space
	free.order = cheapestFirst
	fastest := plan{space: p.space, segments: slices.Clone(p.segments)}
	for i := range fastest.segments {
		s := &fastest.segments[i]
		whole := free.cheapest(s.width, segment{first: s.first, last: s.last}, kernels)
		s.time = min(whole.time, s.time+s.tables/o.expected(s.nonces()))
	}
	return fastest.expectedTime()
}

// main returns the segment with the longest expected time.
func (p plan) main() *segment {
	times := p.expectedTimes()
	return &p.segments[slices.Index(times[:], slices.Max(times[:]))]
}

// Conditions for the default limit on nonces to be MaxInt32, which every receiver accepts.
const (
	maxFailure = 1e-9 // highest chance that no nonce up to MaxInt32 solves the puzzle
	maxCost    = 1.2  // highest cost, as a multiple of the cost with MaxSafeInteger
)

// withDefaultLimit plans a search of the space with the default limit on nonces.
func withDefaultLimit(sp space, kernels lineup) plan {
	if sp.shard.Count > 1 {
		// All shards must agree on the limit, whatever their CPU and however far they have got.
		whole := sp
		whole.shard, whole.tried, whole.workers = Shard{}, 0, 0
		generic := asm.Generic()
		agreed := withDefaultLimit(whole, allKinds(&generic))
		sp.limit = agreed.space.limit
		p := newPlan(sp, kernels)
		p.why = agreed.why
		return p
	}
	sp.limit = MaxSafeInteger
	wide := newPlan(sp, kernels)
	sp.limit = MaxInt32
	narrow := newPlan(sp, kernels, wide)
	if sp.odds().missed(narrow.nonces()) >= maxFailure {
		wide.why = "smaller nonces may not include a solution"
		return wide
	}
	if cost := narrow.expectedTime() / wide.expectedTime(); cost > maxCost {
		wide.why = fmt.Sprintf("a limit of 2147483647 would take %.1f times the work", cost)
		return wide
	}
	narrow.why = "every receiver accepts them, and they are enough"
	return narrow
}
