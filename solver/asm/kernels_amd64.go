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

var kernels = []Kernel{
	{
		Name:    "avx512",
		Lanes:   16,
		Missing: missing(cpuid.AVX512F),
		MaxScan: 5008,
		Ops:     opsTable(&avx512Ops),
		Scan:    scanAVX512,
	},
	{
		Name:    "shani",
		Lanes:   2,
		Missing: missing(cpuid.SHA, cpuid.SSSE3, cpuid.SSE4, cpuid.AVX),
		MaxScan: 2504,
		Ops:     opsTable(&shaniOps),
		Scan:    scanSHANI,
	},
	{
		Name:    "avx2",
		Lanes:   8,
		Missing: missing(cpuid.AVX2),
		MaxScan: 2504,
		Ops:     opsTable(&avx2Ops),
		Scan:    scanAVX2,
	},
	generic,
}

// missing names the first of the features that this CPU, or its operating
// system, does not have.
func missing(features ...cpuid.FeatureID) string {
	for _, f := range features {
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
