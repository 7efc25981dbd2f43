package asm

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// A sharedSample is a random Shared with its hashes by crypto/sha256.
type sharedSample struct {
	shared Shared
	words  []uint32
	h0     [][]uint32 // the first word of the hash, by word and chunk
}

func newSharedSample(rng *rand.Rand, n int) *sharedSample {
	s := new(sharedSample)
	var before [SharedStates][]byte
	for i := range before {
		before[i], _ = randomBlock(rng)
		s.shared.States[i] = hashState(before[i])
	}
	message, words := randomBlock(rng)
	varying := rng.Uint32()
	s.shared.Words = words
	s.shared.Words[0] &^= varying
	for i := range n {
		word := rng.Uint32() & varying
		if i == 0 {
			word = 0 // the value of a lane that a kernel fails to set
		}
		binary.BigEndian.PutUint32(message, s.shared.Words[0]|word)
		var h0 []uint32
		for _, b := range before {
			h0 = append(h0, hashState(b, message)[0])
		}
		s.words, s.h0 = append(s.words, word), append(s.h0, h0)
	}
	return s
}

// check compares ScanShared with crypto/sha256 for a mask and words[from:to].
func (s *sharedSample) check(t *testing.T, k Kernel, from, to int, mask uint32) {
	t.Helper()
	want := slices.IndexFunc(s.h0[from:to], func(h0 []uint32) bool { return anyHit(h0, mask) })
	shared := s.shared
	shared.Mask = mask
	before, words := shared, slices.Clone(s.words)
	if got := k.ScanShared(&shared, s.words[from:to]); got != want {
		t.Fatalf("ScanShared(mask %#x, words %d to %d) = %d; want %d", mask, from, to, got, want)
	}
	if shared != before || !slices.Equal(words, s.words) {
		t.Fatal("ScanShared changed its arguments")
	}
}

// ScanShared finds a single hit at every position.
func TestScanSharedFindsEveryPosition(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		for seed := range uint64(5) {
			s := newSharedSample(rand.New(rand.NewPCG(10, seed)), 3*sharedStep+1)
			for i := range s.words {
				for _, h0 := range s.h0[i] {
					s.check(t, k, 0, len(s.words), ^h0)
				}
			}
		}
	})
}

// ScanShared searches every word of a range and none outside it.
func TestScanSharedRanges(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		s := newSharedSample(rand.New(rand.NewPCG(11, 0)), 2*sharedStep+3)
		n := len(s.words)
		for from := range n + 1 {
			for to := from; to <= n; to++ {
				chunk := (from + to) % SharedStates
				before, last, after := s.h0[(from+n-1)%n][chunk], s.h0[(to+n-1)%n][chunk], s.h0[to%n][chunk]
				for _, mask := range []uint32{^before, ^last, ^after, 0} {
					s.check(t, k, from, to, mask)
				}
			}
		}
	})
}

// If a mask has few bits, several hits share a step, and many steps have hits.
func TestScanSharedMasks(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		s := newSharedSample(rand.New(rand.NewPCG(12, 0)), 200)
		for bits := range 33 {
			mask := ^(^uint32(0) >> bits)
			hit := func(i int) bool { return anyHit(s.h0[i], mask) }
			for from := range informative(len(s.words), 2*sharedStep+1, hit) {
				s.check(t, k, from, len(s.words), mask)
			}
		}
	})
}

func FuzzScanShared(f *testing.F) {
	f.Add(uint64(1), uint8(40), uint32(0xff000000))
	f.Add(uint64(2), uint8(1), uint32(0xffffffff))
	f.Add(uint64(3), uint8(0), uint32(0))
	f.Add(uint64(4), uint8(17), uint32(0x80000001))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8, mask uint32) {
		s := newSharedSample(rand.New(rand.NewPCG(seed, 0)), int(n)%70)
		for _, k := range testKernels() {
			if k.Missing == "" {
				s.check(t, k, 0, len(s.words), mask)
			}
		}
	})
}
