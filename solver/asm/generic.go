package asm

var generic = Kernel{
	Name:    "generic",
	Lanes:   1,
	MaxScan: 512,
	Ops:     operations(26, 8),

	Scan:      scanGeneric,
	Hash:      hashGeneric,
	ScanTails: scanTailsGeneric,
	ScanGrid:  ByChunks(scanGeneric),
}

// scanGeneric is the kernel that all others are compared with: portable Go that
// runs everywhere.
func scanGeneric(b *Block, words []uint32) int {
	g := newGenericScan(b)
	for i, word := range words {
		if s := g.variables(word); (b.State[0]+s[0])&b.Mask == 0 {
			return i
		}
	}
	return -1
}

// hashGeneric keeps one hash value after the other.
func hashGeneric(b *Block, words []uint32, s []States) {
	g := newGenericScan(b)
	for i, word := range words {
		v := g.variables(word)
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

// A genericScan is what scanGeneric needs for each word.
type genericScan struct {
	block    *Block
	schedule *schedule
	kw       [64]uint32 // K[t] + W[t]; set by variables where W[t] varies
	w        [64]uint32 // W[t] where it varies
}

func newGenericScan(b *Block) genericScan {
	g := genericScan{block: b, schedule: &schedules[b.Vary&15], kw: b.sum}
	for t := 16; t < 64; t++ {
		g.kw[t] += k[t]
	}
	return g
}

// variables returns the working variables after the last round. Indices are
// masked where the compiler cannot see their range.
func (g *genericScan) variables(word uint32) [8]uint32 {
	b, schedule := g.block, g.schedule
	vary := b.Vary & 15
	kw, w := &g.kw, &g.w
	w[vary] = b.Words[vary] | word
	for _, t := range schedule.partial {
		t := uint(t) & 63
		sum := b.sum[t]
		terms := schedule.terms[t]
		if terms&termSigma1 != 0 {
			sum += smallSigma1(w[(t-2)&63])
		}
		if terms&term7 != 0 {
			sum += w[(t-7)&63]
		}
		if terms&termSigma0 != 0 {
			sum += smallSigma0(w[(t-15)&63])
		}
		if terms&term16 != 0 {
			sum += w[(t-16)&63]
		}
		w[t] = sum
		kw[t] = k[t] + sum
	}
	for t := schedule.full; t < 64; t++ {
		w[t] = smallSigma1(w[(t-2)&63]) + w[(t-7)&63] + smallSigma0(w[(t-15)&63]) + w[(t-16)&63]
		kw[t] = k[t] + w[t]
	}
	s := b.after
	s[0] += w[vary]
	s[4] += w[vary]
	rounds(&s, kw, vary+1)
	return s
}
