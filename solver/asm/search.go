//go:build !purego && (amd64 || arm64)

package asm

// A search is the assembly of both Scan and Hash: Scan if s is nil, and else Hash for
// as many States, one after the other, as the words fill.
type search func(b *Block, words []uint32, s *States) int

func (f search) scan(b *Block, words []uint32) int         { return f(b, words, nil) }
func (f search) hash(b *Block, words []uint32, s []States) { f(b, words, &s[0]) }
