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

// A segment is nonces of one width, searched with one layout.
type segment struct {
	layout
	first, last uint64  // nonces, both included
	cost        float64 // of one hash, see layout.cost
	time        float64 // the same in ns, or any unit that all segments of a plan share
}

// nonces counts the nonces of the segment.
func (s *segment) nonces() float64 { return float64(s.last-s.first) + 1 }

// sparseCost estimates what is spent, for one hash and in the unit of cost, on rows which
// hold few of the segment's nonces or none. If it has few nonces, and their last
// digits are outer ones, that may be nearly all rows.
func (s *segment) sparseCost(k *asm.Kernel) float64 {
	from, to := s.rows()
	n := s.together()
	return s.chunkCycles() / k.Weights.Scan * float64(n) * max(0, float64(to-from)/s.nonces()-1/float64(n*s.size()))
}

// A lineup is the kernel for each kind of layout.
type lineup [kinds]contender

// A contender is a kernel and the time that it takes for an operation, in ns or in
// any unit that all kernels share. It serves to compare layouts of different kinds
// that have different kernels.
type contender struct {
	*asm.Kernel
	pace float64
}

// allKinds returns the lineup in which one kernel does all.
func allKinds(k *asm.Kernel) (l lineup) {
	for kind := range l {
		l[kind] = contender{k, 1}
	}
	return l
}

// An order is the one in which nonces are searched.
type order int

const (
	cheapestFirst order = iota // whatever is fastest
	byWindow                   // windows of nonces in numeric order, anything within a window
	numeric                    // each nonce after all smaller ones
)

// A space is the set of nonces to search, and the order.
type space struct {
	prefix int    // length of the prefix in bytes
	bits   int    // leading zero bits wanted
	least  uint64 // the smallest nonce
	limit  uint64 // the largest
	shard  Shard
	tried  uint64 // nonces of the shard below this one have been tried
	order  order
}

// odds returns the odds of the space's puzzle.
func (sp space) odds() odds { return odds{sp.bits} }

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
	for l := range layouts(sp.prefix, width) {
		if sp.order == numeric && !l.strict() {
			continue
		}
		k := kernels[l.kind()]
		s.layout = l
		if s.cost = l.cost(k.Kernel); math.IsInf(s.cost, 1) {
			continue
		}
		s.cost += s.sparseCost(k.Kernel)
		s.time = s.cost * k.pace
		total := s.time
		if sp.order == byWindow {
			// When a solution is found, a part of its window is yet to be searched for
			// smaller ones.
			hashes := sp.odds().expected(s.nonces())
			total *= 1 + min(l.window(), s.nonces())/(2*hashes)
		}
		if total < least {
			best, least = s, total
		}
	}
	return best
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
		whole.shard, whole.tried = Shard{}, 0
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
