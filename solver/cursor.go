package solver

import (
	"encoding/binary"
	"strconv"

	"github.com/gkpow/gkpow/solver/asm"
)

// The chunks of a segment are numbered by the value of the outer digits, read
// as one number: the digits before the inner ones, then those after.

// chunks returns the numbers of the segment's chunks, the last excluded. Chunks
// at either end may have few nonces, or none.
func (s *segment) chunks() (from, to uint64) {
	after := s.after()
	if s.inner == 0 {
		return 0, after
	}
	same := s.step() * pow10[s.count] // nonces with the same digits before the inner ones
	return s.first / same * after, (s.last/same + 1) * after
}

// chunk returns the inner values of a chunk, the last excluded, that make
// nonces of the segment, and the nonce whose inner digits are all 0 and whose
// digits in the tail are. There are none if from is not less than to.
func (s *segment) chunk(number uint64) (base, from, to uint64) {
	step, unit := s.step(), s.unit()
	before, after := number/s.after(), number%s.after()*unit
	base = before * step * pow10[s.count]
	if after > s.last-base {
		return 0, 0, 0
	}
	base += after
	if base < s.first && s.first-base >= unit {
		from = (s.first-base-unit)/step + 1
	}
	return base, from, min((s.last-base)/step+1, pow10[s.count])
}

// tailRange returns the values of the digits in the tail, the last excluded, that
// make nonces of the segment, for the nonce in which they are 0.
func (s *segment) tailRange(nonce uint64) (from, to uint64) {
	if nonce < s.first {
		from = s.first - nonce
	}
	return from, min(s.last-nonce, s.unit()-1) + 1
}

// A cursor walks over chunks of a segment and keeps an asm.Block ready for the
// one it is at. When it goes on to the next chunk it rewrites the digits that
// change, and computes again only what depends on them.
type cursor struct {
	block asm.Block

	mid     *midstate
	seg     *segment
	words   []uint32  // the inner digits, for every value
	tails   tailTable // the blocks that may follow
	message [128]byte // from the block of the nonce on; what varies in a chunk is zero
	outer   []int     // places of the outer digits in the message, last digit first
}

// enter prepares the cursor for a segment. Call seek next.
func (c *cursor) enter(mid *midstate, seg *segment, bits int) {
	c.mid, c.seg = mid, seg
	c.words = digitWords(seg.count, seg.shift())

	clear(c.message[:])
	copy(c.message[:], mid.rest)
	end := seg.at + seg.width
	c.message[end] = 0x80
	length := 8 * (uint64(mid.length) + uint64(seg.width))
	binary.BigEndian.PutUint64(c.message[64*seg.blocks-8:], length)

	c.outer = c.outer[:0]
	for i := seg.width - 1 - seg.tails; i >= 0; i-- {
		if i < seg.inner || i >= seg.inner+seg.count {
			c.outer = append(c.outer, seg.at+i)
		}
	}

	c.block = asm.Block{State: mid.state, Vary: seg.word(), Mask: mask(bits)}
	if seg.tail() && !c.ownTails() {
		c.tails = sharedTails(seg.layout, c.message)
	}
}

// ownTails reports whether there are outer digits in the block that follows.
func (c *cursor) ownTails() bool { return c.seg.tail() && len(c.outer) > 0 && c.outer[0] >= 64 }

// mask returns the bits of the first word of the digest that must be zero.
func mask(bits int) uint32 { return ^(^uint32(0) >> min(bits, 32)) }

// seek goes to a chunk by number.
func (c *cursor) seek(number uint64) {
	var digits [maxWidth]byte
	value := strconv.AppendUint(digits[:0], number, 10)
	for i, place := range c.outer {
		c.message[place] = '0'
		if i < len(value) {
			c.message[place] = value[len(value)-1-i]
		}
	}
	c.load(0)
}

// next goes to the next chunk.
func (c *cursor) next() {
	for _, place := range c.outer {
		if c.message[place] != '9' {
			c.message[place]++
			c.load(place)
			return
		}
		c.message[place] = '0'
	}
}

// load brings the block up to date with the bytes of the message from one of
// them on.
func (c *cursor) load(from int) {
	varying := 64 * c.seg.block()
	if varying > 0 && from < varying {
		first := blockWords(c.message[:])
		c.block.State = asm.Compress(&c.mid.state, &first)
		from = varying
	}
	if c.ownTails() {
		c.tails.set(c.seg.layout, &c.message)
	}
	c.block.Words = blockWords(c.message[varying:])
	c.block.Prepare(min((from-varying)/4, c.block.Vary))
}

// firstWord returns the first word of the digest for an inner value and a tail.
func (c *cursor) firstWord(word uint32, tail *asm.Tail) uint32 {
	words := c.block.Words
	words[c.block.Vary] |= word
	state := asm.Compress(&c.block.State, &words)
	return tail.FirstWord(&state)
}
