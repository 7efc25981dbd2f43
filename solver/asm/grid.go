package asm

import "github.com/gkpow/gkpow/solver/asm/internal/schedule"

// GridLanes is how many chunks a Grid holds.
const GridLanes = 16

// A Grid is chunks that differ only in the word before the one that varies: the
// hashes with each of sixteen values of that and each value of this. What
// depends on one of the two words only is computed less often than for every
// hash. It is reused from chunks to chunks, and belongs to one goroutine.
//
// The owner sets the exported fields and calls Prepare; ScanGrid of a Kernel then
// changes nothing that it can see.
type Grid struct {
	State [8]uint32         // hash value before this message block
	Words [16]uint32        // the message block; the bits that vary are zero
	Vary  int               // the second of the words that vary, 1 to 13
	Lanes [GridLanes]uint32 // what is OR-ed into Words[Vary-1], chunk by chunk
	Mask  uint32            // the bits of H0, the first word of the digest, that must be zero

	// before holds the working variables before the pair of rounds that Vary-1 is in.
	before [8]uint32
	// after holds the working variables after round Vary-1 if Words[Vary-1] and what
	// varies in it were 0.
	after [8]uint32
	// w[t] is W[t] where that is constant, and else 0.
	w [64]uint32
	// sum[t] is K[t] + W[t] where W[t] is constant. For other words of the schedule
	// it is the sum of those of their terms that are constant.
	sum [64]uint32
	// last is K[63] + State[0]. It makes the last round yield H0.
	last uint32
	// each is the chunk at hand of ByChunks.
	each *Block
}

// Prepare computes what is the same for all the chunks.
func (g *Grid) Prepare() {
	if g.each == nil {
		g.each = new(Block)
	}
	first := g.Vary - 1
	even := first &^ 1
	s := g.State
	for t := range even {
		s = step(&s, k[t]+g.Words[t])
	}
	g.before = s
	if even < first {
		s = step(&s, k[even]+g.Words[even])
	}
	g.after = step(&s, k[first])
	g.last = k[63] + g.State[0]

	w := &g.w
	copy(w[:], g.Words[:])
	w[first], w[g.Vary] = 0, 0
	for t := range 16 {
		g.sum[t] = k[t] + w[t]
	}
	a, b := &varying[first], &varying[g.Vary]
	for t := 16; t < 64; t++ {
		g.sum[t], w[t] = 0, 0
		if a[t]|b[t] != schedule.All {
			g.sum[t] = smallSigma1(w[t-2]) + w[t-7] + smallSigma0(w[t-15]) + w[t-16]
		}
		if a[t]|b[t] == 0 {
			w[t] = g.sum[t]
			g.sum[t] += k[t]
		}
	}
}

// byHalves is ScanGrid with a function that searches eight chunks from the given one on.
func byHalves(search func(g *Grid, first int, words []uint32) int) func(*Grid, []uint32) int {
	return func(g *Grid, words []uint32) int {
		found := -1
		for first := 0; first < GridLanes; first += 8 {
			if i := search(g, first, words); i >= 0 {
				found, words = i, words[:i]
			}
		}
		return found
	}
}

// ByChunks returns a ScanGrid that scans one chunk after the other.
func ByChunks(scan func(*Block, []uint32) int) func(*Grid, []uint32) int {
	return func(g *Grid, words []uint32) int {
		b := g.each
		*b = Block{State: g.State, Words: g.Words, Vary: g.Vary, Mask: g.Mask}
		found := -1
		first, from := g.Vary-1, 0
		for _, word := range g.Lanes {
			b.Words[first] = g.Words[first] | word
			b.Prepare(from)
			from = first
			if i := scan(b, words); i >= 0 {
				found, words = i, words[:i]
			}
		}
		return found
	}
}
