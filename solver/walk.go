package solver

import "github.com/gkpow/gkpow/solver/asm"

// A piece is the nonces of one call of a kernel, which goes through them in steps. In
// each it searches some side by side, the lanes: of a grid the chunks, and where a
// tail follows the values.
type piece struct {
	kind   kind
	base   uint64     // the smallest nonce
	along  uint64     // the distance between nonces of neighbouring steps
	across uint64     // and of neighbouring lanes
	values []uint32   // the inner digits, as words
	tails  []asm.Tail // the blocks that may follow, if the kind has any

	// What is hashed before the tails: a run of values that includes these, and
	// which group of asm.MaxStates of them these are.
	run    []uint32
	serial uint64 // tells the runs of a walk from each other
	group  int
}

func (p *piece) steps() int {
	if p.kind == fixedTail || p.kind == varyingTail {
		return len(p.tails)
	}
	return len(p.values)
}

func (p *piece) lanes() int {
	switch p.kind {
	case oneBlock:
		return 1
	case grid:
		return asm.GridLanes
	}
	return len(p.values)
}

// hashes counts the nonces of the piece.
func (p *piece) hashes() uint64 { return uint64(p.steps()) * uint64(p.lanes()) }

func (p *piece) nonce(step, lane int) uint64 {
	return p.base + uint64(step)*p.along + uint64(lane)*p.across
}

// skip takes the first steps from the piece.
func (p *piece) skip(steps int) {
	p.base += uint64(steps) * p.along
	if p.kind == fixedTail || p.kind == varyingTail {
		p.tails = p.tails[steps:]
	} else {
		p.values = p.values[steps:]
	}
}

// A walk goes through rows of a segment, piece by piece. It can be left and resumed
// between pieces.
type walk struct {
	cursor
	seg        *segment
	next, last uint64 // the rows that come next, the last excluded

	row row // the row at hand; its chunks that come next

	// The chunk at hand, or the grid.
	kind     kind
	base     uint64
	from, to uint64 // inner values that come next, the last excluded

	// Where a tail follows: the values that are hashed at once, for which the tails
	// are searched slice by slice, and in each slice group by group.
	run      []uint32
	serial   uint64 // counts runs
	runBase  uint64 // the nonce of the first value and tail 0
	group    int    // which comes next
	tail     uint64 // the slice at hand begins with
	slice    uint64 // and ends before
	lastTail uint64 // the last of the run, excluded
}

// begin sends the walk through rows of a segment, the last excluded.
func (w *walk) begin(mid *midstate, seg *segment, mask uint32, from, to uint64) {
	if w.seg != seg {
		w.seg = seg
		w.enter(mid, seg.layout, mask)
	}
	w.next, w.last = from, to
	w.row, w.from, w.to, w.run = row{}, 0, 0, nil
}

// more goes on to the next chunk or grid if there is nothing left of the one at
// hand. It returns false at the end of the rows. Until then kind says what comes.
func (w *walk) more() bool {
	for w.from == w.to && w.run == nil {
		switch {
		case w.row.high < w.row.end:
			w.nextChunk()
		case w.next < w.last:
			w.nextRow()
		default:
			return false
		}
	}
	return true
}

// nextRow goes to the next row. If its chunks make a grid with the same inner values
// in each, the walk is at that; otherwise they come one by one.
func (w *walk) nextRow() {
	w.row = w.seg.row(w.next)
	w.next++
	r := &w.row
	if r.end-r.high < asm.GridLanes {
		return
	}
	base, from, to := w.seg.chunk(r, r.high)
	_, otherFrom, otherTo := w.seg.chunk(r, r.end-1)
	if from < to && from == otherFrom && to == otherTo {
		w.seek(r.high, r.low)
		w.setGrid(r.high)
		w.kind, w.base, w.from, w.to = grid, base, from, to
		r.high = r.end
	}
}

// nextChunk goes to the next chunk of the row.
func (w *walk) nextChunk() {
	r := &w.row
	base, from, to := w.seg.chunk(r, r.high)
	if from < to {
		w.seek(r.high, r.low)
		w.setBlock()
		w.kind, w.base, w.from, w.to = w.seg.kind(), base, from, to
		if w.kind == grid {
			w.kind = oneBlock
		}
	}
	r.high++
}

// piece returns the next piece, of at most so many nonces or the least that a kernel
// can search at once. There must be more.
func (w *walk) piece(most uint64) piece {
	step := w.seg.step()
	p := piece{kind: w.kind, along: step}
	switch w.kind {
	case fixedTail, varyingTail:
		return w.tailPiece(most)
	case grid:
		p.across = w.seg.stride()
		most /= asm.GridLanes
	}
	n := min(max(1, most), w.to-w.from)
	p.base, p.values = w.base+w.from*step, w.words[w.from:w.from+n]
	w.from += n
	return p
}

// tailPiece is piece where a tail follows.
func (w *walk) tailPiece(most uint64) piece {
	step := w.seg.step()
	if w.run == nil {
		w.runBase = w.base + w.from*step
		w.tail, w.lastTail = w.seg.tailRange(w.runBase)
		n := uint64(1)
		if w.tail == 0 && w.lastTail == w.seg.tails() {
			n = min(w.to-w.from, asm.MaxHash, max(1, most/asm.MaxStates)*asm.MaxStates)
			if _, whole := w.seg.tailRange(w.runBase + (n-1)*step); whole != w.lastTail {
				n-- // the last value has fewer nonces: it comes alone
			}
		}
		w.run = w.words[w.from : w.from+n]
		w.serial++
		w.from += n
		w.slice, w.group = w.tail, 0
	}
	if w.slice == w.tail {
		left, each := w.lastTail-w.tail, max(1, most/asm.MaxStates)
		slices := (left + each - 1) / each
		w.slice = w.tail + (left+slices-1)/slices // the last is no shorter than it must be
	}
	first := w.group * asm.MaxStates
	p := piece{
		kind: w.kind, along: 1, across: step,
		base:   w.runBase + uint64(first)*step + w.tail,
		values: w.run[first:min(len(w.run), first+asm.MaxStates)],
		tails:  w.tails[w.tail:w.slice],
		run:    w.run, serial: w.serial, group: w.group,
	}
	if w.group++; w.group*asm.MaxStates >= len(w.run) {
		w.group, w.tail = 0, w.slice
		if w.tail == w.lastTail {
			w.run = nil
		}
	}
	return p
}
