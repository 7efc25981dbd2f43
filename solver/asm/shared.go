package asm

// SharedStates is how many hash values a Shared holds.
const SharedStates = 4

// A Shared is four chunks that differ in the blocks before the last one and only there. A kernel
// computes each message schedule of the last block once, for all four. In the last block the first
// word varies. One goroutine owns a Shared and reuses it for many chunks.
//
// The owner sets the fields. A kernel's ScanShared does not change them.
type Shared struct {
	States [SharedStates][8]uint32 // for each chunk, the hash value before the last block
	Words  [16]uint32              // the last block; the bits that vary are zero in Words[0]
	Mask   uint32                  // the bits of H0, the first word of the digest, that must be zero
}

func scanSharedGeneric(s *Shared, words []uint32) int {
	block := s.Words
	var kw Tail
	for i, word := range words {
		block[0] = s.Words[0] | word
		expand((*[64]uint32)(&kw), &block)
		for j := range s.States {
			if kw.FirstWord(&s.States[j])&s.Mask == 0 {
				return i
			}
		}
	}
	return -1
}
