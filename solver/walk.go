package solver

import "github.com/gkpow/gkpow/solver/asm"

// A walk goes through rows of a segment, piece by piece. It can pause and resume between pieces.
type walk struct {
	cursor
	seg        *segment
	next, last uint64 // the rows yet to be searched, [next, last)

	row row // the current row; high is its next chunk

	// The current chunk, or the chunks that are searched together.
	kind     kind
	base     uint64
	from, to uint64 // inner values yet to be searched, [from, to)

	// If a tail follows: the run of values that the kernel hashes at once. The walk goes through the
	// tails slice by slice, and through each slice group by group.
	run      []uint32
	serial   uint64 // counts runs
	runBase  uint64 // the nonce of the first value and tail 0
	group    int    // the next group
	tail     uint64 // the first tail of the current slice
	slice    uint64 // the end of the current slice, excluded
	lastTail uint64 // the end of the run's tails, excluded
}

// begin starts a walk through the rows [from, to) of a segment.
func (w *walk) begin(mid *midstate, seg *segment, mask uint32, from, to uint64) {
	if w.seg != seg {
		w.seg = seg
		w.enter(mid, seg.layout, mask)
	}
	w.next, w.last = from, to
	w.row, w.from, w.to, w.run = row{}, 0, 0, nil
}

// more reports whether there is another piece. It moves on to the next chunk or chunks if the
// current ones are finished, and sets kind to the kind of the next piece. It may leave out nonces
// above beyond.
func (w *walk) more(beyond uint64) bool {
	for w.from == w.to && w.run == nil {
		switch {
		case w.row.high < w.row.end:
			w.nextChunk()
		case w.next < w.last:
			w.nextRow(beyond)
		default:
			return false
		}
	}
	return true
}

// nextRow moves to the next row, without the chunks above beyond. If the row has all chunks that can
// be searched together, with the same inner values in each, nextRow enters all of them; otherwise
// nextChunk goes through them one by one.
func (w *walk) nextRow(beyond uint64) {
	w.row = w.seg.row(w.next)
	w.next++
	r := &w.row
	together := w.seg.together()
	if together == 1 {
		return
	}
	if r.end = min(r.end, beyond/w.seg.highStride()+1); r.high+together != r.end {
		return
	}
	base, from, to := w.seg.chunk(r, r.high)
	_, otherFrom, otherTo := w.seg.chunk(r, r.end-1)
	if from < to && from == otherFrom && to == otherTo {
		if w.kind = w.seg.kind(); w.kind == grid {
			w.setGrid(r.high, r.low)
		} else {
			w.setShared(r.high, r.low)
		}
		w.base, w.from, w.to = base, from, to
		r.high = r.end
	}
}

// nextChunk moves to the next chunk of the row.
func (w *walk) nextChunk() {
	r := &w.row
	base, from, to := w.seg.chunk(r, r.high)
	if from < to {
		w.seek(r.high, r.low)
		w.setBlock()
		w.kind, w.base, w.from, w.to = w.seg.kind(), base, from, to
		if w.seg.together() > 1 {
			w.kind = oneBlock
		}
	}
	r.high++
}

// piece returns the next piece. It has up to most nonces, or the fewest that a kernel can search at
// once if those are more. Call piece only after more has returned true.
func (w *walk) piece(most uint64) piece {
	stride := w.seg.innerStride()
	p := piece{kind: w.kind, along: stride}
	switch w.kind {
	case fixedTail, varyingTail:
		return w.tailPiece(most)
	case grid, sharedBlock:
		p.across = w.seg.highStride()
		most /= w.seg.together()
	}
	n := min(max(1, most), w.to-w.from)
	p.base, p.values = w.base+w.from*stride, w.words[w.from:w.from+n]
	w.from += n
	return p
}

// tailPiece is piece for layouts with a tail.
func (w *walk) tailPiece(most uint64) piece {
	stride := w.seg.innerStride()
	if w.run == nil {
		w.runBase = w.base + w.from*stride
		w.tail, w.lastTail = w.seg.tailRange(w.runBase)
		n := uint64(1)
		if w.tail == 0 && w.lastTail == w.seg.tailCount() {
			n = min(w.to-w.from, asm.MaxHash, max(1, most/asm.MaxStates)*asm.MaxStates)
			if _, whole := w.seg.tailRange(w.runBase + (n-1)*stride); whole != w.lastTail {
				n-- // the last value has fewer nonces: it gets a run of its own
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
		w.slice = w.tail + (left+slices-1)/slices // slices are as equal as possible
	}
	first := w.group * asm.MaxStates
	p := piece{
		kind: w.kind, along: 1, across: stride,
		base:   w.runBase + uint64(first)*stride + w.tail,
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
