package solver

import (
	"math"

	"github.com/gkpow/gkpow/solver/asm"
)

// A layout says where the digits of nonces of one width fall in the last blocks
// of the message, and which of them vary in a chunk: a run of digits in one
// message word, the inner ones, and where that word is in the block before the
// last, the last digits of the nonce, which are in the last block. Bytes are
// counted from the start of the block in which the nonce begins.
type layout struct {
	width  int // digits of the nonce
	at     int // byte of the first digit, 0 to 63
	blocks int // blocks from there to the end of the padding, 1 or 2
	inner  int // index of the first inner digit
	count  int // how many inner digits there are
	tails  int // how many of the last digits vary too, see asm.Tail
	lanes  int // digits in the word before in which chunks searched together differ, see asm.Grid
}

// maxTails is the most digits of the last block that vary in a chunk. Each more
// makes ten times as many tails, of 256 bytes, and saves a tenth of what little
// the first block costs by then.
const maxTails = 3

// layouts returns every layout for nonces of one width after so many bytes of
// prefix: one for each message word that holds digits, another where chunks can be
// searched together, and where a block with more digits follows, one for each
// number of those. The last one has the last digits as the inner ones, and chunks
// that are searched one by one.
func layouts(prefix, width int) []layout {
	at := prefix % 64
	const padding = 1 + 8 // 0x80 and the length
	blocks := (at + width + padding + 63) / 64
	second := max(0, at+width-64) // digits in the second block
	var all []layout
	for inner := 0; inner < width; {
		count := min(4-(at+inner)%4, width-inner)
		l := layout{width: width, at: at, blocks: blocks, inner: inner, count: count}
		if grid := l; l.grids() {
			grid.lanes = min(4, inner)
			all = append(all, grid)
		}
		if !l.tail() || second == 0 {
			all = append(all, l)
		}
		for l.tails = 1; l.tail() && l.tails <= min(second, maxTails); l.tails++ {
			all = append(all, l)
		}
		inner += count
	}
	return all
}

// grids reports whether chunks could be searched together: whether no block
// follows, and the word before has digits enough for all of them to differ.
func (l layout) grids() bool {
	return !l.tail() && l.word() > 0 && pow10[min(4, l.inner)] >= asm.GridLanes
}

// block is the block whose word varies: 0 or 1.
func (l layout) block() int { return (l.at + l.inner) / 64 }

// word is the message word that varies, counted in its block.
func (l layout) word() int { return (l.at + l.inner) % 64 / 4 }

// shift is where the lowest of the inner digits lies in its word, in bits.
func (l layout) shift() int { return 24 - 8*((l.at+l.inner+l.count-1)%4) }

// tail reports whether a block follows the one that varies.
func (l layout) tail() bool { return l.block() < l.blocks-1 }

// step is the distance between nonces of neighbouring inner values.
func (l layout) step() uint64 { return pow10[l.width-l.inner-l.count] }

// unit is how many nonces of a chunk have the same inner digits, one after the
// other. With no digits in the tail it is 1.
func (l layout) unit() uint64 { return pow10[l.tails] }

// after is how many values the outer digits have that come after the inner ones.
func (l layout) after() uint64 { return l.step() / l.unit() }

// values is how many inner values a chunk has.
func (l layout) values() uint64 {
	if l.inner == 0 && l.width > 1 {
		return 9 * pow10[l.count-1] // the first digit is not 0
	}
	return pow10[l.count]
}

// size is how many nonces a chunk has.
func (l layout) size() uint64 { return l.values() * l.unit() }

// together is how many chunks are searched together.
func (l layout) together() uint64 {
	if l.lanes == 0 {
		return 1
	}
	return asm.GridLanes
}

// outerFrom is how many of the outer digits lie in the given byte or after.
func (l layout) outerFrom(byte int) int {
	n := 0
	for i := range l.width - l.tails {
		if l.at+i >= byte && (i < l.inner || i >= l.inner+l.count) {
			n++
		}
	}
	return n
}

// What the work that is not a kernel's takes, for comparing layouts, in units of
// asm.Ops: they are 0.2 to 0.5 ns on one machine, by kernel.
const (
	prepareOps  = 600  // asm.Block.Prepare, and the odometer: 150 ns
	compressOps = 2500 // asm.Compress: 500 ns
	expandOps   = 1000 // asm.Tail.Set: 200 ns
	callOps     = 200  // two calls of a kernel
	gridOps     = 1200 // asm.Grid.Prepare, and what a kernel does before the first step
)

// chunkOps estimates the operations that a chunk takes before its first hash.
func (l layout) chunkOps() float64 {
	ops, second := float64(prepareOps), l.outerFrom(64)
	if l.tail() && second > 0 {
		ops += expandOps * float64(l.unit())
	}
	if l.block() == 1 {
		// The first block is hashed again when the second's outer digits have
		// gone round.
		ops += compressOps / float64(pow10[second])
	}
	return ops
}

// cost estimates the operations for one hash. Layouts of which the kernel makes
// nothing are infinitely dear.
func (l layout) cost(k asm.Kernel) float64 {
	if l.lanes > 0 {
		return l.gridCost(k)
	}
	steps := func(lanes int) float64 { return math.Ceil(float64(l.values()) / float64(lanes)) }
	ops := l.chunkOps()
	if l.tail() {
		ops += steps(asm.MaxStates) * (callOps + float64(k.Ops.Hash[l.word()]) + float64(l.unit())*float64(k.Ops.Tail))
	} else {
		ops += steps(k.Lanes) * float64(k.Ops.Scan[l.word()])
	}
	return ops / float64(l.size())
}

// gridCost is cost where chunks are searched together. Those that are left over,
// because there are not enough of them that differ in one word, come one by one.
func (l layout) gridCost(k asm.Kernel) float64 {
	if k.Ops.Grid[l.word()] == 0 {
		return math.Inf(1)
	}
	values := float64(l.values())
	together := (l.chunkOps() + gridOps + values*float64(k.Ops.Grid[l.word()])) / (asm.GridLanes * values)
	rest := float64(pow10[l.lanes]%asm.GridLanes) / float64(pow10[l.lanes])
	l.lanes = 0
	return (1-rest)*together + rest*l.cost(k)
}
