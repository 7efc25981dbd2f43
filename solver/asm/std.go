package asm

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"sync"
)

// std searches with crypto/sha256, which has assembly for some architectures that there
// is no other kernel for. It hashes whole blocks, all words of which may vary: the
// state before a block goes in, and the one after comes out, in the encoding that
// crypto/sha256 has for states. The self-test notices should that encoding change.
var std = Kernel{
	Name:    "std",
	Lanes:   1,
	MaxScan: 512,
	Ops:     stdOps(),
	Weights: Weights{Scan: 0.93, Hash: 0.96, Tail: 1.02}, // Zen 3 without its SHA instructions

	Scan:      scanStd,
	Hash:      hashStd,
	ScanTails: scanTailsStd,
	ScanGrid:  ByChunks(scanStd),
}

func scanStd(b *Block, words []uint32) int {
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	c.begin(b)
	for i, word := range words {
		if after := c.hashWith(b, word); binary.BigEndian.Uint32(after)&b.Mask == 0 {
			return i
		}
	}
	return -1
}

func hashStd(b *Block, words []uint32, s []States) {
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	c.begin(b)
	for i, word := range words {
		after, to := c.hashWith(b, word), s[i/MaxStates].values[8*(i%MaxStates):]
		for j := range 8 {
			to[j] = binary.BigEndian.Uint32(after[4*j:])
		}
	}
}

func scanTailsStd(s *States, tails []Tail, mask uint32) int {
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	for i := range tails {
		block := [16]uint32(tails[i][:])
		for t := range block {
			block[t] -= k[t]
		}
		c.setBlock(&block)
		for j := 0; j < len(s.values); j += 8 {
			c.setState((*[8]uint32)(s.values[j:]))
			if binary.BigEndian.Uint32(c.compress())&mask == 0 {
				return i
			}
		}
	}
	return -1
}

// stdOps weighs a hash like the preparations that a search does in Go: it takes about as
// long as one of those.
func stdOps() (o Ops) {
	const block = 700
	for vary := range o.Scan {
		o.Scan[vary], o.Hash[vary] = block, MaxStates*block
	}
	o.Tail = MaxStates * block
	return o
}

// stateAt is where the state is in its encoding: after a mark.
const stateAt = 4

// A compressor has crypto/sha256 hash single blocks.
type compressor struct {
	hash   hash.Hash
	decode func([]byte) error
	encode func([]byte) ([]byte, error)
	before []byte // the encoded state before the block
	after  []byte
	block  [64]byte
}

// compressors are kept, as a kernel has no state.
var compressors = sync.Pool{New: func() any {
	c := &compressor{hash: sha256.New()}
	c.decode = c.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary
	c.encode = c.hash.(encoding.BinaryAppender).AppendBinary
	c.before, _ = c.encode(nil) // with no bytes of a block
	return c
}}

func (c *compressor) begin(b *Block) {
	c.setState(&b.State)
	c.setBlock(&b.Words)
}

// hashWith is compress with a value of the word that varies.
func (c *compressor) hashWith(b *Block, word uint32) []byte {
	vary := b.Vary & 15
	binary.BigEndian.PutUint32(c.block[4*vary:], b.Words[vary]|word)
	return c.compress()
}

func (c *compressor) setState(state *[8]uint32) {
	for i, word := range state {
		binary.BigEndian.PutUint32(c.before[stateAt+4*i:], word)
	}
}

func (c *compressor) setBlock(words *[16]uint32) {
	for i, word := range words {
		binary.BigEndian.PutUint32(c.block[4*i:], word)
	}
}

// compress returns the hash value after the block, which is overwritten by the next call.
func (c *compressor) compress() []byte {
	c.decode(c.before)
	c.hash.Write(c.block[:])
	c.after, _ = c.encode(c.after[:0])
	return c.after[stateAt : stateAt+32]
}
