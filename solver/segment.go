package solver

import "github.com/gkpow/gkpow/solver/asm"

// A segment is nonces of one width, searched with one layout.
type segment struct {
	layout
	first, last uint64  // nonces, both included
	cost        float64 // of one hash, see layout.cost
	time        float64 // the same in ns, or any unit that all segments of a plan share
}

// nonces counts the nonces of the segment.
func (s *segment) nonces() float64 { return float64(s.last-s.first) + 1 }

// sparseCost estimates what is spent, for one hash and in the unit of cost, on rows which
// hold few of the segment's nonces or none. If it has few nonces, and their last
// digits are outer ones, that may be nearly all rows.
func (s *segment) sparseCost(k *asm.Kernel) float64 {
	from, to := s.rows()
	return s.chunkCycles() / k.Weights.Scan * float64(s.together()) * max(0, float64(to-from)/s.nonces()-1/float64(s.rowSize()))
}

// A chunk is one value of the outer digits: those before the inner ones, read as a
// number, are its high part, those after them, up to the tail, its low part.
//
// A row is what a walk prepares at once: a chunk, or a part of its inner values, or for
// grids up to sixteen chunks, whose high parts follow one another. Rows that differ in the
// low part only make a window of consecutive nonces. Rows are numbered so that those of a
// window follow one another, and windows are in numeric order.
type row struct {
	low       uint64
	high, end uint64 // the high parts of its chunks, the last excluded
	from, to  uint64 // their inner values, the last excluded
}

// rows returns the numbers of the segment's rows, the last excluded. Rows at either
// end may have few nonces, or none.
func (s *segment) rows() (from, to uint64) {
	return s.windowOf(s.first) * s.after(), (s.windowOf(s.last) + 1) * s.after()
}

// windowOf returns which window has the nonce.
func (s *segment) windowOf(nonce uint64) (number uint64) {
	if s.inner > 0 {
		high, same := nonce/s.stride(), pow10[s.gridDigits]
		number = (high/same*s.groups() + high%same/s.together()) * s.parts()
	}
	if s.stretch > 0 {
		number += nonce / s.step() % pow10[s.count] / uint64(s.stretch)
	}
	return number
}

// row returns the row with a number.
func (s *segment) row(number uint64) row {
	window, low := number/s.after(), number%s.after()
	group, part := window/s.parts(), window%s.parts()
	same := pow10[s.gridDigits]
	start, of := group/s.groups()*same, group%s.groups()*s.together()
	r := row{low: low, high: start + of, end: start + min(of+s.together(), same), to: pow10[s.count]}
	if n := uint64(s.stretch); n > 0 {
		r.from, r.to = part*n, min((part+1)*n, r.to)
	}
	return r
}

// chunk returns the inner values of one of the row's chunks, the last excluded, that make
// nonces of the segment, and the nonce whose inner digits and digits in the tail are all
// 0. There are none if from is not less than to.
func (s *segment) chunk(r *row, high uint64) (base, from, to uint64) {
	step, tails := s.step(), s.tails()
	if s.inner > 0 {
		if high > s.last/s.stride() {
			return 0, 0, 0
		}
		base = high * s.stride()
	}
	low := r.low * tails
	if low > s.last-base {
		return 0, 0, 0
	}
	base += low
	if base < s.first && s.first-base >= tails {
		from = (s.first-base-tails)/step + 1
	}
	return base, max(from, r.from), min((s.last-base)/step+1, r.to)
}

// least returns a nonce that none of the rows from one on is below.
func (s *segment) least(number uint64) (nonce uint64) {
	r := s.row(number)
	if s.inner > 0 {
		nonce = r.high * s.stride()
	}
	return nonce + r.from*s.step()
}

// tailRange returns the values of the digits in the tail, the last excluded, that
// make nonces of the segment, for the nonce in which they are 0.
func (s *segment) tailRange(nonce uint64) (from, to uint64) {
	if nonce < s.first {
		from = s.first - nonce
	}
	return from, min(s.last-nonce, s.tails()-1) + 1
}
