package solver

import (
	"math"

	"github.com/gkpow/gkpow/solver/asm"
)

// Estimated costs of the work outside the kernels, in CPU cycles, for comparing layouts.
const (
	prepareCycles  = 600  // asm.Block.Prepare, cursor.seek, and the start of a Scan
	compressCycles = 1500 // asm.Compress
	tailCycles     = 400  // asm.Tail.Set
	callCycles     = 150  // two calls of a kernel
	gridCycles     = 900  // asm.Grid.Prepare and a kernel's work before the first step
	sharedCycles   = 300  // a kernel's work before the first step of ScanShared
)

// cost estimates the time per hash of whole rows, in operations of Scan. Layouts that the kernel does
// not support cost +Inf.
func (l layout) cost(k *asm.Kernel) float64 {
	if l.gridDigits > 0 && k.Ops.Grid[l.word()] == 0 {
		return math.Inf(1)
	}
	return (l.setUpCycles() + l.kernelWork(k.Lanes, &k.Ops, k.Weights)) / k.Weights.Scan
}

// rounds returns the number of SHA256RNDS2 instructions per hash of whole rows.
func (l layout) rounds(k *asm.Kernel) float64 {
	return l.kernelWork(k.Lanes, &k.Rounds, asm.Weights{Scan: 1, Hash: 1, Tail: 1, Grid: 1, Shared: 1})
}

// setUpCycles estimates the cycles per hash outside the kernel's loops.
func (l layout) setUpCycles() float64 {
	cycles := l.chunkCycles()
	switch {
	case l.shared:
		cycles = prepareCycles + sharedCycles + l.firstBlockCycles()*asm.SharedStates
	case l.gridDigits > 0:
		cycles += gridCycles
	case l.hasTail():
		cycles += l.calls(asm.MaxStates) * callCycles
	}
	return cycles / float64(l.rowSize())
}

// chunkCycles estimates the cycles to prepare a chunk, or a row's part of it.
func (l layout) chunkCycles() float64 {
	cycles := prepareCycles + l.firstBlockCycles()
	if l.hasTail() && !l.keepsTails() {
		cycles += tailCycles * float64(l.tailCount())
	}
	return cycles
}

// firstBlockCycles estimates the cycles per chunk to hash the first block if the second one varies.
// That is necessary each time the outer digits of the second block wrap around.
func (l layout) firstBlockCycles() float64 {
	if l.block() == 0 {
		return 0
	}
	return compressCycles / float64(pow10[l.outerFrom(64)])
}

// kernelWork returns the weighted operations per hash of the kernel's functions.
func (l layout) kernelWork(lanes int, o *asm.Ops, w asm.Weights) float64 {
	word := l.word()
	switch {
	case l.shared:
		return w.Shared * float64(o.Shared) / asm.MaxStates
	case l.gridDigits > 0:
		return w.Grid * float64(o.Grid[word]) / asm.GridLanes
	case l.hasTail():
		group := w.Hash*float64(o.Hash[word]) + float64(l.tailCount())*w.Tail*float64(o.Tail)
		return l.calls(asm.MaxStates) * group / float64(l.rowSize())
	}
	return l.calls(lanes) * w.Scan * float64(o.Scan[word]) / float64(l.rowSize())
}

// calls returns the number of vectors, each with the given number of lanes, that hold the inner
// values that a row takes from one chunk.
func (l layout) calls(lanes int) float64 { return math.Ceil(float64(l.rowValues()) / float64(lanes)) }

// tableCycles estimates the cycles to build the tables of tails that are kept.
func (l layout) tableCycles() float64 {
	if l.hasTail() && l.keepsTails() {
		return tailCycles * float64(l.tailCount()*pow10[l.outerFrom(64)])
	}
	return 0
}
