package solver

import (
	"encoding/binary"

	"github.com/gkpow/gkpow/solver/asm"
)

// A cursor holds the message of a chunk and the asm.Block, asm.Grid or asm.Shared for it. When it
// moves to another chunk, it rewrites only the digits that change and recomputes only what depends
// on them.
type cursor struct {
	block  asm.Block
	grid   asm.Grid
	shared asm.Shared

	mid        *midstate
	layout     layout
	message    [128]byte // from the block in which the nonce begins; bytes that vary in a chunk are 0
	high, low  number
	words      []uint32     // the inner digits, by value
	gridWords  []uint32     // the digits in which chunks of a grid differ, by value
	sharedHigh uint64       // the high part of the first chunk in shared; 0 if there is none
	tails      tailTable    // the blocks that can follow
	tables     *sharedTails // the tables that tails come from; nil if the cursor builds its own
	changed    int          // the first byte changed since the last setBlock
}

// A number is a run of digits in the message.
type number struct {
	from, to int
	value    uint64
}

// set writes the digits that change. It returns the position of the first one, or the length of the
// message if none changes.
func (n *number) set(message *[128]byte, value uint64) int {
	first := len(message)
	rest, old := value, n.value
	for place := n.to - 1; rest != old; place-- {
		message[place] = '0' + byte(rest%10)
		first = place
		rest, old = rest/10, old/10
	}
	n.value = value
	return first
}

// enter prepares the cursor for a layout. Call seek next.
func (c *cursor) enter(mid *midstate, l layout, mask uint32) {
	c.mid, c.layout = mid, l
	c.words = digitWords(l.count, l.shift())
	if l.gridDigits > 0 {
		c.gridWords = digitWords(l.gridDigits, 0)
	}

	clear(c.message[:])
	copy(c.message[:], mid.rest)
	c.message[l.at+l.width] = 0x80
	length := 8 * (uint64(mid.length) + uint64(l.width))
	binary.BigEndian.PutUint64(c.message[64*l.blocks-8:], length)

	c.high = number{from: l.at, to: l.at + l.inner}
	c.low = number{from: l.at + l.inner + l.count, to: l.at + l.width - l.tailDigits}
	for _, n := range []number{c.high, c.low} {
		for i := n.from; i < n.to; i++ {
			c.message[i] = '0'
		}
	}
	c.changed = 0

	c.block.State, c.block.Vary, c.block.Mask = mid.state, l.word(), mask
	c.grid.Vary, c.grid.Mask = l.word(), mask
	c.shared.Mask, c.sharedHigh = mask, 0
	if l.block() == 1 {
		c.hashFirst()
	}
	c.tails, c.tables = nil, nil // do not overwrite a table that other searches share
	if l.hasTail() {
		if l.keepsTails() {
			c.tables = shareTails(l, mid.length+l.width)
		}
		c.setTails()
	}
}

// setTails updates the tails after a change of the outer digits in their block.
func (c *cursor) setTails() {
	if c.tables == nil {
		c.tails.set(c.layout, &c.message)
		return
	}
	outer := c.low.value % uint64(len(c.tables.tables))
	c.tails = c.tables.table(outer, &c.message)
}

// buildTails builds all tables of tails that are kept. Call seek next.
func (c *cursor) buildTails() {
	if c.tables != nil {
		for outer := range c.tables.tables {
			c.seek(c.high.value, uint64(outer))
		}
	}
}

// seek moves to a chunk. Call setBlock next.
func (c *cursor) seek(high, low uint64) {
	changed := c.high.set(&c.message, high)
	if low != c.low.value {
		changed = min(changed, c.low.set(&c.message, low))
		if c.layout.hasTail() && c.low.to > 64 {
			c.setTails()
		}
	}
	if c.layout.block() == 1 && changed < 64 {
		c.hashFirst()
	}
	c.changed = min(c.changed, changed)
}

// hashFirst hashes the first block of the message if the second one varies.
func (c *cursor) hashFirst() {
	first := blockWords(c.message[:])
	c.block.State = asm.Compress(&c.mid.state, &first)
}

// setBlock updates the block for the current chunk.
func (c *cursor) setBlock() {
	start := 64 * c.layout.block()
	c.block.Words = blockWords(c.message[start:])
	c.block.Prepare(min(max(0, c.changed-start)/4, c.block.Vary))
	c.changed = len(c.message)
}

// setGrid moves to a chunk and sets up the grid of that chunk and those after it.
func (c *cursor) setGrid(high, low uint64) {
	c.seek(high, low)
	g, lane := &c.grid, high%pow10[c.layout.gridDigits]
	g.State, g.Words = c.block.State, blockWords(c.message[64*c.layout.block():])
	g.Words[g.Vary-1] &^= uint32(1<<(8*c.layout.gridDigits) - 1)
	copy(g.Lanes[:], c.gridWords[lane:])
	g.Prepare()
}

// setShared sets up the four chunks whose high parts are consecutive and begin with the given one.
func (c *cursor) setShared(high, low uint64) {
	if high != c.sharedHigh {
		for i := range c.shared.States {
			c.seek(high+uint64(i), low)
			c.shared.States[i] = c.block.State
		}
		c.sharedHigh = high
	}
	c.seek(c.high.value, low)
	c.shared.Words = blockWords(c.message[64:])
}

// meets reports whether the hash at a step and lane of a piece meets the target.
func (c *cursor) meets(p *piece, step, lane int) bool {
	switch p.kind {
	case grid:
		return c.gridFirstWord(p.values[step], lane)&c.grid.Mask == 0
	case sharedBlock:
		return c.sharedFirstWord(p.values[step], lane)&c.shared.Mask == 0
	}
	return c.firstWord(p.values[lane], &p.tails[step])&c.block.Mask == 0
}

// firstWord returns the first word of the digest for an inner value and a tail.
func (c *cursor) firstWord(word uint32, tail *asm.Tail) uint32 {
	words := c.block.Words
	words[c.block.Vary] |= word
	state := asm.Compress(&c.block.State, &words)
	return tail.FirstWord(&state)
}

// gridFirstWord returns the first word of the digest for an inner value and a lane: a chunk of the
// grid.
func (c *cursor) gridFirstWord(word uint32, lane int) uint32 {
	words := c.grid.Words
	words[c.grid.Vary-1] |= c.grid.Lanes[lane]
	words[c.grid.Vary] |= word
	return asm.Compress(&c.grid.State, &words)[0]
}

// sharedFirstWord returns the first word of the digest for an inner value and a lane: one of four
// chunks.
func (c *cursor) sharedFirstWord(word uint32, lane int) uint32 {
	words := c.shared.Words
	words[0] |= word
	return asm.Compress(&c.shared.States[lane], &words)[0]
}
