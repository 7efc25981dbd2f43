package asm

var generic = Kernel{
	Name:    "generic",
	Lanes:   1,
	MaxScan: 512,
	Ops:     genericOps(),
	Weights: Weights{Scan: 0.35, Hash: 0.35, Tail: 0.35, Grid: 0.35, Shared: 0.35}, // Zen 3

	Scan:      scanGeneric,
	Hash:      hashGeneric,
	ScanTails: scanTailsGeneric,
	ScanGrid:  ByChunks(scanGeneric),

	ScanShared: scanSharedGeneric,
}

// scanGeneric is portable Go that runs everywhere, and the reference for all other kernels.
func scanGeneric(b *Block, words []uint32) int {
	for i, word := range words {
		if s := b.variables(word); (b.State[0]+s[0])&b.Mask == 0 {
			return i
		}
	}
	return -1
}

// hashGeneric stores the eight words of each hash value one after the other.
func hashGeneric(b *Block, words []uint32, s []States) {
	for i, word := range words {
		v := b.variables(word)
		to := s[i/MaxStates].values[8*(i%MaxStates):]
		for j := range v {
			to[j] = b.State[j] + v[j]
		}
	}
}

func scanTailsGeneric(s *States, tails []Tail, mask uint32) int {
	for i := range tails {
		for j := 0; j < len(s.values); j += 8 {
			if tails[i].FirstWord((*[8]uint32)(s.values[j:]))&mask == 0 {
				return i
			}
		}
	}
	return -1
}

// variables returns the working variables after the last round.
func (b *Block) variables(word uint32) [8]uint32 {
	w := b.Words
	w[b.Vary&15] |= word
	word = w[b.Vary&15]
	s := b.after
	s[0] += word
	s[4] += word
	finish(&s, &w, b.Vary+1)
	return s
}

// genericOps counts the operations of the functions above: 26 for a round and 14 for a word of
// the message schedule. A word takes 20 operations, but as its round runs at the same time, it
// adds only as much time as 14 do. This follows from the measured times of Scan, ScanShared and
// ScanTails.
func genericOps() (o Ops) {
	for vary := range o.Scan {
		o.Scan[vary] = 26*(64-vary) + 14*48
		o.Hash[vary] = MaxStates * o.Scan[vary]
	}
	o.Tail = MaxStates * 26 * 64
	o.Shared = o.Tail + MaxStates/SharedStates*14*48
	return o
}
