package asm

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// required lists the kernels that must run on this machine, from the environment.
func required() []string {
	return strings.FieldsFunc(os.Getenv("GKPOW_TEST_REQUIRE"), func(r rune) bool { return r == ',' })
}

// eachKernel runs a test on every kernel that this CPU can run. One that is
// required and cannot run is a failure.
func eachKernel(t *testing.T, f func(t *testing.T, k Kernel)) {
	for _, k := range Kernels() {
		t.Run("kernel="+k.Name, func(t *testing.T) {
			if k.Missing != "" && slices.Contains(required(), k.Name) {
				t.Fatalf("required, but this CPU has no %s", k.Missing)
			}
			if k.Missing != "" {
				t.Skipf("this CPU has no %s", k.Missing)
			}
			f(t, k)
		})
	}
}

func TestRequiredKernelsExist(t *testing.T) {
	var names []string
	for _, k := range Kernels() {
		names = append(names, k.Name)
	}
	for _, name := range required() {
		if !slices.Contains(names, name) {
			t.Errorf("GKPOW_TEST_REQUIRE names %q; there are %q", name, names)
		}
	}
	if last := Kernels()[len(names)-1]; last.Name != Generic().Name || last.Missing != "" {
		t.Errorf("the last kernel is %q (missing %q); want the one that runs everywhere", last.Name, last.Missing)
	}
}

// hashState returns the hash state that crypto/sha256 has after whole blocks.
func hashState(blocks ...[]byte) (state [8]uint32) {
	h := sha256.New()
	for _, b := range blocks {
		h.Write(b)
	}
	encoded, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err)
	}
	for i := range state { // after a 4-byte mark
		state[i] = binary.BigEndian.Uint32(encoded[4+4*i:])
	}
	return state
}

// A sample is a chunk of random content, and what crypto/sha256 says of it.
type sample struct {
	block Block
	words []uint32
	h0    []uint32 // the first word of the hash for each of words
}

func newSample(rng *rand.Rand, vary int, tail bool, n int) *sample {
	random := func() []byte {
		b := make([]byte, 64)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	before, message, after := random(), random(), random()

	s := &sample{block: Block{State: hashState(before), Vary: vary, Tail: tail}}
	for i := range s.block.Words {
		s.block.Words[i] = binary.BigEndian.Uint32(message[4*i:])
	}
	varying := rng.Uint32()
	s.block.Words[vary] &^= varying
	s.block.Prepare(0)
	if tail {
		var words [16]uint32
		for i := range words {
			words[i] = binary.BigEndian.Uint32(after[4*i:])
		}
		s.block.SetTail(&words)
	}
	for range n {
		word := rng.Uint32() & varying
		binary.BigEndian.PutUint32(message[4*vary:], s.block.Words[vary]|word)
		blocks := [][]byte{before, message}
		if tail {
			blocks = append(blocks, after)
		}
		s.words = append(s.words, word)
		s.h0 = append(s.h0, hashState(blocks...)[0])
	}
	return s
}

// check compares Scan with crypto/sha256 for words from to to and a mask.
func (s *sample) check(t *testing.T, k Kernel, from, to int, mask uint32) {
	t.Helper()
	want := slices.IndexFunc(s.h0[from:to], func(h0 uint32) bool { return h0&mask == 0 })
	b := s.block
	b.Mask = mask
	before, words := b, slices.Clone(s.words)
	if got := k.Scan(&b, s.words[from:to]); got != want {
		t.Fatalf("Scan(vary %d, tail %v, mask %#x, words %d to %d) = %d; want %d", b.Vary, b.Tail, mask, from, to, got, want)
	}
	if b != before || !slices.Equal(words, s.words) {
		t.Fatalf("Scan(vary %d, tail %v) changed its arguments", b.Vary, b.Tail)
	}
}

// eachLayout runs f for every word that can vary, with and without a tail.
func eachLayout(f func(rng *rand.Rand, vary int, tail bool)) {
	for vary := range 16 {
		f(rand.New(rand.NewPCG(1, uint64(vary))), vary, false)
		f(rand.New(rand.NewPCG(2, uint64(vary))), vary, true)
	}
}

// A lone hit is found wherever it is: the mask is made from the very hash that
// is to be found.
func TestScanFindsEveryPosition(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		eachLayout(func(rng *rand.Rand, vary int, tail bool) {
			s := newSample(rng, vary, tail, 3*k.Lanes+5)
			for i := range s.words {
				s.check(t, k, 0, len(s.words), ^s.h0[i])
			}
		})
	})
}

// Any range of words is searched, all of it and nothing beside it.
func TestScanRanges(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		eachLayout(func(rng *rand.Rand, vary int, tail bool) {
			s := newSample(rng, vary, tail, 2*k.Lanes+3)
			n := len(s.words)
			for from := range n + 1 {
				for to := from; to <= n; to++ {
					for _, mask := range []uint32{^uint32(0), ^s.h0[(from+n-1)%n], ^s.h0[(to+n-1)%n], ^s.h0[to%n], 0} {
						s.check(t, k, from, to, mask)
					}
				}
			}
		})
	})
}

// With few bits wanted there are several hits in a step; the first one counts.
func TestScanMasks(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		eachLayout(func(rng *rand.Rand, vary int, tail bool) {
			s := newSample(rng, vary, tail, min(k.MaxScan, 200))
			for bits := range 33 {
				mask := ^(^uint32(0) >> bits)
				for from := 0; from < len(s.words); from += 7 {
					s.check(t, k, from, len(s.words), mask)
				}
			}
		})
	})
}

// Prepare from the first word that changed does the same as from the start.
func TestPrepareFrom(t *testing.T) {
	eachLayout(func(rng *rand.Rand, vary int, tail bool) {
		s := newSample(rng, vary, tail, 0)
		for from := range 16 {
			for t := from; t < 16; t++ {
				s.block.Words[t] = rng.Uint32()
			}
			fresh := s.block
			fresh.Prepare(0)
			s.block.Prepare(min(from, vary))
			if s.block != fresh {
				t.Fatalf("Prepare(%d) with word %d varying differs from Prepare(0)", from, vary)
			}
		}
	})
}

func TestCompress(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	state := IV
	var message []byte
	for range 50 {
		var words [16]uint32
		for i := range words {
			words[i] = rng.Uint32()
			message = binary.BigEndian.AppendUint32(message, words[i])
		}
		state = Compress(&state, &words)
		if want := hashState(message); state != want {
			t.Fatalf("after %d bytes: %x; want %x", len(message), state, want)
		}
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		s := newSample(rand.New(rand.NewPCG(4, 0)), 10, true, 3*k.Lanes)
		s.block.Mask = ^uint32(0)
		if n := testing.AllocsPerRun(10, func() { k.Scan(&s.block, s.words); s.block.Prepare(3) }); n != 0 {
			t.Errorf("%v allocations for a chunk; want none", n)
		}
	})
}

func FuzzScan(f *testing.F) {
	f.Add(uint64(1), uint8(10), false, uint8(40), uint32(0xff000000))
	f.Add(uint64(2), uint8(0), true, uint8(1), uint32(0xffffffff))
	f.Add(uint64(3), uint8(15), true, uint8(0), uint32(0))
	f.Add(uint64(4), uint8(13), false, uint8(200), uint32(0x80000001))
	f.Fuzz(func(t *testing.T, seed uint64, vary uint8, tail bool, n uint8, mask uint32) {
		s := newSample(rand.New(rand.NewPCG(seed, 0)), int(vary)%16, tail, int(n))
		for _, k := range Kernels() {
			if k.Missing == "" {
				s.check(t, k, 0, len(s.words), mask)
			}
		}
	})
}

// A block that follows costs operations, too, and later words cost least.
func TestOps(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		for vary := range 16 {
			one, two := k.Ops(vary, false), k.Ops(vary, true)
			if one <= 0 || two <= one {
				t.Errorf("word %d: %d operations, %d with a tail", vary, one, two)
			}
		}
		if first, late := k.Ops(0, false), k.Ops(13, false); late >= first {
			t.Errorf("word 13 takes %d operations, word 0 %d", late, first)
		}
	})
}
