// Package asm holds the kernels: the innermost loops of the search, one for each
// instruction set, behind one signature. Most programs want package solver,
// which plans the search, runs the kernels and checks what they report.
//
// To read it, start with Kernel and Block, then see generic.go for what every
// kernel computes. Kernels lists them.
package asm

import "slices"

// A Kernel searches nonces with one instruction set. It is a value without
// state, safe for concurrent use on different Blocks.
type Kernel struct {
	// Name is the name used for --backend and in benchmarks: "generic".
	Name string
	// Lanes is how many nonces are hashed in one step.
	Lanes int
	// Missing is the CPU feature that this machine lacks, or "" if it can run
	// the kernel.
	Missing string
	// MaxScan is the most hashes to ask of one call of a Scan function. A call
	// cannot be interrupted, so this keeps it below about half a millisecond on
	// slow machines: the latency of cancellation. It is a multiple of Lanes.
	MaxScan int
	// Ops are the operations that the functions below take. They serve to choose
	// between layouts, not between kernels.
	Ops Ops
	// Rounds are the SHA256RNDS2 among Ops, each of which does two rounds of one hash. They are
	// zero if the kernel does not use that instruction.
	Rounds Ops
	// Weights turn Ops into time.
	Weights Weights

	// Scan returns the index of the first of words that meets the target of b
	// when it is OR-ed into b.Words[b.Vary], or -1 if none does. It reads
	// nothing outside words, and neither b nor words changes.
	Scan func(b *Block, words []uint32) int

	// Hash sets s to the hash values after b for words, MaxStates of them for each
	// of s and MaxHash at most, for ScanTails of the same kernel. A kernel may take
	// longer for the first few, so many at once are better.
	Hash func(b *Block, words []uint32, s []States)

	// ScanTails returns the index of the first of tails after which the first
	// word of any of the hash values has all bits of mask zero, or -1 if there is
	// none.
	ScanTails func(s *States, tails []Tail, mask uint32) int

	// ScanGrid returns the index of the first of words with which any chunk of g
	// meets the target when it is OR-ed into Words[Vary], or -1 if none does. It reads
	// nothing outside words, and neither g nor words changes. Kernels that can do no
	// better than Scan have ByChunks here.
	ScanGrid func(g *Grid, words []uint32) int
}

// Ops counts the operations of a kernel.
type Ops struct {
	Scan [16]int // for Lanes hashes, by the word that varies
	Hash [16]int // for MaxStates hash values, by the word that varies
	Tail int     // for MaxStates hash values and one tail
	Grid [16]int // for GridLanes hashes, by the second word that varies; 0 if ScanGrid is ByChunks
}

// withTail returns the operations of a kernel that has another one's ScanTails.
func (o Ops) withTail(tail int) Ops {
	o.Tail = tail
	return o
}

// Weights are CPU cycles for one operation of Ops, by the function that it is in. They are measured
// (make cycles) on a CPU for which the kernel is a good choice, and make layouts comparable that
// use different functions: operations of one kind do not all take the same time.
type Weights struct {
	Scan float64 // cycles per operation of Ops.Scan
	Hash float64 // cycles per operation of Ops.Hash
	Tail float64 // cycles per operation of Ops.Tail
	Grid float64 // cycles per operation of Ops.Grid
}

// Kernels returns the kernels of this architecture, the likely fastest first and generic
// last, including those that this CPU cannot run.
func Kernels() []Kernel { return slices.Clone(kernels) }

// Generic returns the kernel that runs everywhere.
func Generic() Kernel { return generic }
