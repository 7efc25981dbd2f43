//go:build !purego && (amd64 || arm64)

package asm

// A search is an assembly function that does both Scan and Hash. If s is nil it scans;
// otherwise it is Hash, and s points to the first of as many States as the words fill.
type search func(b *Block, words []uint32, s *States) int

func (f search) scan(b *Block, words []uint32) int         { return f(b, words, nil) }
func (f search) hash(b *Block, words []uint32, s []States) { f(b, words, &s[0]) }
