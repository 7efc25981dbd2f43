package asm

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// BenchmarkScan measures the rate of each kernel for several varying words.
func BenchmarkScan(b *testing.B) {
	for _, k := range Kernels() {
		for _, vary := range []int{0, 3, 8, 10, 13} {
			b.Run("kernel="+k.Name+"/vary="+strconv.Itoa(vary), func(b *testing.B) {
				if k.Missing != "" {
					b.Skipf("this CPU has no %s", k.Missing)
				}
				s := newSample(rand.New(rand.NewPCG(5, 0)), vary, k.MaxScan, 0)
				s.block.Mask = ^uint32(0)
				for b.Loop() {
					k.Scan(&s.block, s.words)
				}
				b.ReportMetric(float64(b.N)*float64(k.MaxScan)/b.Elapsed().Seconds(), "hashes/s")
			})
		}
	}
}

// BenchmarkScanShared measures the rate of each kernel's ScanShared.
func BenchmarkScanShared(b *testing.B) {
	for _, k := range Kernels() {
		b.Run("kernel="+k.Name, func(b *testing.B) {
			if k.Missing != "" {
				b.Skipf("this CPU has no %s", k.Missing)
			}
			s := newSharedSample(rand.New(rand.NewPCG(5, 0)), k.MaxScan/SharedStates)
			s.shared.Mask = ^uint32(0)
			for b.Loop() {
				k.ScanShared(&s.shared, s.words)
			}
			hashes := float64(SharedStates * len(s.words))
			b.ReportMetric(float64(b.N)*hashes/b.Elapsed().Seconds(), "hashes/s")
		})
	}
}
