package asm

import "github.com/gkpow/gkpow/solver/asm/internal/schedule"

// GridLanes is how many chunks a Grid holds.
const GridLanes = 16

// A Grid is sixteen chunks that differ in a single word, the one before the word that
// varies within each chunk. Where a value depends on only one of these two words, a kernel
// computes it once for many hashes. One goroutine owns a Grid and reuses it for many chunks.
//
// The owner sets the exported fields and calls Prepare. A kernel's ScanGrid then does
// not change the exported fields.
type Grid struct {
	State [8]uint32         // hash value before this message block
	Words [16]uint32        // the message block; the bits that vary are zero
	Vary  int               // the second of the words that vary, 1 to 13
	Lanes [GridLanes]uint32 // for each chunk, the value to OR into Words[Vary-1]
	Mask  uint32            // the bits of H0, the first word of the digest, that must be zero

	// before holds the working variables before round Vary-1, or before round Vary-2 if
	// Vary-1 is odd: SHA-NI starts rounds in pairs.
	before [8]uint32
	// after holds the working variables after round Vary-1, computed with W[Vary-1] = 0.
	after [8]uint32
	// w[t] is W[t] if it is constant, else 0.
	w [64]uint32
	// sum[t] is K[t] + W[t] if W[t] is constant. For t < 16 and W[t] varying it is K[t];
	// for t >= 16 it is the sum of the constant terms of W[t], without K[t].
	sum [64]uint32
	// last is K[63] + State[0]. Used as K[63], it makes the last round yield H0.
	last uint32
	// chunk is the one that ByChunks is searching.
	chunk *Block
}

// Prepare computes the values that all chunks share.
func (g *Grid) Prepare() {
	if g.chunk == nil {
		g.chunk = new(Block)
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

// byHalves returns a ScanGrid that calls search twice, for eight chunks each: those from
// the chunk with the index first on.
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

// ByChunks returns a ScanGrid that scans the chunks one by one.
func ByChunks(scan func(*Block, []uint32) int) func(*Grid, []uint32) int {
	return func(g *Grid, words []uint32) int {
		b := g.chunk
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
