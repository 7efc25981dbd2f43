// Package asm holds the kernels: the innermost loops of the search, one kernel per
// instruction set, all with the same functions. Most programs want package solver,
// which plans the search, runs the kernels and verifies the hits that they report.
//
// Start reading at Kernel and Block; generic.go shows what every kernel computes.
// Kernels returns all of them.
package asm

import "slices"

// A Kernel searches nonces with one instruction set. It has no state of its own, so
// goroutines can share it as long as each uses its own Block, States, Grid and
// Shared.
type Kernel struct {
	// Name is the name used for --backend and in benchmarks: "generic".
	Name string
	// Lanes is the number of nonces that Scan hashes in one step.
	Lanes int
	// Missing is a CPU feature that the kernel needs and this machine lacks, or "" if
	// the machine can run the kernel.
	Missing string
	// MaxScan is the maximum number of hashes for one call of Scan, ScanTails, ScanGrid
	// or ScanShared. It is a multiple of Lanes, and of the hashes in a step of ScanShared.
	// A call cannot be interrupted, so this limits the latency of cancellation: to about
	// half a millisecond on slow machines.
	MaxScan int
	// Ops counts the operations of the functions below. Use it to compare layouts; it
	// does not compare kernels.
	Ops Ops
	// Rounds counts the SHA256RNDS2 instructions included in Ops, each of which does two
	// rounds of one hash. It is zero if the kernel does not use that instruction.
	Rounds Ops
	// Weights converts Ops to time.
	Weights Weights

	// Scan returns the index of the first word that meets the target of b when it is
	// OR-ed into b.Words[b.Vary], or -1 if none does. It reads nothing outside words and
	// does not change b or words.
	Scan func(b *Block, words []uint32) int

	// Hash computes the hash value after b for each of words, and stores MaxStates of
	// them in each element of s, in the order that ScanTails of the same kernel expects.
	// len(words) is MaxStates times len(s), at most MaxHash. The first few words may take
	// longer, so prefer few large calls.
	Hash func(b *Block, words []uint32, s []States)

	// ScanTails returns the index of the first tail with a hit, or -1 if there is none.
	// A hit is a hash value in s for which the first word of the digest, after the tail,
	// has all bits of mask zero.
	ScanTails func(s *States, tails []Tail, mask uint32) int

	// ScanGrid returns the index of the first word with which any chunk of g meets the
	// target when the word is OR-ed into g.Words[g.Vary], or -1 if none does. It reads
	// nothing outside words and does not change words or the exported fields of g.
	// Kernels without code for grids use ByChunks.
	ScanGrid func(g *Grid, words []uint32) int

	// ScanShared returns the index of the first word with which any chunk of s meets the
	// target when the word is OR-ed into s.Words[0], or -1 if none does. It reads nothing
	// outside words and does not change s or words.
	ScanShared func(s *Shared, words []uint32) int
}

// Ops counts the operations of a kernel.
type Ops struct {
	Scan [16]int // for Lanes hashes, by the word that varies
	Hash [16]int // for MaxStates hash values, by the word that varies
	Tail int     // for MaxStates hash values and one tail
	Grid [16]int // for GridLanes hashes, by the second word that varies; 0 if ScanGrid is ByChunks

	Shared int // for MaxStates hashes, those of eight words
}

// with returns o with the counts of another kernel, whose ScanTails and ScanShared this one uses.
func (o Ops) with(other Ops) Ops {
	o.Tail, o.Shared = other.Tail, other.Shared
	return o
}

// Weights gives the CPU cycles that one operation takes in each function. The figures were
// measured (make cycles) on a CPU for which the kernel is a good choice. Layouts use different
// functions, whose mixes of instructions differ in speed; weights make their costs comparable.
type Weights struct {
	Scan float64 // cycles per operation of Ops.Scan
	Hash float64 // cycles per operation of Ops.Hash
	Tail float64 // cycles per operation of Ops.Tail
	Grid float64 // cycles per operation of Ops.Grid

	Shared float64 // cycles per operation of Ops.Shared
}

// Kernels returns all kernels for this architecture, including the ones that this CPU cannot
// run. The likely fastest comes first and generic last.
func Kernels() []Kernel { return slices.Clone(kernels) }

// Generic returns the kernel that runs everywhere.
func Generic() Kernel { return generic }
