//go:build !purego

package asm

import "github.com/klauspost/cpuid/v2"

// See Kernel and search for what these functions do.

//go:noescape
func searchSHA2(b *Block, words []uint32, s *States) int

//go:noescape
func tailsSHA2(s *States, tails []Tail, mask uint32) int

//go:noescape
func sharedSHA2(s *Shared, words []uint32) int

var kernels = []Kernel{
	{
		Name:    "sha2",
		Lanes:   4,
		Missing: missingSHA2(),
		MaxScan: 3336, // a third of 10000, the values of four digits
		Ops:     opsSHA2(),
		Weights: Weights{Scan: 0.5, Hash: 0.5, Tail: 0.5, Shared: 0.5}, // one SHA-2 instruction in a cycle

		Scan:      search(searchSHA2).scan,
		Hash:      search(searchSHA2).hash,
		ScanTails: tailsSHA2,
		ScanGrid:  ByChunks(search(searchSHA2).scan),

		ScanShared: sharedSHA2,
	},
	generic,
}

func missingSHA2() string {
	if cpuid.CPU.Supports(cpuid.SHA2) {
		return ""
	}
	return "SHA2"
}

// opsSHA2 counts the SHA-2 instructions of the functions in sha2_arm64.s, each as two
// operations. One pipe executes all of them, and the other instructions run in parallel.
func opsSHA2() (o Ops) {
	for vary := range o.Scan {
		// Each chain takes two instructions for every four rounds and two for every
		// four words of the schedule. The last four rounds take one if only a is needed,
		// as in Scan, and two for the whole hash value.
		n := 2*(16-vary/4) - 1 + 2*12 - int(savedSHA2[vary])
		o.Scan[vary] = 2 * 4 * n
		o.Hash[vary] = 2 * MaxStates * (n + 1)
	}
	o.Tail = 2 * MaxStates * (2*16 - 1)
	// Four chains share the schedule of a word. Of its 24 instructions, 3 compute constants.
	o.Shared = 2 * MaxStates / SharedStates * (SharedStates*(2*16-1) + 24 - 3)
	return o
}

// savedSHA2 lists, for each word that varies, how many schedule instructions searchSHA2
// omits per chain because they would only compute constants or plain sums.
var savedSHA2 = [16]uint8{2, 2, 3, 3, 2, 4, 5, 5, 4, 2, 3, 4, 3, 4, 3, 3}
