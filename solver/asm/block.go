package asm

import "github.com/gkpow/gkpow/solver/asm/internal/schedule"

// A Block is one chunk: the hashes that differ only in one word of one message
// block. It is reused from chunk to chunk, and belongs to one goroutine.
//
// The owner sets the exported fields and calls Prepare; a Kernel's Scan and Hash
// then read all of it and change none.
type Block struct {
	State [8]uint32  // hash value before this message block
	Words [16]uint32 // the message block; the bits that vary are zero in Words[Vary]
	Vary  int        // the word that varies, 0 to 15
	Mask  uint32     // the bits of H0, the first word of the digest, that must be zero

	// before[t] holds the working variables before round t, for t up to Vary.
	before [16][8]uint32
	// after holds the working variables after round Vary if Words[Vary] and what
	// varies in it were 0: W[Vary] is yet to be added to a and e.
	after [8]uint32
	// sum[t] is, for a word of the message, K[t] + W[t], and K[t] for the word
	// that varies. For a word of the schedule it is the sum of those of its four
	// terms that are constant: W[t] itself where all of them are.
	sum [64]uint32
	// last is K[63] + State[0]. It makes the last round yield H0.
	last uint32
}

// Prepare computes what is the same for the whole chunk. Words before from must
// not have changed since the last Prepare with the same State and Vary; 0 is
// always right.
func (b *Block) Prepare(from int) {
	if from == 0 {
		b.before[0] = b.State
		b.last = k[63] + b.State[0]
	}
	for t := from; t < b.Vary; t++ {
		b.before[t+1] = step(&b.before[t], k[t]+b.Words[t])
	}
	b.after = step(&b.before[b.Vary], k[b.Vary])

	var w [64]uint32 // zero where the word varies
	copy(w[:], b.Words[:])
	w[b.Vary] = 0
	for t := range 16 {
		b.sum[t] = k[t] + w[t]
	}
	terms := &varying[b.Vary]
	for t := 16; t < 64; t++ {
		b.sum[t] = 0
		if terms[t] != schedule.All {
			// A term that varies adds nothing here, since smallSigma0(0) and
			// smallSigma1(0) are 0.
			b.sum[t] = smallSigma1(w[t-2]) + w[t-7] + smallSigma0(w[t-15]) + w[t-16]
		}
		if terms[t] == 0 {
			w[t] = b.sum[t]
		}
	}
}

// step does one round, moving the variables.
func step(s *[8]uint32, kw uint32) [8]uint32 {
	e, a := round(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], kw)
	return [8]uint32{a, s[0], s[1], s[2], e, s[4], s[5], s[6]}
}
