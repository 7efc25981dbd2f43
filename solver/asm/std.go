package asm

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"sync"
)

// std searches with crypto/sha256, which has assembly for architectures that have no other
// kernel here. It sets the state before a block and reads the state after it with
// UnmarshalBinary and AppendBinary, so it always hashes the whole block. If crypto/sha256
// ever changes the encoding of its state, the self-test fails.
var std = Kernel{
	Name:    "std",
	Lanes:   1,
	MaxScan: 512,
	Ops:     stdOps(),
	Weights: Weights{Scan: 0.93, Hash: 0.96, Tail: 1.02, Shared: 1.02}, // Zen 3 without its SHA instructions

	Scan:      scanStd,
	Hash:      hashStd,
	ScanTails: scanTailsStd,
	ScanGrid:  ByChunks(scanStd),

	ScanShared: scanSharedStd,
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

func scanSharedStd(s *Shared, words []uint32) int {
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	c.setBlock(&s.Words)
	for i, word := range words {
		binary.BigEndian.PutUint32(c.block[:], s.Words[0]|word)
		for j := range s.States {
			c.setState(&s.States[j])
			if binary.BigEndian.Uint32(c.compress())&s.Mask == 0 {
				return i
			}
		}
	}
	return -1
}

// stdOps counts one hash as 700 operations, the cost of preparing a chunk in Go, since both
// take about the same time.
func stdOps() (o Ops) {
	const block = 700
	for vary := range o.Scan {
		o.Scan[vary], o.Hash[vary] = block, MaxStates*block
	}
	o.Tail, o.Shared = MaxStates*block, MaxStates*block
	return o
}

// stateAt is the offset of the state in the encoding of crypto/sha256, after a magic number.
const stateAt = 4

// A compressor hashes single blocks with crypto/sha256.
type compressor struct {
	hash   hash.Hash
	decode func([]byte) error
	encode func([]byte) ([]byte, error)
	before []byte // the encoded state before the block
	after  []byte
	block  [64]byte
}

// compressors is a pool because a kernel has no state that could hold one.
var compressors = sync.Pool{New: func() any {
	c := &compressor{hash: sha256.New()}
	c.decode = c.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary
	c.encode = c.hash.(encoding.BinaryAppender).AppendBinary
	c.before, _ = c.encode(nil) // the state before any input
	return c
}}

func (c *compressor) begin(b *Block) {
	c.setState(&b.State)
	c.setBlock(&b.Words)
}

// hashWith sets the word that varies and calls compress.
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

// compress returns the hash value after the block, valid until the next call.
func (c *compressor) compress() []byte {
	c.decode(c.before)
	c.hash.Write(c.block[:])
	c.after, _ = c.encode(c.after[:0])
	return c.after[stateAt : stateAt+32]
}
