//go:build !purego

package asm

import "github.com/klauspost/cpuid/v2"

// The kernels that _gen writes. They work like scanGeneric.

//go:noescape
func scanAVX512(b *Block, words []uint32) int

//go:noescape
func scanSHANI(b *Block, words []uint32) int

//go:noescape
func scanAVX2(b *Block, words []uint32) int

// features are what the code of each kernel needs, and the operating system's
// support of the registers where there are wider ones.
var features = map[string][]cpuid.FeatureID{
	"avx512": {cpuid.AVX, cpuid.AVX512F},
	"shani":  {cpuid.SHA, cpuid.AVX, cpuid.CMOV},
	"avx2":   {cpuid.AVX, cpuid.AVX2},
}

var kernels = []Kernel{
	{
		Name:    "avx512",
		Lanes:   16,
		Missing: missing("avx512"),
		MaxScan: 5008,
		Ops:     opsTable(&avx512Ops),
		Scan:    scanAVX512,
	},
	{
		Name:    "shani",
		Lanes:   2,
		Missing: missing("shani"),
		MaxScan: 2504,
		Ops:     opsTable(&shaniOps),
		Scan:    scanSHANI,
	},
	{
		Name:    "avx2",
		Lanes:   8,
		Missing: missing("avx2"),
		MaxScan: 2504,
		Ops:     opsTable(&avx2Ops),
		Scan:    scanAVX2,
	},
	generic,
}

// missing names the first of a kernel's features that this CPU, or its operating
// system, does not have.
func missing(kernel string) string {
	for _, f := range features[kernel] {
		if !cpuid.CPU.Supports(f) {
			return f.String()
		}
	}
	return ""
}

// opsTable makes a Kernel.Ops.
func opsTable(table *[16][2]int) func(vary int, tail bool) int {
	return func(vary int, tail bool) int {
		if tail {
			return table[vary][1]
		}
		return table[vary][0]
	}
}
