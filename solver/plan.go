package solver

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gkpow/gkpow/solver/asm"
)

// A plan says what a search searches: segments, in this order, each with one layout.
// There is one plan for a search.
type plan struct {
	space    space
	why      string // why the space has its limit
	segments []segment
}

// newPlan lays out the space: the cheapest layout for each width, and the cheapest
// widths first, or the smallest. It takes segments from other plans for the same
// kernels where they have them.
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

// cheapest returns the segment with the layout that takes the least time for its
// nonces.
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
			if s.cost = l.cost(k.Kernel); math.IsInf(s.cost, 1) {
				break
			}
			s.cost += s.sparseCost(k.Kernel)
			s.time = s.cost * k.pace
			total := s.time * (1 + sp.excess(&s)/hashes)
			total += k.pace * l.tableCycles() / k.Weights.Scan / hashes
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

// excess estimates how many nonces above the smallest solution a sequential search tries:
// those of the same window, and those of other workers' rows.
func (sp space) excess(s *segment) float64 {
	if sp.order != byWindow {
		return 0
	}
	others := max(0, sp.workers-1)
	return min(s.window()+float64(others)*float64(s.rowSize()), s.nonces()) / 2
}

// nonces counts the nonces of the plan.
func (p plan) nonces() (n float64) {
	for i := range p.segments {
		n += p.segments[i].nonces()
	}
	return n
}

// expectedTimes estimates the time of the search, segment by segment.
func (p plan) expectedTimes() (times [maxWidth]float64) {
	before, o := 0.0, p.space.odds()
	for i := range p.segments {
		n := p.segments[i].nonces()
		times[i] = o.missed(before) * o.expected(n) * p.segments[i].time
		before += n
	}
	return times
}

// expectedTime estimates the time of the whole search.
func (p plan) expectedTime() (time float64) {
	for _, t := range p.expectedTimes() {
		time += t
	}
	return time
}

// main returns the segment that takes the most time.
func (p plan) main() *segment {
	times := p.expectedTimes()
	return &p.segments[slices.Index(times[:], slices.Max(times[:]))]
}

// The default limit on nonces: what any receiver takes, if that is enough and
// not dear.
const (
	maxFailure = 1e-9 // chance that no nonce up to MaxInt32 solves the puzzle
	maxDearer  = 1.2  // its cost, as a multiple of what wider nonces would cost
)

// withDefaultLimit plans the space up to the limit that is chosen for it.
func withDefaultLimit(sp space, kernels lineup) plan {
	if sp.shard.Count > 1 {
		// All shards must agree on the space, whatever CPU they run on and however
		// far they have got.
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
		wide.why = "smaller ones may not hold a solution"
		return wide
	}
	if dearer := narrow.expectedTime() / wide.expectedTime(); dearer > maxDearer {
		wide.why = fmt.Sprintf("smaller ones would take %.1f times the work", dearer)
		return wide
	}
	narrow.why = "any receiver takes them, and they are enough"
	return narrow
}
