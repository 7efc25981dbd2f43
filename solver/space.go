package solver

import (
	"fmt"
	"math"
	"math/bits"
)

// Limits that common receivers put on nonces.
const (
	// MaxInt32 is the largest nonce that a receiver with 32-bit signed integers accepts.
	MaxInt32 uint64 = math.MaxInt32
	// MaxSafeInteger, 2⁵³ − 1, is the largest nonce that a receiver accepts if its numbers are IEEE
	// 754 doubles, as in JavaScript.
	MaxSafeInteger uint64 = 1<<53 - 1
)

// A Shard is one of Count parts of the nonce space. The parts are disjoint and together cover the
// whole space. They depend only on the puzzle and on the limits on the nonce, so machines with
// different CPUs can share a search. The zero value is the whole space.
type Shard struct {
	Index int // which part, 0 to Count-1
	Count int // number of parts; 0 or 1 means the whole space
}

// String returns "index/count".
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }

func (s Shard) validate() error {
	switch {
	case s.Count < 0:
		return fmt.Errorf("solver: shard %v: the count must not be negative", s)
	case s.Index < 0 || s.Index >= max(s.Count, 1):
		return fmt.Errorf("solver: shard %v: the index must be 0 to %d", s, max(s.Count, 1)-1)
	}
	return nil
}

// part returns the shard's part of the nonces first to last, both included. ok is false if the part
// is empty, as when there are fewer nonces than shards.
func (s Shard) part(first, last uint64) (_, _ uint64, ok bool) {
	if s.Count <= 1 {
		return first, last, true
	}
	// first + n*i/Count, in 128 bits. n does not overflow: first is 0 only for one-digit nonces.
	n := last - first + 1
	bound := func(i int) uint64 {
		hi, lo := bits.Mul64(n, uint64(i))
		quotient, _ := bits.Div64(hi, lo, uint64(s.Count))
		return first + quotient
	}
	from, to := bound(s.Index), bound(s.Index+1)
	return from, to - 1, from != to // to is 0 if the part ends with the largest 64-bit nonce
}

// An order says in which order to search nonces.
type order int

const (
	cheapestFirst order = iota // any order, the fastest
	byWindow                   // windows of nonces in numeric order, any order within a window
	numeric                    // every nonce in numeric order
)

// A space is the set of nonces to search, and the order to search them in.
type space struct {
	prefix int    // length of the prefix in bytes
	bits   int    // leading zero bits wanted
	least  uint64 // the smallest nonce allowed
	limit  uint64 // the largest nonce allowed; 0 if it has yet to be chosen
	shard  Shard
	tried  uint64 // nonces of the shard below this one have already been tried
	order  order

	workers int // goroutines that search
}

// odds returns the odds of the space's puzzle.
func (sp space) odds() odds { return odds{sp.bits} }

// maxWidth is the number of digits of the largest 64-bit nonce.
const maxWidth = 20

// pow10 holds the powers of ten that fit in 64 bits.
var pow10 = func() (p [maxWidth]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// widthRange returns the range of nonces with width digits that do not exceed limit, last included.
// ok is false if there are none.
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

// width returns the range of nonces to search that have width digits and do not exceed limit, last
// included. ok is false if there are none.
func (sp *space) width(width int, limit uint64) (first, last uint64, ok bool) {
	first, last, ok = widthRange(width, limit)
	if !ok || last < sp.least {
		return 0, 0, false
	}
	first, last, ok = sp.shard.part(max(first, sp.least), last)
	first = max(first, sp.tried)
	return first, last, ok && first <= last
}
