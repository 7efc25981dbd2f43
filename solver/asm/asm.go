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
	// MaxScan is the most words to pass to one call of Scan. A call cannot be
	// interrupted, so this keeps it below about half a millisecond on slow
	// machines: the latency of cancellation. It is a multiple of Lanes.
	MaxScan int
	// Ops returns the operations of one step, which is Lanes hashes, when the
	// given word of the message varies and a constant block follows or not. It
	// serves to choose between layouts, not between kernels.
	Ops func(vary int, tail bool) int
	// Scan returns the index of the first of words that meets the target of b
	// when it is OR-ed into b.Words[b.Vary], or -1 if none does. It reads
	// nothing outside words, and neither b nor words changes.
	Scan func(b *Block, words []uint32) int
}

// Kernels returns the kernels of this architecture, fastest first and generic
// last, including those that this CPU cannot run.
func Kernels() []Kernel { return slices.Clone(kernels) }

// Generic returns the kernel that runs everywhere.
func Generic() Kernel { return generic }
