package solver

import "github.com/gkpow/gkpow/solver/asm"

// A layout says where the digits of nonces of one width fall in the last blocks
// of the message, and which run of them, all in one message word, varies in a
// chunk. Bytes are counted from the start of the block in which the nonce
// begins.
type layout struct {
	width  int // digits of the nonce
	at     int // byte of the first digit, 0 to 63
	blocks int // blocks from there to the end of the padding, 1 or 2
	inner  int // index of the first digit that varies in a chunk
	count  int // how many vary: a chunk is 10^count nonces
}

// layouts returns every layout for nonces of one width after so many bytes of
// prefix: one for each message word that holds digits.
func layouts(prefix, width int) []layout {
	at := prefix % 64
	const padding = 1 + 8 // 0x80 and the length
	blocks := (at + width + padding + 63) / 64
	var all []layout
	for inner := 0; inner < width; {
		count := min(4-(at+inner)%4, width-inner)
		all = append(all, layout{width: width, at: at, blocks: blocks, inner: inner, count: count})
		inner += count
	}
	return all
}

// block is the block whose word varies: 0 or 1.
func (l layout) block() int { return (l.at + l.inner) / 64 }

// word is the message word that varies, counted in its block.
func (l layout) word() int { return (l.at + l.inner) % 64 / 4 }

// shift is where the lowest of the inner digits lies in its word, in bits.
func (l layout) shift() int { return 24 - 8*((l.at+l.inner+l.count-1)%4) }

// tail reports whether a block follows the one that varies.
func (l layout) tail() bool { return l.block() < l.blocks-1 }

// step is the distance between two nonces that are neighbours in a chunk.
func (l layout) step() uint64 { return pow10[l.width-l.inner-l.count] }

// size is how many nonces a chunk has.
func (l layout) size() uint64 {
	if l.inner == 0 && l.width > 1 {
		return 9 * pow10[l.count-1] // the first digit is not 0
	}
	return pow10[l.count]
}

// outerFrom is how many of the outer digits lie in the given byte or after.
func (l layout) outerFrom(byte int) int {
	n := 0
	for i := range l.width {
		if l.at+i >= byte && (i < l.inner || i >= l.inner+l.count) {
			n++
		}
	}
	return n
}

// What the work that is not a kernel's takes, for comparing layouts, in units of
// asm.Kernel.Ops: they are 0.2 to 0.5 ns on one machine, by kernel.
const (
	prepareOps  = 600  // asm.Block.Prepare, and the odometer: 150 ns
	compressOps = 2500 // asm.Compress: 500 ns
	expandOps   = 1000 // asm.Block.SetTail: 200 ns
)

// cost estimates the operations for one hash.
func (l layout) cost(k asm.Kernel) float64 {
	size := float64(l.size())
	steps := (int(l.size()) + k.Lanes - 1) / k.Lanes
	ops := float64(steps*k.Ops(l.word(), l.tail())) + prepareOps
	second := l.outerFrom(64)
	if l.block() == 1 {
		// The first block is hashed again when the second's outer digits have
		// gone round.
		ops += compressOps / float64(pow10[second])
	}
	if l.tail() && second > 0 {
		ops += expandOps
	}
	return ops / size
}
