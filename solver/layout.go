package solver

import (
	"iter"

	"github.com/gkpow/gkpow/solver/asm"
)

// A kind classifies layouts by the kernel function that searches them. The functions of a kernel
// differ in cost, so the solver chooses a kernel for each kind separately.
type kind int

const (
	oneBlock    kind = iota // the block that varies is the last
	fixedTail               // the block that follows is the same for all nonces
	varyingTail             // the block that follows holds digits that vary
	grid                    // like oneBlock, for several chunks at once, which differ in one more word
	sharedBlock             // like oneBlock, for several chunks at once, which differ in the first block
	kinds                   // the number of kinds
)

func (k kind) String() string {
	return [...]string{"one block", "fixed tail", "varying tail", "grid", "shared block"}[k]
}

// A layout says where the digits of nonces of one width fall in the last blocks of the message, and
// which of these digits vary within a chunk:
//
//   - the inner digits, a run of digits in one message word
//   - up to three tail digits, the last digits of the nonce, if they are in a block after the one
//     with the inner digits
//
// Byte offsets count from the start of the block in which the nonce begins.
type layout struct {
	width      int // number of digits of the nonce
	at         int // byte offset of the first digit, 0 to 63
	blocks     int // number of blocks from there to the end of the padding, 1 or 2
	inner      int // index of the first inner digit
	count      int // number of inner digits
	tailDigits int // number of tail digits, see asm.Tail
	gridDigits int // number of digits in the preceding word in which chunks of a grid differ, see asm.Grid
	stretch    int // number of inner values of a chunk per row, 0 for all

	shared bool // whether chunks share their last block, see asm.Shared
}

// maxTailDigits is the most tail digits. Each further digit would need ten times as many tails, of
// 256 bytes each, and save only a tenth of the first block's cost, which is small by then.
const maxTailDigits = 3

// layouts yields every layout for nonces of one width after a prefix of the given length in bytes.
// For each message word that holds digits these are:
//
//   - a layout of chunks that are searched together, if its chunks can form grids or share a block
//   - one without tail digits, or one for each number of tail digits if a block with more digits
//     follows
//
// The last layout is strict.
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
			sharing := l
			if sharing.shared = true; l.shares() && !yield(sharing) {
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

// strict reports whether each chunk holds consecutive nonces, so that it can be searched in numeric
// order.
func (l layout) strict() bool { return l.inner+l.count == l.width && l.together() == 1 }

// grids reports whether chunks can form grids: no block follows, and the preceding word has enough
// digits to tell all lanes of a grid apart.
func (l layout) grids() bool {
	return !l.hasTail() && l.word() > 0 && pow10[min(4, l.inner)] >= asm.GridLanes
}

// shares reports whether chunks can share the last block: the inner digits begin it, so the high
// part is in the block before, and there are enough high parts.
func (l layout) shares() bool {
	return l.inner > 0 && l.at+l.inner == 64 && 9*pow10[l.inner-1] >= asm.SharedStates
}

// kind returns the kind of the layout.
func (l layout) kind() kind {
	switch {
	case l.shared:
		return sharedBlock
	case l.gridDigits > 0:
		return grid
	case !l.hasTail():
		return oneBlock
	case l.tailDigits == 0:
		return fixedTail
	}
	return varyingTail
}

// block returns the index of the block that varies: 0 or 1.
func (l layout) block() int { return (l.at + l.inner) / 64 }

// word returns the index of the message word that varies, within its block.
func (l layout) word() int { return (l.at + l.inner) % 64 / 4 }

// shift returns the position of the last inner digit in its word, in bits from the right.
func (l layout) shift() int { return 24 - 8*((l.at+l.inner+l.count-1)%4) }

// hasTail reports whether a block follows the one that varies.
func (l layout) hasTail() bool { return l.block() < l.blocks-1 }

// tailCount returns the number of blocks that can follow for one value of the other digits.
func (l layout) tailCount() uint64 { return pow10[l.tailDigits] }

// innerStride returns the difference between nonces with consecutive inner values.
func (l layout) innerStride() uint64 { return pow10[l.width-l.inner-l.count] }

// highStride returns the difference between nonces with consecutive high parts. Some digits must
// precede the inner ones.
func (l layout) highStride() uint64 { return pow10[l.width-l.inner] }

// after returns the number of values of the digits between the inner ones and the tail.
func (l layout) after() uint64 { return l.innerStride() / l.tailCount() }

// values returns the number of inner values in a chunk.
func (l layout) values() uint64 {
	if l.inner == 0 && l.width > 1 {
		return 9 * pow10[l.count-1] // the first digit is not 0
	}
	return pow10[l.count]
}

// firstValue returns the smallest inner value.
func (l layout) firstValue() uint64 { return pow10[l.count] - l.values() }

// size returns the number of nonces in a chunk.
func (l layout) size() uint64 { return l.values() * l.tailCount() }

// stretches yields the layout with whole chunks as rows, and then variants with fewer inner values
// per row. Shorter rows make windows smaller, but a search has to prepare more of them. If a tail
// follows, the stretches fill whole groups of hash states.
func (l layout) stretches() iter.Seq[layout] {
	least := uint64(shortestStretch)
	if l.hasTail() {
		least = asm.MaxStates
	}
	return func(yield func(layout) bool) {
		if !yield(l) || l.together() > 1 {
			return
		}
		for n := least; n < l.values(); n *= 2 {
			if l.stretch = int(n); !yield(l) {
				return
			}
		}
	}
}

// shortestStretch is the fewest inner values in a row, if no tail follows. It is a multiple of
// every kernel's lanes.
const shortestStretch = 256

// rowValues returns the number of inner values that a row takes from each of its chunks.
func (l layout) rowValues() uint64 {
	if n := uint64(l.stretch); n > 0 {
		return min(n, l.values())
	}
	return l.values()
}

// rowSize returns the number of nonces in a row.
func (l layout) rowSize() uint64 { return l.together() * l.rowValues() * l.tailCount() }

// rowsPerChunk returns the number of rows that a chunk's inner values are divided into.
func (l layout) rowsPerChunk() uint64 {
	if l.stretch == 0 {
		return 1
	}
	return (l.values() + uint64(l.stretch) - 1) / uint64(l.stretch)
}

// together returns the number of chunks in a row. The last row of a group may have a few less.
func (l layout) together() uint64 {
	switch {
	case l.gridDigits > 0:
		return asm.GridLanes
	case l.shared:
		return asm.SharedStates
	}
	return 1
}

// A family is a set of chunks of which the kernel can search any together: those that differ in
// one word or in the first block only. Their high parts are consecutive.

// family returns the number of chunks in a family.
func (l layout) family() uint64 {
	if l.shared {
		return 9 * pow10[l.inner-1]
	}
	return pow10[l.gridDigits]
}

// firstHigh returns the smallest high part of a family.
func (l layout) firstHigh() uint64 {
	if l.shared {
		return pow10[l.inner-1]
	}
	return 0
}

// groups returns the number of rows that the chunks of a family take for each value of the low part.
func (l layout) groups() uint64 { return (l.family() + l.together() - 1) / l.together() }

// window returns the number of nonces in a window: consecutive nonces that a search tries, in any
// order, before any above them.
func (l layout) window() float64 {
	return float64(l.together()) * float64(l.rowValues()) * float64(l.innerStride())
}

// outerFrom returns the number of outer digits at or after a byte offset.
func (l layout) outerFrom(byte int) int {
	n := 0
	for i := range l.width - l.tailDigits {
		if l.at+i >= byte && (i < l.inner || i >= l.inner+l.count) {
			n++
		}
	}
	return n
}

// keepsTails reports whether the tables of tails are kept, one for each value of the outer digits
// in the last block. With short rows, a search soon returns to each table. A table takes up to
// 256 KB; a hundred of them would take longer to allocate than they save.
func (l layout) keepsTails() bool {
	outer := l.outerFrom(64)
	return outer == 0 || outer == 1 && l.stretch > 0
}
