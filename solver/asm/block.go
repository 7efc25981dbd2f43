package asm

import "github.com/gkpow/gkpow/solver/asm/internal/schedule"

// A Block is one chunk: a message block in which a single word varies. One goroutine
// owns it and reuses it for many chunks.
//
// The owner sets the exported fields and calls Prepare. A kernel's Scan and Hash then
// read the Block without changing it.
type Block struct {
	State [8]uint32  // hash value before this message block
	Words [16]uint32 // the message block; the bits that vary are zero in Words[Vary]
	Vary  int        // the word that varies, 0 to 15
	Mask  uint32     // the bits of H0, the first word of the digest, that must be zero

	// before[t] holds the working variables before round t, for t up to Vary.
	before [16][8]uint32
	// after holds the working variables after round Vary, computed with W[Vary] = 0.
	// Adding W[Vary] to a and e completes the round.
	after [8]uint32
	// sum[t] for t < 16 is K[t] + W[t], or K[t] for the word that varies. For t >= 16 it
	// is the sum of the constant terms of W[t], which has four terms, without K[t].
	sum [64]uint32
	// last is K[63] + State[0]. Used as K[63], it makes the last round yield H0.
	last uint32
	// old[t-32] is the sum of smallSigma0(W[t-15]) and W[t-16], the old terms of W[t], without
	// those that vary.
	old [allVary - 32]uint32
}

// allVary is the index of a word of the schedule. From this word on, all terms of all words vary,
// whichever word of the message varies.
const allVary = 42

// Prepare computes the values that all hashes of the chunk share. It reuses the rounds
// before round from, which is valid if State, Vary and Words[:from] are the same as in the
// previous call; from = 0 is always valid.
func (b *Block) Prepare(from int) {
	if from == 0 {
		b.before[0] = b.State
		b.last = k[63] + b.State[0]
	}
	b.roundsBefore(from)
	b.after = step(&b.before[b.Vary], k[b.Vary])

	var w [allVary]uint32 // zero where the word varies
	copy(w[:], b.Words[:])
	w[b.Vary] = 0
	for t := range 16 {
		b.sum[t] = k[t] + w[t]
	}
	terms := &varying[b.Vary]
	for t := 16; t < allVary; t++ {
		b.sum[t] = 0
		if terms[t] != schedule.All {
			// W[t] is 0 where it varies, and so are its sigmas: only constant terms add up.
			b.sum[t] = smallSigma1(w[t-2]) + w[t-7] + smallSigma0(w[t-15]) + w[t-16]
		}
		if terms[t] == 0 {
			w[t] = b.sum[t]
		}
	}
	for i := range b.old {
		b.old[i] = smallSigma0(w[i+17]) + w[i+16]
	}
}

// roundsBefore does the rounds before Vary, starting at round from. The working variables stay in
// registers, which is twice as fast as loading each round's from memory.
func (b *Block) roundsBefore(from int) {
	s := b.before[from]
	s0, s1, s2, s3, s4, s5, s6, s7 := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
	for t := from; t < b.Vary; t++ {
		e, a := round(s0, s1, s2, s3, s4, s5, s6, s7, k[t]+b.Words[t])
		s0, s1, s2, s3, s4, s5, s6, s7 = a, s0, s1, s2, e, s4, s5, s6
		b.before[t+1] = [8]uint32{s0, s1, s2, s3, s4, s5, s6, s7}
	}
}

// step does one round and moves the working variables to their new places.
func step(s *[8]uint32, kw uint32) [8]uint32 {
	e, a := round(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], kw)
	return [8]uint32{a, s[0], s[1], s[2], e, s[4], s[5], s[6]}
}
