package asm

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
	"github.com/gkpow/gkpow/solver/internal/cases"
)

// required returns the names of the kernels that must run on this machine, from the environment
// variable GKPOW_TEST_REQUIRE.
func required() []string {
	return strings.FieldsFunc(os.Getenv("GKPOW_TEST_REQUIRE"), func(r rune) bool { return r == ',' })
}

// testKernels returns the kernels of this architecture and std, which runs on every architecture.
func testKernels() []Kernel {
	list := Kernels()
	if !slices.ContainsFunc(list, func(k Kernel) bool { return k.Name == std.Name }) {
		list = append(list, std)
	}
	return list
}

// eachKernel runs a test on every kernel that this CPU can run. It fails if the CPU cannot run a
// required kernel.
func eachKernel(t *testing.T, f func(t *testing.T, k Kernel)) {
	for _, k := range testKernels() {
		t.Run("kernel="+k.Name, func(t *testing.T) {
			if k.Missing != "" && slices.Contains(required(), k.Name) {
				t.Fatalf("GKPOW_TEST_REQUIRE names this kernel, but this CPU has no %s", k.Missing)
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
			t.Errorf("GKPOW_TEST_REQUIRE names kernel %q; the kernels are %q", name, names)
		}
	}
	if last := Kernels()[len(names)-1]; last.Name != Generic().Name || last.Missing != "" {
		t.Errorf("the last kernel is %q (missing %q); want the generic one, which runs everywhere", last.Name, last.Missing)
	}
}

// hashState returns the state of crypto/sha256 after whole blocks.
func hashState(blocks ...[]byte) (state [8]uint32) {
	h := sha256.New()
	for _, b := range blocks {
		h.Write(b)
	}
	encoded, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err)
	}
	for i := range state { // the state follows a 4-byte magic number
		state[i] = binary.BigEndian.Uint32(encoded[4+4*i:])
	}
	return state
}

// A sample is a random chunk with its hashes by crypto/sha256.
type sample struct {
	block Block
	words []uint32
	tails []Tail
	h0    []uint32   // the first word of the hash, by word
	after [][]uint32 // the same after a tail, by word and tail
}

func randomBlock(rng *rand.Rand) (b []byte, words [16]uint32) {
	b = make([]byte, 64)
	for i := range words {
		words[i] = rng.Uint32()
		binary.BigEndian.PutUint32(b[4*i:], words[i])
	}
	return b, words
}

func newSample(rng *rand.Rand, vary, n, tails int) *sample {
	before, _ := randomBlock(rng)
	message, words := randomBlock(rng)
	s := &sample{block: Block{State: hashState(before), Words: words, Vary: vary}}
	varying := rng.Uint32()
	s.block.Words[vary] &^= varying
	s.block.Prepare(0)
	last := make([][]byte, tails)
	s.tails = make([]Tail, tails)
	for i := range last {
		last[i], words = randomBlock(rng)
		s.tails[i].Set(&words)
	}
	for i := range n {
		word := rng.Uint32() & varying
		if i == 0 {
			word = 0 // the value of a lane that a kernel fails to set
		}
		binary.BigEndian.PutUint32(message[4*vary:], s.block.Words[vary]|word)
		s.words = append(s.words, word)
		s.h0 = append(s.h0, hashState(before, message)[0])
		var after []uint32
		for i := range last {
			after = append(after, hashState(before, message, last[i])[0])
		}
		s.after = append(s.after, after)
	}
	return s
}

// check compares Scan with crypto/sha256 for a mask and words[from:to].
func (s *sample) check(t *testing.T, k Kernel, from, to int, mask uint32) {
	t.Helper()
	want := slices.IndexFunc(s.h0[from:to], func(h0 uint32) bool { return h0&mask == 0 })
	b := s.block
	b.Mask = mask
	before, words := b, slices.Clone(s.words)
	if got := k.Scan(&b, s.words[from:to]); got != want {
		t.Fatalf("Scan(vary %d, mask %#x, words %d to %d) = %d; want %d", b.Vary, mask, from, to, got, want)
	}
	if b != before || !slices.Equal(words, s.words) {
		t.Fatalf("Scan(vary %d) changed its arguments", b.Vary)
	}
}

// hash returns the hash values for the first MaxStates words.
func (s *sample) hash(t *testing.T, k Kernel) *States {
	t.Helper()
	return &s.hashes(t, k, 0, MaxStates)[0]
}

// hashes returns the hash values for words[from:to], whose length is a multiple of MaxStates.
func (s *sample) hashes(t *testing.T, k Kernel, from, to int) []States {
	t.Helper()
	before, words := s.block, slices.Clone(s.words)
	n := (to - from) / MaxStates
	states := make([]States, n+1)
	states[n].values[0] = 1
	k.Hash(&s.block, s.words[from:to], states[:n])
	if states[n] != (States{values: [8 * MaxStates]uint32{1}}) {
		t.Fatalf("Hash(vary %d) of %d words wrote beyond the first %d States", s.block.Vary, to-from, n)
	}
	states = states[:n]
	if s.block != before || !slices.Equal(words, s.words) {
		t.Fatalf("Hash(vary %d) changed its arguments", s.block.Vary)
	}
	return states
}

// checkTails compares ScanTails with crypto/sha256 for a mask and the hash values of
// words[from:to].
func (s *sample) checkTails(t *testing.T, k Kernel, states *States, from, to int, mask uint32) {
	t.Helper()
	want := -1
	for i := len(s.tails) - 1; i >= 0; i-- {
		if slices.ContainsFunc(s.after[from:to], func(h0 []uint32) bool { return h0[i]&mask == 0 }) {
			want = i
		}
	}
	before, tails := *states, slices.Clone(s.tails)
	if got := k.ScanTails(states, s.tails, mask); got != want {
		t.Fatalf("ScanTails(vary %d, mask %#x, words %d to %d) = %d; want %d", s.block.Vary, mask, from, to, got, want)
	}
	if *states != before || !slices.Equal(tails, s.tails) {
		t.Fatal("ScanTails changed its arguments")
	}
}

// eachWord runs f for every word that can vary, or for some of them (see cases.Stride).
func eachWord(f func(rng *rand.Rand, vary int)) {
	for vary := 0; vary < 16; vary += cases.Stride() {
		f(rand.New(rand.NewPCG(1, uint64(vary))), vary)
	}
}

// Scan finds a single hit at every position. The mask is derived from the hash at that position.
func TestScanFindsEveryPosition(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		eachWord(func(rng *rand.Rand, vary int) {
			s := newSample(rng, vary, 3*k.Lanes+5, 0)
			for i := range s.words {
				s.check(t, k, 0, len(s.words), ^s.h0[i])
			}
		})
	})
}

// ScanTails finds a single hit at every position.
func TestScanTailsFindsEveryPosition(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		eachWord(func(rng *rand.Rand, vary int) {
			s := newSample(rng, vary, MaxStates, 5)
			states := s.hash(t, k)
			for i := range s.words {
				for _, h0 := range s.after[i] {
					s.checkTails(t, k, states, 0, MaxStates, ^h0)
				}
			}
		})
	})
}

// Scan searches every word of a range and none outside it.
func TestScanRanges(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		eachWord(func(rng *rand.Rand, vary int) {
			s := newSample(rng, vary, 2*k.Lanes+3, 0)
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

// One call of Hash fills any number of States, from any position in the words, and does not change
// the States after them.
func TestHash(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		eachWord(func(rng *rand.Rand, vary int) {
			s := newSample(rng, vary, MaxHash+5, 2)
			for n := MaxStates; n <= MaxHash; n += MaxStates {
				for from := 0; from+n <= len(s.words); from += 2 {
					states := s.hashes(t, k, from, from+n)
					for i := range states {
						first := from + MaxStates*i
						for _, at := range []int{0, first, first + n%13, first + MaxStates - 1, len(s.words) - 1} {
							s.checkTails(t, k, &states[i], first, first+MaxStates, ^s.after[at][1])
						}
					}
				}
			}
		})
	})
}

// ScanTails searches only the given tails, and finds no hit if there are none.
func TestScanTailsRanges(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		s := newSample(rand.New(rand.NewPCG(8, 0)), 13, MaxStates, 40)
		states := s.hash(t, k)
		all, after := s.tails, s.after
		for from := range len(all) {
			for _, to := range []int{from, from + 1, from + 2, len(all)} {
				s.tails = all[from:min(to, len(all))]
				s.after = nil
				for _, h0 := range after {
					s.after = append(s.after, h0[from:])
				}
				outside := after[3][(from+len(all)-1)%len(all)]
				for _, mask := range []uint32{0, ^uint32(0), ^after[31][from], ^outside} {
					s.checkTails(t, k, states, 0, MaxStates, mask)
				}
			}
		}
	})
}

// If a mask has few bits, several hits share a step, and Scan and ScanTails return the first one.
func TestScanMasks(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		eachWord(func(rng *rand.Rand, vary int) {
			s := newSample(rng, vary, min(k.MaxScan, 200), 0)
			tails := newSample(rng, vary, MaxStates, 20)
			states := tails.hash(t, k)
			for bits := range 33 {
				mask := ^(^uint32(0) >> bits)
				hit := func(i int) bool { return s.h0[i]&mask == 0 }
				for from := range informative(len(s.words), 3*k.Lanes, hit) {
					s.check(t, k, from, len(s.words), mask)
				}
				tails.checkTails(t, k, states, 0, MaxStates, mask)
			}
		})
	})
}

// informative yields every seventh start of a range that ends at n. Of the ranges without a hit it
// yields only the longest one and those no longer than last, since the others would show nothing
// new.
func informative(n, last int, hit func(i int) bool) iter.Seq[int] {
	return func(yield func(from int) bool) {
		next := 0 // the first hit that is not before from
		for from := 0; from < n; from += 7 {
			if !yield(from) {
				return
			}
			for next = max(next, from); next < n && !hit(next); next++ {
			}
			if next == n {
				from = max(from, (n-last)/7*7)
			}
		}
	}
}

// Prepare from the first changed word has the same result as Prepare from the start.
func TestPrepareFrom(t *testing.T) {
	eachWord(func(rng *rand.Rand, vary int) {
		s := newSample(rng, vary, 0, 0)
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
		if cases.Race && k.Name == std.Name {
			return // under the race detector, its sync.Pool drops some values on purpose
		}
		s := newSample(rand.New(rand.NewPCG(4, 0)), 10, max(MaxStates, 3*k.Lanes), 3)
		s.block.Mask = ^uint32(0)
		shared := newSharedSample(rand.New(rand.NewPCG(4, 1)), 3)
		shared.shared.Mask = ^uint32(0)
		states := make([]States, 1)
		chunk := func() {
			k.Scan(&s.block, s.words)
			k.Hash(&s.block, s.words[:MaxStates], states)
			k.ScanTails(&states[0], s.tails, ^uint32(0))
			k.ScanShared(&shared.shared, shared.words)
			s.block.Prepare(3)
		}
		if n := testing.AllocsPerRun(10, chunk); n != 0 {
			t.Errorf("%v allocations per chunk; want none", n)
		}
	})
}

func FuzzScan(f *testing.F) {
	f.Add(uint64(1), uint8(10), uint8(0), uint8(40), uint32(0xff000000))
	f.Add(uint64(2), uint8(0), uint8(1), uint8(1), uint32(0xffffffff))
	f.Add(uint64(3), uint8(15), uint8(2), uint8(0), uint32(0))
	f.Add(uint64(4), uint8(13), uint8(3), uint8(200), uint32(0x80000001))
	f.Fuzz(func(t *testing.T, seed uint64, vary, tails, n uint8, mask uint32) {
		s := newSample(rand.New(rand.NewPCG(seed, 0)), int(vary)%16, int(n), int(tails)%8)
		hashed := min(len(s.words), MaxHash) / MaxStates * MaxStates
		for _, k := range testKernels() {
			if k.Missing != "" {
				continue
			}
			s.check(t, k, 0, len(s.words), mask)
			if hashed == 0 {
				continue
			}
			for i, states := range s.hashes(t, k, 0, hashed) {
				s.checkTails(t, k, &states, MaxStates*i, MaxStates*(i+1), mask)
			}
		}
	})
}

// For the same number of hashes, Hash takes one to two times as many operations as Scan. A tail takes
// fewer than Hash and ScanShared, since it has no schedule. The later the varying word, the fewer
// operations Scan takes.
func TestOps(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		o := k.Ops
		for vary := range 16 {
			scan := o.Scan[vary] * MaxStates / k.Lanes
			if scan <= 0 || o.Hash[vary] < scan || o.Hash[vary] > 2*scan {
				t.Errorf("word %d: Scan takes %d operations for %d hashes, Hash %d; want 1 to 2 times as many",
					vary, scan, MaxStates, o.Hash[vary])
			}
		}
		if k.Name == std.Name {
			return // it always hashes whole blocks
		}
		if o.Scan[13] >= o.Scan[0] {
			t.Errorf("Scan takes %d operations for word 13 and %d for word 0; want fewer for word 13", o.Scan[13], o.Scan[0])
		}
		if o.Tail <= 0 || o.Tail >= o.Hash[0] {
			t.Errorf("a tail takes %d operations and Hash %d; want fewer for the tail", o.Tail, o.Hash[0])
		}
		if o.Shared <= o.Tail {
			t.Errorf("ScanShared takes %d operations and a tail %d; want more for ScanShared, which computes a schedule", o.Shared, o.Tail)
		}
	})
}

// Each function for which a kernel has operations has a weight.
func TestWeights(t *testing.T) {
	for _, k := range Kernels() {
		w := k.Weights
		if w.Scan <= 0 || w.Hash <= 0 || w.Tail <= 0 || w.Shared <= 0 || k.Ops.Grid[1] > 0 && w.Grid <= 0 {
			t.Errorf("kernel %s: the weights are %+v; want positive ones", k.Name, w)
		}
	}
}

// Prepare leaves out the words from allVary on, because none of their terms is constant.
func TestAllVary(t *testing.T) {
	first := 0
	for _, terms := range varying {
		for word := 16; word < 64; word++ {
			if terms[word] != schedule.All {
				first = max(first, word+1)
			}
		}
	}
	if first != allVary {
		t.Errorf("all terms vary from W[%d] on; want W[%d]", first, allVary)
	}
}
