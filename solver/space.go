package solver

import (
	"fmt"
	"math"
	"math/bits"
)

// Limits on nonces that receivers are known to have.
const (
	// MaxInt32 is the largest nonce that a receiver with 32-bit integers takes.
	MaxInt32 uint64 = math.MaxInt32
	// MaxSafeInteger is the largest nonce that a receiver takes whose numbers
	// are IEEE 754 doubles, as in JavaScript.
	MaxSafeInteger uint64 = 1<<53 - 1
)

// A Shard is one of Count parts of the nonce space. The parts are disjoint,
// together they are all of it, and they depend on nothing but the limits on the
// nonce, so machines with different CPUs can share a search. The zero value is
// the whole space.
type Shard struct {
	Index int // 0 to Count-1
	Count int // 0 and 1 are the whole space
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }

func (s Shard) validate() error {
	switch {
	case s.Count < 0:
		return fmt.Errorf("solver: shard %v: the count cannot be negative", s)
	case s.Index < 0 || s.Index >= max(s.Count, 1):
		return fmt.Errorf("solver: shard %v: the index counts from 0 to %d", s, max(s.Count, 1)-1)
	}
	return nil
}

// part returns the shard's part of the nonces first to last. It is empty, with
// ok false, if there are fewer nonces than shards.
func (s Shard) part(first, last uint64) (_, _ uint64, ok bool) {
	if s.Count <= 1 {
		return first, last, true
	}
	// first + n*Index/Count, in 128 bits; n fits since first is 0 only for
	// nonces of one digit.
	n := last - first + 1
	bound := func(i int) uint64 {
		hi, lo := bits.Mul64(n, uint64(i))
		quotient, _ := bits.Div64(hi, lo, uint64(s.Count))
		return first + quotient
	}
	from, to := bound(s.Index), bound(s.Index+1)
	return from, to - 1, from != to // to is 0 behind the last nonce of 64 bits
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

	workers int // that search at the same time
}

// odds returns the odds of the space's puzzle.
func (sp space) odds() odds { return odds{sp.bits} }

// maxWidth is the number of digits of the largest nonce.
const maxWidth = 20

// pow10 holds the powers of ten that fit in 64 bits.
var pow10 = func() (p [maxWidth]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// widthRange returns the nonces of so many digits that are not above limit.
func widthRange(width int, limit uint64) (first, last uint64, ok bool) {
	if width > 1 {
		first = pow10[width-1]
	}
	last = math.MaxUint64
	if width < maxWidth {
		last = pow10[width] - 1
	}
	return first, min(last, limit), first <= limit
}

// width returns the nonces of so many digits, up to a limit, that are to be searched.
func (sp *space) width(width int, limit uint64) (first, last uint64, ok bool) {
	first, last, ok = widthRange(width, limit)
	if !ok || last < sp.least {
		return 0, 0, false
	}
	first, last, ok = sp.shard.part(max(first, sp.least), last)
	first = max(first, sp.tried)
	return first, last, ok && first <= last
}
