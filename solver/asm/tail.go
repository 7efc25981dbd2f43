package asm

const (
	MaxStates = 32            // number of hash values in a States
	MaxHash   = 4 * MaxStates // maximum number of words for one call of Hash
)

// States holds MaxStates hash values, for example those of the first of two message blocks.
// Hash stores them and ScanTails continues from them. One goroutine owns it.
type States struct {
	// values is in an order that only the kernel knows.
	values [8 * MaxStates]uint32
}

// A Tail is the last block of a message, as K[t] + W[t]: its message schedule is computed
// once and then serves all hash values of the block before. Its words depend only on a few
// digits and the length of the message, so it also serves all prefixes of the same length.
type Tail [64]uint32

// Set computes the message schedule of a block and adds the round constants.
func (t *Tail) Set(words *[16]uint32) { expand((*[64]uint32)(t), words) }

// FirstWord returns the first word of the hash value after the tail, given the hash value
// before it.
func (t *Tail) FirstWord(state *[8]uint32) uint32 {
	s := *state
	rounds(&s, (*[64]uint32)(t))
	return state[0] + s[0]
}
