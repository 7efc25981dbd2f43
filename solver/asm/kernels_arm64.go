//go:build !purego

package asm

import "github.com/klauspost/cpuid/v2"

// scanSHA2 works like scanGeneric.
//
//go:noescape
func scanSHA2(b *Block, words []uint32) int

var kernels = []Kernel{
	{
		Name:    "sha2",
		Lanes:   4,
		Missing: missingSHA2(),
		MaxScan: 3336, // a third of 10000, the values of four digits
		Ops:     opsSHA2,
		Scan:    scanSHA2,
	},
	generic,
}

func missingSHA2() string {
	if cpuid.CPU.Supports(cpuid.SHA2) {
		return ""
	}
	return "SHA2"
}

// opsSHA2 is the Ops of scanSHA2. It counts SHA-2 instructions, twice: one pipe
// does them all, and what else a step takes goes beside them.
func opsSHA2(vary int, tail bool) int {
	// For each chain, two for every four rounds and for every four words of the
	// schedule; the last rounds need only one.
	n := 2*(16-vary/4) - 1 + 2*12 - int(savedSHA2[vary])
	if tail {
		n += 2 * 16
	}
	return 2 * 4 * n
}

// savedSHA2 lists, for each word that varies, how many instructions of the
// schedule scanSHA2 leaves out for each chain, as what they add is constant or
// plain.
var savedSHA2 = [16]uint8{2, 2, 3, 3, 2, 4, 5, 5, 4, 2, 3, 4, 3, 4, 3, 3}
