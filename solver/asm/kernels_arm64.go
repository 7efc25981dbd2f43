//go:build !purego

package asm

import "github.com/klauspost/cpuid/v2"

// See Kernel for what these do, and search.

//go:noescape
func searchSHA2(b *Block, words []uint32, s *States) int

//go:noescape
func tailsSHA2(s *States, tails []Tail, mask uint32) int

var kernels = []Kernel{
	{
		Name:    "sha2",
		Lanes:   4,
		Missing: missingSHA2(),
		MaxScan: 3336, // a third of 10000, the values of four digits
		Ops:     opsSHA2(),
		Weights: Weights{Scan: 0.5, Hash: 0.5, Tail: 0.5}, // one SHA-2 instruction in a cycle

		Scan:      search(searchSHA2).scan,
		Hash:      search(searchSHA2).hash,
		ScanTails: tailsSHA2,
		ScanGrid:  ByChunks(search(searchSHA2).scan),
	},
	generic,
}

func missingSHA2() string {
	if cpuid.CPU.Supports(cpuid.SHA2) {
		return ""
	}
	return "SHA2"
}

// opsSHA2 counts the SHA-2 instructions of the functions in sha2_arm64.s, twice:
// one pipe does them all, and what else a step takes goes beside them.
func opsSHA2() (o Ops) {
	for vary := range o.Scan {
		// For each chain, two for every four rounds and for every four words of
		// the schedule; the last rounds need only one for a, and two for all.
		n := 2*(16-vary/4) - 1 + 2*12 - int(savedSHA2[vary])
		o.Scan[vary] = 2 * 4 * n
		o.Hash[vary] = 2 * MaxStates * (n + 1)
	}
	o.Tail = 2 * MaxStates * (2*16 - 1)
	return o
}

// savedSHA2 lists, for each word that varies, how many instructions of the
// schedule searchSHA2 leaves out for each chain, as what they add is constant or
// plain.
var savedSHA2 = [16]uint8{2, 2, 3, 3, 2, 4, 5, 5, 4, 2, 3, 4, 3, 4, 3, 3}
