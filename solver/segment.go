package solver

import (
	"math"

	"github.com/gkpow/gkpow/solver/asm"
)

// A segment is a range of nonces of one width, searched with one layout.
type segment struct {
	layout
	first, last uint64  // the range of nonces, both included
	cost        float64 // per hash, in operations of Scan
	time        float64 // per hash, in ns or any unit that all segments of a plan share
	tables      float64 // time to build the tables of tails that are kept, in the unit of time
}

// nonces returns the number of nonces in the segment.
func (s *segment) nonces() float64 { return float64(s.last-s.first) + 1 }

// costWith estimates the time per hash with a kernel, in operations of Scan. It is +Inf if the kernel
// does not support the layout, or if the layout is for chunks that are searched together and the
// segment has too few of them.
func (s *segment) costWith(k *asm.Kernel) float64 {
	cost := s.layout.cost(k)
	if math.IsInf(cost, 1) {
		return cost
	}
	switch rest, alone := s.leftOver(); {
	case rest == 1:
		return math.Inf(1)
	case rest > 0:
		cost = (1-rest)*cost + rest*alone.cost(k)
	}
	return cost + s.sparseCost(k)
}

// rounds returns the number of SHA256RNDS2 instructions per hash.
func (s *segment) rounds(k *asm.Kernel) float64 {
	rest, alone := s.leftOver()
	return (1-rest)*s.layout.rounds(k) + rest*alone.rounds(k)
}

// leftOver returns the share of nonces whose chunks are searched one by one although the layout is
// for chunks that are searched together, and the layout for these chunks. They are those of windows
// with too few chunks: at the end of a family, or at an end of the segment.
func (s *segment) leftOver() (share float64, alone layout) {
	alone = s.layout
	if s.together() == 1 {
		return 0, alone
	}
	alone.gridDigits, alone.shared = 0, false
	from, to := s.windowOf(s.first), s.windowOf(s.last)+1 // the whole windows, [from, to)
	stride := s.highStride()
	if s.row(from*s.after()).high*stride < s.first {
		from++
	}
	if s.row((to-1)*s.after()).end-1 > (s.last-(stride-1))/stride {
		to--
	}
	if from >= to {
		return 1, alone
	}
	whole := to - from
	if s.family()%s.together() > 0 {
		whole -= to/s.groups() - from/s.groups()
	}
	return 1 - float64(whole)*s.window()/s.nonces(), alone
}

// sparseCost estimates how much rows that hold few or none of the segment's nonces add to the cost
// per hash, in the unit of cost. If a segment has few nonces and their last digits are outer ones,
// nearly all rows may be like that.
func (s *segment) sparseCost(k *asm.Kernel) float64 {
	from, to := s.rows()
	excess := max(0, float64(to-from)/s.nonces()-1/float64(s.rowSize())) // rows per nonce
	return s.chunkCycles() / k.Weights.Scan * float64(s.together()) * excess
}

// A chunk is the set of nonces with the same outer digits. The digits before the inner ones, read
// as a number, are the chunk's high part; those between the inner ones and the tail are its low
// part.
//
// A row is the unit that a walk prepares: a chunk, a part of a chunk's inner values, or up to
// sixteen chunks with consecutive high parts that the kernel searches together. Rows that differ
// only in their low part form a window of consecutive nonces. Rows are numbered window by window,
// in the numeric order of the windows.
type row struct {
	low       uint64
	high, end uint64 // the high parts of its chunks, [high, end)
	from, to  uint64 // their inner values, [from, to)
}

// rows returns the range [from, to) of the segment's row numbers. The first and last rows may hold
// few nonces of the segment, or none.
func (s *segment) rows() (from, to uint64) {
	return s.windowOf(s.first) * s.after(), (s.windowOf(s.last) + 1) * s.after()
}

// windowOf returns the number of the window that holds the nonce.
func (s *segment) windowOf(nonce uint64) (number uint64) {
	if s.inner > 0 {
		high, family := nonce/s.highStride()-s.firstHigh(), s.family()
		number = (high/family*s.groups() + high%family/s.together()) * s.rowsPerChunk()
	}
	if s.stretch > 0 {
		number += (nonce/s.innerStride()%pow10[s.count] - s.firstValue()) / uint64(s.stretch)
	}
	return number
}

// row returns the row with the given number.
func (s *segment) row(number uint64) row {
	window, low := number/s.after(), number%s.after()
	group, stretch := window/s.rowsPerChunk(), window%s.rowsPerChunk()
	family := s.family()
	start, offset := s.firstHigh()+group/s.groups()*family, group%s.groups()*s.together()
	r := row{low: low, high: start + offset, end: start + min(offset+s.together(), family), to: pow10[s.count]}
	if n := uint64(s.stretch); n > 0 {
		r.from = s.firstValue() + stretch*n
		r.to = min(r.from+n, r.to)
	}
	return r
}

// chunk returns the range [from, to) of inner values for which the chunk with the given high part
// holds nonces of the segment, and the chunk's base: its nonce with zeros for the inner and tail
// digits. The range is empty if from is not below to.
func (s *segment) chunk(r *row, high uint64) (base, from, to uint64) {
	stride, tailCount := s.innerStride(), s.tailCount()
	if s.inner > 0 {
		if high > s.last/s.highStride() {
			return 0, 0, 0
		}
		base = high * s.highStride()
	}
	low := r.low * tailCount
	if low > s.last-base {
		return 0, 0, 0
	}
	base += low
	if base < s.first && s.first-base >= tailCount {
		from = (s.first-base-tailCount)/stride + 1
	}
	return base, max(from, r.from), min((s.last-base)/stride+1, r.to)
}

// least returns a lower bound on the nonces of the row with the given number and all later rows.
func (s *segment) least(number uint64) (nonce uint64) {
	r := s.row(number)
	if s.inner > 0 {
		nonce = r.high * s.highStride()
	}
	return nonce + r.from*s.innerStride()
}

// tailRange returns the range [from, to) of values of the tail digits that give nonces of the
// segment. The given nonce has zeros for these digits.
func (s *segment) tailRange(nonce uint64) (from, to uint64) {
	if nonce < s.first {
		from = s.first - nonce
	}
	return from, min(s.last-nonce, s.tailCount()-1) + 1
}
