package solver

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gkpow/gkpow/solver/asm"
)

// A segment is nonces of one width, searched with one layout.
type segment struct {
	layout
	first, last uint64 // nonces, both included
	cost        float64
}

// nonces counts the nonces of the segment.
func (s *segment) nonces() float64 { return float64(s.last-s.first) + 1 }

// sparseCost estimates the operations, for one hash, that are spent on chunks
// which hold few of the segment's nonces or none. If it has few nonces, and their
// last digits are outer ones, that may be nearly all chunks.
func (s *segment) sparseCost() float64 {
	from, to := s.chunks()
	return s.chunkOps() * max(0, float64(to-from)/s.nonces()-1/float64(s.size()))
}

// A plan lists segments in the order in which they are searched.
type plan []segment

// A space is the set of nonces to search, and the order.
type space struct {
	prefix     int    // length of the prefix in bytes
	least      uint64 // the smallest nonce
	limit      uint64 // the largest
	shard      Shard
	sequential bool
}

// newPlan lays out the space for a kernel: the cheapest layout for each width,
// and the cheapest widths first, or the smallest if the order is sequential.
func newPlan(sp space, k asm.Kernel) plan {
	var p plan
	for width := 1; width <= maxWidth; width++ {
		first, last, ok := sp.width(width)
		if !ok {
			continue
		}
		candidates := layouts(sp.prefix, width)
		if sp.sequential {
			// Chunks in numeric order need the last digits to be the inner ones. The
			// last layout has them.
			candidates = candidates[len(candidates)-1:]
		}
		best := segment{cost: math.Inf(1)}
		for _, l := range candidates {
			s := segment{layout: l, first: first, last: last}
			if s.cost = l.cost(k) + s.sparseCost(); s.cost < best.cost {
				best = s
			}
		}
		p = append(p, best)
	}
	if !sp.sequential {
		slices.SortStableFunc(p, func(a, b segment) int { return cmp.Compare(a.cost, b.cost) })
	}
	return p
}

// odds does the arithmetic of a search in which each hash solves the puzzle
// with the probability 2^-bits.
type odds struct{ bits int }

// found returns the chance that n hashes hold a solution.
func (o odds) found(n float64) float64 {
	if n == 0 {
		return 0
	}
	return -math.Expm1(n * math.Log1p(-math.Ldexp(1, -o.bits)))
}

// missed returns the chance that n hashes hold no solution. It is exact where
// that is next to nothing.
func (o odds) missed(n float64) float64 {
	if n == 0 {
		return 1
	}
	return math.Exp(n * math.Log1p(-math.Ldexp(1, -o.bits)))
}

// expected returns how many hashes it takes, on average, to find a solution or
// to try n of them.
func (o odds) expected(n float64) float64 {
	return o.found(n) * math.Ldexp(1, o.bits)
}

// nonces counts the nonces of the plan.
func (p plan) nonces() (n float64) {
	for i := range p {
		n += p[i].nonces()
	}
	return n
}

// expectedCosts estimates the operations of the search, segment by segment.
func (p plan) expectedCosts(o odds) (costs []float64) {
	before := 0.0
	for i := range p {
		n := p[i].nonces()
		costs = append(costs, o.missed(before)*o.expected(n)*p[i].cost)
		before += n
	}
	return costs
}

// expectedCost estimates the operations of the whole search.
func (p plan) expectedCost(o odds) (cost float64) {
	for _, c := range p.expectedCosts(o) {
		cost += c
	}
	return cost
}

// main returns the segment that takes the most operations.
func (p plan) main(o odds) *segment {
	costs := p.expectedCosts(o)
	return &p[slices.Index(costs, slices.Max(costs))]
}

// The default limit on nonces: what any receiver takes, if that is enough and
// not dear.
const (
	maxFailure = 1e-9 // chance that no nonce up to MaxInt32 solves the puzzle
	maxDearer  = 1.2  // its cost, as a multiple of what wider nonces would cost
)

// defaultLimit chooses the limit for a puzzle of so many bits, and says why.
func defaultLimit(sp space, bits int, k asm.Kernel) (limit uint64, why string) {
	if sp.shard.Count > 1 {
		// All shards must agree on the space, whatever CPU they run on.
		k = asm.Generic()
		sp.shard = Shard{}
	}
	o := odds{bits}
	sp.limit = MaxSafeInteger
	wide := newPlan(sp, k)
	sp.limit = MaxInt32
	narrow := newPlan(sp, k)
	if o.missed(narrow.nonces()) >= maxFailure {
		return MaxSafeInteger, "smaller ones may not hold a solution"
	}
	if dearer := narrow.expectedCost(o) / wide.expectedCost(o); dearer > maxDearer {
		return MaxSafeInteger, fmt.Sprintf("smaller ones would take %.1f times the work", dearer)
	}
	return MaxInt32, "any receiver takes them, and they are enough"
}
