package solver

import "github.com/gkpow/gkpow/solver/asm"

// A piece is the set of nonces that one call of a kernel searches, in steps. Each step searches
// several nonces in parallel, one per lane. If chunks are searched together, they are the lanes, and
// the steps are inner values. If a tail follows, the lanes are inner values, and the steps are tails.
type piece struct {
	kind   kind
	base   uint64     // the smallest nonce
	along  uint64     // the difference between nonces of consecutive steps
	across uint64     // the difference between nonces of neighbouring lanes
	values []uint32   // the inner digits, as words
	tails  []asm.Tail // the blocks that can follow, if the kind has any

	// If a tail follows: the run of values that the kernel hashes at once, and which group of
	// asm.MaxStates values of the run belongs to this piece.
	run    []uint32
	serial uint64 // identifies the run within its walk
	group  int
}

// steps returns the number of steps that are left.
func (p *piece) steps() int {
	if p.kind == fixedTail || p.kind == varyingTail {
		return len(p.tails)
	}
	return len(p.values)
}

// lanes returns the number of nonces in each step.
func (p *piece) lanes() int {
	switch p.kind {
	case oneBlock:
		return 1
	case grid:
		return asm.GridLanes
	case sharedBlock:
		return asm.SharedStates
	}
	return len(p.values)
}

// hashes returns the number of nonces in the piece.
func (p *piece) hashes() uint64 { return uint64(p.steps()) * uint64(p.lanes()) }

// nonce returns the nonce at a step and lane.
func (p *piece) nonce(step, lane int) uint64 {
	return p.base + uint64(step)*p.along + uint64(lane)*p.across
}

// skip removes the first steps from the piece.
func (p *piece) skip(steps int) {
	p.base += uint64(steps) * p.along
	if p.kind == fixedTail || p.kind == varyingTail {
		p.tails = p.tails[steps:]
	} else {
		p.values = p.values[steps:]
	}
}
