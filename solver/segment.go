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
	n := s.together()
	return s.chunkCycles() / k.Weights.Scan * float64(n) * max(0, float64(to-from)/s.nonces()-1/float64(n*s.size()))
}

// A chunk is one value of the outer digits: those before the inner ones, read as a
// number, are its high part, those after them, up to the tail, its low part.
//
// A row is what a walk prepares at once: a chunk, or for grids up to sixteen, whose
// high parts follow one another. Rows are numbered: those with the same high parts
// follow one another, so that together they are a window of consecutive nonces, and
// windows are in numeric order.

// rows returns the numbers of the segment's rows, the last excluded. Rows at either
// end may have few nonces, or none.
func (s *segment) rows() (from, to uint64) {
	if s.inner == 0 {
		return 0, s.after()
	}
	return s.group(s.first/s.stride()) * s.after(), (s.group(s.last/s.stride()) + 1) * s.after()
}

// group returns which group of chunks, those of a row, has the given high part.
func (s *segment) group(high uint64) uint64 {
	same := pow10[s.gridDigits]
	return high/same*s.groups() + high%same/s.together()
}

// row returns the parts of a row's chunks: low, and the high ones, the last excluded.
func (s *segment) row(number uint64) (low, from, to uint64) {
	group, low := number/s.after(), number%s.after()
	same := pow10[s.gridDigits]
	start, of := group/s.groups()*same, group%s.groups()*s.together()
	return low, start + of, start + min(of+s.together(), same)
}

// chunk returns the inner values of a chunk, the last excluded, that make nonces of
// the segment, and the nonce whose inner digits and digits in the tail are all 0.
// There are none if from is not less than to.
func (s *segment) chunk(high, low uint64) (base, from, to uint64) {
	step, tails := s.step(), s.tails()
	if s.inner > 0 {
		if high > s.last/s.stride() {
			return 0, 0, 0
		}
		base = high * s.stride()
	}
	if low *= tails; low > s.last-base {
		return 0, 0, 0
	}
	base += low
	if base < s.first && s.first-base >= tails {
		from = (s.first-base-tails)/step + 1
	}
	return base, from, min((s.last-base)/step+1, pow10[s.count])
}

// least returns a nonce that none of the rows from one on is below.
func (s *segment) least(row uint64) uint64 {
	if _, high, _ := s.row(row); s.inner > 0 && high > 0 {
		return high * s.stride()
	}
	return 0
}

// tailRange returns the values of the digits in the tail, the last excluded, that
// make nonces of the segment, for the nonce in which they are 0.
func (s *segment) tailRange(nonce uint64) (from, to uint64) {
	if nonce < s.first {
		from = s.first - nonce
	}
	return from, min(s.last-nonce, s.tails()-1) + 1
}
