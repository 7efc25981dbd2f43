package solver

import (
	"encoding/binary"
	"strconv"

	"github.com/gkpow/gkpow/solver/asm"
)

// The chunks of a segment are numbered by the value of the outer digits, read
// as one number: the digits before the inner ones, then those after, and last
// those in which chunks searched together differ.

// chunks returns the numbers of the segment's chunks, the last excluded. Chunks
// at either end may have few nonces, or none.
func (s *segment) chunks() (from, to uint64) {
	rest := s.after() * pow10[s.lanes]
	if s.inner == s.lanes {
		return 0, rest
	}
	same := s.stride() * pow10[s.lanes] // nonces with the same digits before all those
	return s.first / same * rest, (s.last/same + 1) * rest
}

// stride is the distance between nonces of neighbouring chunks that are searched
// together.
func (s *segment) stride() uint64 { return s.step() * pow10[s.count] }

// part returns the end of a part of the chunks from to to, of so many nonces or a
// little more, that begins with from. It does not cut through chunks that are
// searched together.
func (s *segment) part(from, to, nonces uint64) uint64 {
	together := s.together()
	n := max(1, nonces/(pow10[s.count]*together)) * together
	if run := pow10[s.lanes]; s.lanes > 0 {
		n = min(n, run-from%run)
	}
	return from + min(n, to-from)
}

// chunk returns the inner values of a chunk, the last excluded, that make
// nonces of the segment, and the nonce whose inner digits are all 0 and whose
// digits in the tail are. There are none if from is not less than to.
func (s *segment) chunk(number uint64) (base, from, to uint64) {
	step, unit := s.step(), s.unit()
	lane, number := number%pow10[s.lanes], number/pow10[s.lanes]
	before, after := number/s.after()*pow10[s.lanes]+lane, number%s.after()*unit
	if s.inner > 0 && before > s.last/s.stride() {
		return 0, 0, 0
	}
	base = before * s.stride()
	if after > s.last-base {
		return 0, 0, 0
	}
	base += after
	if base < s.first && s.first-base >= unit {
		from = (s.first-base-unit)/step + 1
	}
	return base, from, min((s.last-base)/step+1, pow10[s.count])
}

// grid returns the inner values of the chunks from number on that are searched
// together, and the base of the first, as chunk does. It is not ok if there are
// too few of them before the chunk to, or some have other inner values.
func (s *segment) grid(number, to uint64) (base, first, last uint64, ok bool) {
	run := pow10[s.lanes]
	if s.lanes == 0 || min(to-number, run-number%run) < asm.GridLanes {
		return 0, 0, 0, false
	}
	base, first, last = s.chunk(number)
	_, otherFirst, otherLast := s.chunk(number + asm.GridLanes - 1)
	return base, first, last, first < last && first == otherFirst && last == otherLast
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
	grid  asm.Grid // the chunks that are searched together; see setGrid

	mid     *midstate
	seg     *segment
	number  uint64    // of the chunk
	words   []uint32  // the inner digits, for every value
	lanes   []uint32  // the digits in which chunks of a grid differ, for every value
	tails   tailTable // the blocks that may follow
	message [128]byte // from the block of the nonce on; what varies in a chunk is zero
	outer   []int     // places of the outer digits in the message, last digit of the number first
}

// enter prepares the cursor for a segment. Call seek next.
func (c *cursor) enter(mid *midstate, seg *segment, bits int) {
	c.mid, c.seg = mid, seg
	c.words = digitWords(seg.count, seg.shift())
	if seg.lanes > 0 {
		c.lanes = digitWords(seg.lanes, 0)
	}

	clear(c.message[:])
	copy(c.message[:], mid.rest)
	end := seg.at + seg.width
	c.message[end] = 0x80
	length := 8 * (uint64(mid.length) + uint64(seg.width))
	binary.BigEndian.PutUint64(c.message[64*seg.blocks-8:], length)

	c.outer = c.outer[:0]
	add := func(from, to int) {
		for i := to - 1; i >= from; i-- {
			c.outer = append(c.outer, seg.at+i)
		}
	}
	add(seg.inner-seg.lanes, seg.inner)
	add(seg.inner+seg.count, seg.width-seg.tails)
	add(0, seg.inner-seg.lanes)

	c.block = asm.Block{State: mid.state, Vary: seg.word(), Mask: mask(bits)}
	c.tails = nil // not to be written over: others may use it
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
	c.number = number
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
	c.number++
	from := len(c.message)
	for _, place := range c.outer {
		from = min(from, place)
		if c.message[place] != '9' {
			c.message[place]++
			c.load(from)
			return
		}
		c.message[place] = '0'
	}
}

// walk goes to a chunk by number, which may be the next one.
func (c *cursor) walk(number uint64) {
	switch number {
	case c.number:
	case c.number + 1:
		c.next()
	default:
		c.seek(number)
	}
}

// setGrid prepares the grid for the chunk that the cursor is at and those after
// it.
func (c *cursor) setGrid() {
	g, lane := &c.grid, c.number%pow10[c.seg.lanes]
	g.State, g.Words, g.Vary, g.Mask = c.block.State, c.block.Words, c.block.Vary, c.block.Mask
	g.Words[g.Vary-1] &^= uint32(1<<(8*c.seg.lanes) - 1)
	copy(g.Lanes[:], c.lanes[lane:])
	g.Prepare()
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

// gridFirstWord returns the first word of the digest for an inner value and one of
// the chunks of the grid.
func (c *cursor) gridFirstWord(word uint32, lane int) uint32 {
	words := c.grid.Words
	words[c.grid.Vary-1] |= c.grid.Lanes[lane]
	words[c.grid.Vary] |= word
	return asm.Compress(&c.grid.State, &words)[0]
}
