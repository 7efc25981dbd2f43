package asm

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gkpow/gkpow/solver/internal/cases"
)

// A gridSample is a random Grid with its hashes by crypto/sha256.
type gridSample struct {
	grid  Grid
	words []uint32
	h0    [][]uint32 // the first word of the hash, by word and chunk
}

func newGridSample(rng *rand.Rand, vary, n int) *gridSample {
	before, _ := randomBlock(rng)
	message, words := randomBlock(rng)
	s := &gridSample{grid: Grid{State: hashState(before), Words: words, Vary: vary}}
	lanes, steps := rng.Uint32(), rng.Uint32()
	s.grid.Words[vary-1] &^= lanes
	s.grid.Words[vary] &^= steps
	for i := range s.grid.Lanes {
		s.grid.Lanes[i] = rng.Uint32() & lanes
	}
	s.grid.Prepare()
	for range n {
		word := rng.Uint32() & steps
		binary.BigEndian.PutUint32(message[4*vary:], s.grid.Words[vary]|word)
		var h0 []uint32
		for _, lane := range s.grid.Lanes {
			binary.BigEndian.PutUint32(message[4*(vary-1):], s.grid.Words[vary-1]|lane)
			h0 = append(h0, hashState(before, message)[0])
		}
		s.words, s.h0 = append(s.words, word), append(s.h0, h0)
	}
	return s
}

// anyHit reports whether any chunk has a hit, given the first words of their hashes.
func anyHit(h0 []uint32, mask uint32) bool {
	return slices.ContainsFunc(h0, func(h0 uint32) bool { return h0&mask == 0 })
}

// check compares ScanGrid with crypto/sha256 for a mask and words[from:to].
func (s *gridSample) check(t *testing.T, k Kernel, from, to int, mask uint32) {
	t.Helper()
	want := slices.IndexFunc(s.h0[from:to], func(h0 []uint32) bool { return anyHit(h0, mask) })
	g := s.grid
	g.Mask = mask
	before, words := g, slices.Clone(s.words)
	if got := k.ScanGrid(&g, s.words[from:to]); got != want {
		t.Fatalf("ScanGrid(vary %d, mask %#x, words %d to %d) = %d; want %d", g.Vary, mask, from, to, got, want)
	}
	if g != before || !slices.Equal(words, s.words) {
		t.Fatalf("ScanGrid(vary %d) changed its arguments", g.Vary)
	}
}

// eachGridKernel runs a test on every kernel that has its own ScanGrid, and on the generic one as
// an example of the others.
func eachGridKernel(t *testing.T, f func(t *testing.T, k Kernel)) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		if k.Ops.Grid[1] == 0 && k.Name != generic.Name {
			t.Skip("this kernel scans grids chunk by chunk, like the generic one")
		}
		f(t, k)
	})
}

// eachGrid runs f for every word that can be the counter, or for some of them (see cases.Stride).
// It runs f less often for kernels that scan grids chunk by chunk.
func eachGrid(k Kernel, f func(rng *rand.Rand, vary int)) {
	step := cases.Stride()
	if k.Ops.Grid[1] == 0 {
		step = 6
	}
	for vary := 1; vary <= 13; vary += step {
		f(rand.New(rand.NewPCG(9, uint64(vary))), vary)
	}
}

// ScanGrid finds a single hit at every position.
func TestScanGridFindsEveryPosition(t *testing.T) {
	eachGridKernel(t, func(t *testing.T, k Kernel) {
		eachGrid(k, func(rng *rand.Rand, vary int) {
			s := newGridSample(rng, vary, 19)
			for i := range s.words {
				for _, h0 := range s.h0[i] {
					s.check(t, k, 0, len(s.words), ^h0)
				}
			}
		})
	})
}

// ScanGrid searches every word of a range and none outside it.
func TestScanGridRanges(t *testing.T) {
	eachGridKernel(t, func(t *testing.T, k Kernel) {
		eachGrid(k, func(rng *rand.Rand, vary int) {
			s := newGridSample(rng, vary, 19)
			n := len(s.words)
			for from := range n + 1 {
				for to := from; to <= n; to += 1 + (to-from)/5 {
					lane := (from + to) % GridLanes
					before, last, after := s.h0[(from+n-1)%n][lane], s.h0[(to+n-1)%n][lane], s.h0[to%n][lane]
					for _, mask := range []uint32{^before, ^last, ^after, 0} {
						s.check(t, k, from, to, mask)
					}
				}
			}
		})
	})
}

// If a mask has few bits, several hits share a step, and many steps have hits.
func TestScanGridMasks(t *testing.T) {
	eachGridKernel(t, func(t *testing.T, k Kernel) {
		eachGrid(k, func(rng *rand.Rand, vary int) {
			s := newGridSample(rng, vary, 40)
			for bits := range 33 {
				mask := ^(^uint32(0) >> bits)
				hit := func(i int) bool { return anyHit(s.h0[i], mask) }
				for from := range informative(len(s.words), 7, hit) {
					s.check(t, k, from, len(s.words), mask)
				}
			}
		})
	})
}

func TestScanGridDoesNotAllocate(t *testing.T) {
	eachGridKernel(t, func(t *testing.T, k Kernel) {
		s := newGridSample(rand.New(rand.NewPCG(4, 0)), 10, 20)
		s.grid.Mask = ^uint32(0)
		chunks := func() {
			s.grid.Prepare()
			k.ScanGrid(&s.grid, s.words)
		}
		if n := testing.AllocsPerRun(10, chunks); n != 0 {
			t.Errorf("%v allocations per grid; want none", n)
		}
	})
}

func FuzzScanGrid(f *testing.F) {
	f.Add(uint64(1), uint8(9), uint8(40), uint32(0xff000000))
	f.Add(uint64(2), uint8(0), uint8(1), uint32(0xffffffff))
	f.Add(uint64(3), uint8(12), uint8(0), uint32(0))
	f.Add(uint64(4), uint8(5), uint8(17), uint32(0x80000001))
	f.Fuzz(func(t *testing.T, seed uint64, vary, n uint8, mask uint32) {
		s := newGridSample(rand.New(rand.NewPCG(seed, 0)), 1+int(vary)%13, int(n)%70)
		for _, k := range testKernels() {
			if k.Missing == "" && (k.Ops.Grid[1] > 0 || k.Name == generic.Name) {
				s.check(t, k, 0, len(s.words), mask)
			}
		}
	})
}

// A kernel has its own ScanGrid for all counters or for none, and it takes fewer operations than
// Scan.
func TestGridOps(t *testing.T) {
	for _, k := range Kernels() {
		for vary, ops := range k.Ops.Grid {
			if possible := 1 <= vary && vary <= 13; (ops > 0) != (possible && k.Ops.Grid[1] > 0) {
				t.Errorf("kernel %s: ScanGrid has %d operations for counter %d; want all counters from 1 to 13 or none",
					k.Name, ops, vary)
			}
			if ops*k.Lanes >= k.Ops.Scan[vary]*GridLanes {
				t.Errorf("kernel %s, word %d: ScanGrid takes %d operations for %d hashes, Scan %d for %d; want fewer per hash",
					k.Name, vary, ops, GridLanes, k.Ops.Scan[vary], k.Lanes)
			}
		}
	}
}
