package solver

import (
	"iter"
	"math"

	"github.com/gkpow/gkpow/solver/asm"
)

// A kind of layout is what a kernel has a function for. Kernels differ in what each
// kind costs them, so each has a kernel of its own.
type kind int

const (
	oneBlock    kind = iota // no block follows the one that varies
	fixedTail               // a block follows that is the same for all nonces
	varyingTail             // a block follows that holds digits of the nonce
	grid                    // chunks that differ in one word are searched together; no block follows
	kinds                   // how many there are
)

func (k kind) String() string {
	return [...]string{"one block", "fixed tail", "varying tail", "grid"}[k]
}

// A layout says where the digits of nonces of one width fall in the last blocks
// of the message, and which of them vary in a chunk: a run of digits in one
// message word, the inner ones, and where that word is in the block before the
// last, the last digits of the nonce, which are in the last block. Bytes are
// counted from the start of the block in which the nonce begins.
type layout struct {
	width      int // digits of the nonce
	at         int // byte of the first digit, 0 to 63
	blocks     int // blocks from there to the end of the padding, 1 or 2
	inner      int // index of the first inner digit
	count      int // how many inner digits there are
	tailDigits int // how many of the last digits vary too, see asm.Tail
	gridDigits int // digits in the word before in which chunks of a grid differ, see asm.Grid
	stretch    int // how many inner values of its chunk a row has, 0 for all
}

// maxTailDigits is the most digits of the last block that vary in a chunk. Each
// more makes ten times as many tails, of 256 bytes, and saves a tenth of what
// little the first block costs by then.
const maxTailDigits = 3

// layouts yields every layout for nonces of one width after so many bytes of
// prefix: one for each message word that holds digits, another where chunks can
// form grids, and where a block with more digits follows, one for each number of
// those. The last one is strict.
func layouts(prefix, width int) iter.Seq[layout] {
	at := prefix % 64
	const padding = 1 + 8 // 0x80 and the length
	blocks := (at + width + padding + 63) / 64
	second := max(0, at+width-64) // digits in the second block
	return func(yield func(layout) bool) {
		for inner := 0; inner < width; {
			count := min(4-(at+inner)%4, width-inner)
			l := layout{width: width, at: at, blocks: blocks, inner: inner, count: count}
			inGrid := l
			if inGrid.gridDigits = min(4, inner); l.grids() && !yield(inGrid) {
				return
			}
			if (!l.hasTail() || second == 0) && !yield(l) {
				return
			}
			for l.tailDigits = 1; l.hasTail() && l.tailDigits <= min(second, maxTailDigits); l.tailDigits++ {
				if !yield(l) {
					return
				}
			}
			inner += count
		}
	}
}

// strict reports whether chunks hold consecutive nonces, so that they can be searched
// in numeric order.
func (l layout) strict() bool { return l.inner+l.count == l.width && l.gridDigits == 0 }

// grids reports whether chunks could form grids: whether no block follows, and the
// word before has digits enough for all of them to differ.
func (l layout) grids() bool {
	return !l.hasTail() && l.word() > 0 && pow10[min(4, l.inner)] >= asm.GridLanes
}

func (l layout) kind() kind {
	switch {
	case l.gridDigits > 0:
		return grid
	case !l.hasTail():
		return oneBlock
	case l.tailDigits == 0:
		return fixedTail
	}
	return varyingTail
}

// block is the block whose word varies: 0 or 1.
func (l layout) block() int { return (l.at + l.inner) / 64 }

// word is the message word that varies, counted in its block.
func (l layout) word() int { return (l.at + l.inner) % 64 / 4 }

// shift is where the lowest of the inner digits lies in its word, in bits.
func (l layout) shift() int { return 24 - 8*((l.at+l.inner+l.count-1)%4) }

// hasTail reports whether a block follows the one that varies.
func (l layout) hasTail() bool { return l.block() < l.blocks-1 }

// tails is how many blocks may follow for one value of the other digits.
func (l layout) tails() uint64 { return pow10[l.tailDigits] }

// step is the distance between nonces of neighbouring inner values.
func (l layout) step() uint64 { return pow10[l.width-l.inner-l.count] }

// stride is the distance between nonces whose digits before the inner ones differ by
// one. There must be such digits.
func (l layout) stride() uint64 { return pow10[l.width-l.inner] }

// after is how many values the digits between the inner ones and the tail have.
func (l layout) after() uint64 { return l.step() / l.tails() }

// values is how many inner values a chunk has.
func (l layout) values() uint64 {
	if l.inner == 0 && l.width > 1 {
		return 9 * pow10[l.count-1] // the first digit is not 0
	}
	return pow10[l.count]
}

// size is how many nonces a chunk has.
func (l layout) size() uint64 { return l.values() * l.tails() }

// stretches yields the layout with all inner values of a chunk in a row, and with ever fewer: then
// windows are smaller, and more rows have to be prepared. They fill the groups of hash values that
// tails follow.
func (l layout) stretches() iter.Seq[layout] {
	least := uint64(shortestStretch)
	if l.hasTail() {
		least = asm.MaxHash
	}
	return func(yield func(layout) bool) {
		if !yield(l) || l.gridDigits > 0 {
			return
		}
		for n := least; n < l.values(); n *= 2 {
			if l.stretch = int(n); !yield(l) {
				return
			}
		}
	}
}

// shortestStretch is the fewest inner values that a row is split into, if no tail follows. It is a
// multiple of every kernel's lanes.
const shortestStretch = 256

// rowValues is how many inner values a row has, of each of its chunks.
func (l layout) rowValues() uint64 {
	if n := uint64(l.stretch); n > 0 {
		return min(n, l.values())
	}
	return l.values()
}

// rowSize is how many nonces a row has.
func (l layout) rowSize() uint64 { return l.together() * l.rowValues() * l.tails() }

// parts is how many rows share the inner values of a chunk.
func (l layout) parts() uint64 {
	if l.stretch == 0 {
		return 1
	}
	return (pow10[l.count] + uint64(l.stretch) - 1) / uint64(l.stretch)
}

// together is how many chunks a row has, or a little less.
func (l layout) together() uint64 {
	if l.gridDigits == 0 {
		return 1
	}
	return asm.GridLanes
}

// groups is how many rows it takes for all chunks that differ in one word only.
func (l layout) groups() uint64 { return (pow10[l.gridDigits] + l.together() - 1) / l.together() }

// window is how many consecutive nonces are searched before any above them.
func (l layout) window() float64 {
	return float64(l.together()) * float64(l.rowValues()) * float64(l.step())
}

// outerFrom is how many of the outer digits lie in the given byte or after.
func (l layout) outerFrom(byte int) int {
	n := 0
	for i := range l.width - l.tailDigits {
		if l.at+i >= byte && (i < l.inner || i >= l.inner+l.count) {
			n++
		}
	}
	return n
}

// What the work outside of the kernels takes, in CPU cycles, for comparing layouts.
const (
	prepareCycles  = 450  // asm.Block.Prepare, and the odometer
	compressCycles = 1500 // asm.Compress
	expandCycles   = 600  // asm.Tail.Set
	callCycles     = 150  // two calls of a kernel
	gridCycles     = 900  // asm.Grid.Prepare, and what a kernel does before the first step
)

// chunkCycles estimates the cycles that a chunk, or the part of it in a row, takes before its first
// hash.
func (l layout) chunkCycles() float64 {
	cycles, second := float64(prepareCycles), l.outerFrom(64)
	if l.hasTail() && second > l.keptDigits() {
		cycles += expandCycles * float64(l.tails())
	}
	if l.block() == 1 {
		// The first block is hashed again when the second's outer digits have
		// gone round.
		cycles += compressCycles / float64(pow10[second])
	}
	return cycles
}

// tableCycles estimates the cycles that the tables of tails take which are made once and kept.
func (l layout) tableCycles() float64 {
	if second := l.outerFrom(64); l.hasTail() && second <= l.keptDigits() {
		return expandCycles * float64(l.tails()*pow10[second])
	}
	return 0
}

// keptDigits is with how many outer digits in the last block the tables of tails are kept, one for
// each value of these. Short rows come back to a table soon.
func (l layout) keptDigits() int {
	if l.stretch > 0 {
		return 1
	}
	return 0
}

// cost estimates the time for one hash, in operations of Scan that take as long. Layouts that the
// kernel does not support cost +Inf.
func (l layout) cost(k *asm.Kernel) float64 {
	if l.gridDigits > 0 && k.Ops.Grid[l.word()] == 0 {
		return math.Inf(1)
	}
	return (l.setUpCycles() + l.kernelWork(k.Lanes, &k.Ops, k.Weights)) / k.Weights.Scan
}

// rounds returns the SHA256RNDS2 of a kernel for one hash.
func (l layout) rounds(k *asm.Kernel) float64 {
	return l.kernelWork(k.Lanes, &k.Rounds, asm.Weights{Scan: 1, Hash: 1, Tail: 1, Grid: 1})
}

// setUpCycles estimates the cycles outside of the kernel's loops for one hash.
func (l layout) setUpCycles() float64 {
	cycles := l.chunkCycles()
	if l.gridDigits > 0 {
		together := (cycles + gridCycles) / float64(asm.GridLanes*l.values())
		rest, alone := l.leftOver()
		return (1-rest)*together + rest*alone.setUpCycles()
	}
	if l.hasTail() {
		cycles += l.calls(asm.MaxStates) * callCycles
	}
	return cycles / float64(l.rowSize())
}

// kernelWork adds up, for one hash, what the functions of a kernel do.
func (l layout) kernelWork(lanes int, o *asm.Ops, w asm.Weights) float64 {
	word := l.word()
	switch {
	case l.gridDigits > 0:
		together := w.Grid * float64(o.Grid[word]) / asm.GridLanes
		rest, alone := l.leftOver()
		return (1-rest)*together + rest*alone.kernelWork(lanes, o, w)
	case l.hasTail():
		group := w.Hash*float64(o.Hash[word]) + float64(l.tails())*w.Tail*float64(o.Tail)
		return l.calls(asm.MaxStates) * group / float64(l.rowSize())
	}
	return l.calls(lanes) * w.Scan * float64(o.Scan[word]) / float64(l.rowSize())
}

// calls is how many vectors of so many lanes the inner values fill that a row has of a chunk.
func (l layout) calls(lanes int) float64 { return math.Ceil(float64(l.rowValues()) / float64(lanes)) }

// leftOver returns the share of the chunks that do not make a whole grid, because there are not
// enough of them that differ in one word only, and their layout: they come one by one.
func (l layout) leftOver() (share float64, alone layout) {
	share = float64(pow10[l.gridDigits]%asm.GridLanes) / float64(pow10[l.gridDigits])
	l.gridDigits = 0
	return share, l
}
