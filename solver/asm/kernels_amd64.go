//go:build !purego

package asm

import (
	"slices"

	"github.com/klauspost/cpuid/v2"
)

// The functions that _gen generates. See Kernel and search for what they do.

//go:noescape
func searchMixed512(b *Block, words []uint32, s *States) int

//go:noescape
func tailsMixed512(s *States, tails []Tail, mask uint32) int

//go:noescape
func gridMixed512(grid *Grid, first int, words []uint32) int

//go:noescape
func sharedMixed512(s *Shared, last *Block, words []uint32) int

//go:noescape
func searchMixed256(b *Block, words []uint32, s *States) int

//go:noescape
func gridMixed256(grid *Grid, first int, words []uint32) int

//go:noescape
func searchAVX512(b *Block, words []uint32, s *States) int

//go:noescape
func tailsAVX512(s *States, tails []Tail, mask uint32) int

//go:noescape
func gridAVX512(grid *Grid, words []uint32) int

//go:noescape
func sharedAVX512(s *Shared, words []uint32) int

//go:noescape
func searchSHANI(b *Block, words []uint32, s *States) int

//go:noescape
func tailsSHANI(s *States, tails []Tail, mask uint32) int

//go:noescape
func sharedSHANI(s *Shared, words []uint32) int

//go:noescape
func searchAVX2(b *Block, words []uint32, s *States) int

//go:noescape
func tailsAVX2(s *States, tails []Tail, mask uint32) int

//go:noescape
func sharedAVX2(s *Shared, words []uint32) int

// Tables that the assembly loads as vectors. The linker aligns variables of this size to
// 32 bytes.
var (
	// pairs[p] holds the constants of rounds 2p and 2p+1, four times. The mixed kernels add
	// it to the words of two rounds of four nonces.
	//lint:ignore U1000 the assembly uses it
	pairs = newPairs()
	// powers[n] holds 2^n eight times: multiplying by it shifts eight lanes left by n bits.
	//lint:ignore U1000 the assembly uses it
	powers = newPowers()
	// firstLanes holds eight words of ones followed by eight of zeros. The eight words
	// starting at 8-n are a mask of the first n lanes.
	//lint:ignore U1000 the assembly uses it
	firstLanes = [16]uint32{1<<32 - 1, 1<<32 - 1, 1<<32 - 1, 1<<32 - 1, 1<<32 - 1, 1<<32 - 1, 1<<32 - 1, 1<<32 - 1}
)

func newPairs() (p [32][4][2]uint32) {
	for pair := range p {
		for i := range p[pair] {
			p[pair][i] = [2]uint32(k[2*pair:])
		}
	}
	return p
}

func newPowers() (p [32][8]uint32) {
	for n := range p {
		for i := range p[n] {
			p[n][i] = 1 << n
		}
	}
	return p
}

// features lists what each kernel requires: the CPU features of its instructions and, with
// AVX and AVX512F, the operating system's support for the wider registers.
var features = map[string][]cpuid.FeatureID{
	"mixed512": {cpuid.SHA, cpuid.AVX, cpuid.AVX2, cpuid.CMOV, cpuid.AVX512F, cpuid.AVX512VL},
	"mixed256": {cpuid.SHA, cpuid.AVX, cpuid.AVX2, cpuid.CMOV},
	"avx512":   {cpuid.AVX, cpuid.AVX512F},
	"shani":    {cpuid.SHA, cpuid.AVX, cpuid.CMOV},
	"avx2":     {cpuid.AVX, cpuid.AVX2},
}

// kernels contains the kernels below and generic, and also std if the CPU can run none of
// the kernels below.
var kernels = newKernels()

func newKernels() []Kernel {
	if slices.ContainsFunc(ownKernels, func(k Kernel) bool { return k.Missing == "" }) {
		return append(ownKernels, generic)
	}
	return append(ownKernels, std, generic)
}

var ownKernels = []Kernel{
	{
		Name:    "avx512",
		Lanes:   16,
		Missing: missing("avx512"),
		MaxScan: 5056,
		Ops:     avx512Ops,
		Weights: Weights{Scan: 0.545, Hash: 0.56, Tail: 0.53, Grid: 0.544, Shared: 0.535}, // Sapphire Rapids

		Scan:      search(searchAVX512).scan,
		Hash:      search(searchAVX512).hash,
		ScanTails: tailsAVX512,
		ScanGrid:  gridAVX512,

		ScanShared: sharedAVX512,
	},
	{
		Name:    "mixed512",
		Lanes:   8,
		Missing: missing("mixed512"),
		MaxScan: 5024,
		Ops:     mixed512Ops,
		Rounds:  mixed512Rounds,
		// Zen 4. Shared is not measured but estimated, with a model of the vector units that gives
		// about the measured time for Scan.
		Weights: Weights{Scan: 0.322, Hash: 0.41, Tail: 0.36, Grid: 0.321, Shared: 0.335},

		Scan: search(searchMixed512).scan,
		Hash: func(b *Block, words []uint32, s []States) {
			searchMixed512(b, words, &s[0])
			for i := range s {
				s[i].spreadFirst8()
			}
		},
		ScanTails: tailsMixed512,
		ScanGrid:  byHalves(gridMixed512),

		ScanShared: func(s *Shared, words []uint32) int {
			last := Block{State: s.States[SharedStates-1], Words: s.Words, Mask: s.Mask}
			last.Prepare(0)
			return sharedMixed512(s, &last, words)
		},
	},
	{
		Name:    "shani",
		Lanes:   4,
		Missing: missing("shani"),
		MaxScan: 2504,
		Ops:     shaniOps,
		Rounds:  shaniRounds,
		Weights: Weights{Scan: 0.545, Hash: 0.59, Tail: 1.01, Shared: 0.69}, // Zen 3

		Scan:      search(searchSHANI).scan,
		Hash:      search(searchSHANI).hash,
		ScanTails: tailsSHANI,
		ScanGrid:  ByChunks(search(searchSHANI).scan),

		ScanShared: sharedSHANI,
	},
	{
		Name:    "mixed256",
		Lanes:   8,
		Missing: missing("mixed256"),
		MaxScan: 5008,
		Ops:     mixed256Ops.with(shaniOps),
		Rounds:  mixed256Rounds.with(shaniRounds),
		Weights: Weights{Scan: 0.311, Hash: 0.33, Tail: 1.02, Grid: 0.308, Shared: 0.69}, // Zen 4

		Scan:      search(searchMixed256).scan,
		Hash:      search(searchMixed256).hash,
		ScanTails: tailsSHANI,
		ScanGrid:  byHalves(gridMixed256),

		ScanShared: sharedSHANI,
	},
	{
		Name:    "avx2",
		Lanes:   8,
		Missing: missing("avx2"),
		MaxScan: 2528,
		Ops:     avx2Ops,
		Weights: Weights{Scan: 0.294, Hash: 0.298, Tail: 0.301, Shared: 0.303}, // Zen 3

		Scan:      search(searchAVX2).scan,
		Hash:      search(searchAVX2).hash,
		ScanTails: tailsAVX2,
		ScanGrid:  ByChunks(search(searchAVX2).scan),

		ScanShared: sharedAVX2,
	},
}

// missing returns the name of the first required feature of a kernel that this CPU or its
// operating system lacks, or "".
func missing(kernel string) string {
	for _, f := range features[kernel] {
		if !cpuid.CPU.Supports(f) {
			return f.String()
		}
	}
	return ""
}

// spreadFirst8 transposes the first eight hash values, which are in the order of SHA-NI,
// into the lanes of eight vectors.
func (s *States) spreadFirst8() {
	first := [64]uint32(s.values[:])
	for lane := range 8 {
		packed := (*[8]uint32)(first[8*lane:])
		for i, from := range [8]int{3, 2, 7, 6, 1, 0, 5, 4} { // f, e, b, a, h, g, d, c
			s.values[8*i+lane] = packed[from]
		}
	}
}
