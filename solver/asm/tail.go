package asm

const (
	MaxStates = 32            // hash values that States holds
	MaxHash   = 4 * MaxStates // words that Hash takes
)

// States is where a kernel keeps hash values after a message block that differ
// from each other, for the blocks that may follow. It belongs to one goroutine.
type States struct {
	// values is in the order that suits the kernel: nobody else reads it.
	values [8 * MaxStates]uint32
}

// A Tail is a message block that may follow the one that varies: the last one.
// It is the same for all hash values, so that its message schedule is made once
// for all of them; and as it depends on few digits and a length, it serves every
// prefix of that length. It holds K[t] + W[t].
type Tail [64]uint32

// Set makes the message schedule of a block.
func (t *Tail) Set(words *[16]uint32) { expand((*[64]uint32)(t), words) }

// FirstWord returns the first word of the hash value after the block.
func (t *Tail) FirstWord(state *[8]uint32) uint32 {
	s := *state
	rounds(&s, (*[64]uint32)(t))
	return state[0] + s[0]
}
