package asm

// A Block is one chunk: the hashes that differ only in one word of one message
// block. It is reused from chunk to chunk, and belongs to one goroutine.
//
// The owner sets the exported fields and calls Prepare, and SetTail where a
// second block follows; a Kernel's Scan then reads all of it and changes none.
type Block struct {
	State [8]uint32  // hash value before this message block
	Words [16]uint32 // the message block; the bits that vary are zero in Words[Vary]
	Vary  int        // the word that varies, 0 to 15
	Tail  bool       // whether one more block follows, the same for all nonces: see SetTail
	Mask  uint32     // the bits of H0, the first word of the digest, that must be zero

	// before[t] holds the working variables before round t, for t up to Vary.
	before [16][8]uint32
	// sum[t] is, for a word that is constant in the chunk, K[t] + W[t]; for one
	// that varies, the sum of those terms of W[t] that are constant.
	sum [64]uint32
	// tail holds K[t] + W[t] of the block that follows.
	tail [64]uint32
}

// Prepare computes what is the same for the whole chunk. Words before from must
// not have changed since the last Prepare with the same State and Vary; 0 is
// always right.
func (b *Block) Prepare(from int) {
	if from == 0 {
		b.before[0] = b.State
	}
	for t := from; t < b.Vary; t++ {
		s := &b.before[t]
		e, a := round(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], k[t]+b.Words[t])
		b.before[t+1] = [8]uint32{a, s[0], s[1], s[2], e, s[4], s[5], s[6]}
	}

	var w [64]uint32 // zero where the word varies
	copy(w[:], b.Words[:])
	w[b.Vary] = 0
	terms := &schedules[b.Vary].terms
	for t := 0; t < 16; t++ {
		b.sum[t] = k[t] + w[t]
	}
	for t := 16; t < 64; t++ {
		if terms[t] == allTerms {
			b.sum[t] = 0
			continue
		}
		// A term that varies adds nothing here, since smallSigma0(0) and
		// smallSigma1(0) are 0.
		sum := smallSigma1(w[t-2]) + w[t-7] + smallSigma0(w[t-15]) + w[t-16]
		if terms[t] == 0 {
			w[t] = sum
			sum += k[t]
		}
		b.sum[t] = sum
	}
}

// SetTail sets the words of the block that follows. Unlike Prepare's, its work
// does not depend on the chunk's own words, so call it when they change only.
func (b *Block) SetTail(words *[16]uint32) {
	expand(&b.tail, words)
}
