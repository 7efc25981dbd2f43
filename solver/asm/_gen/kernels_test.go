package main

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"github.com/mmcloughlin/avo/ir"

	"github.com/gkpow/gkpow/solver/asm"
)

// The tests of this file interpret the generated code on a machine and compare its results with
// crypto/sha256. They test all kernels on every CPU, even one that cannot run them.

// built returns the functions of a kernel and their counts. It builds each kernel once, since that
// takes seconds.
func built(t *testing.T, k kernel) (map[string]*ir.Function, counts) {
	t.Helper()
	file, n, err := builds[k.name]()
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*ir.Function{}
	for _, f := range file.Functions() {
		functions[f.Name] = f
	}
	return functions, n
}

var builds = func() map[string]func() (*ir.File, counts, error) {
	builds := map[string]func() (*ir.File, counts, error){}
	for _, k := range kernels {
		build := sync.OnceValue(func() (b struct {
			file *ir.File
			n    counts
			err  error
		}) {
			b.file, b.n, b.err = k.build()
			return b
		})
		builds[k.name] = func() (*ir.File, counts, error) { b := build(); return b.file, b.n, b.err }
	}
	return builds
}()

// newMachine returns a machine whose memory holds the tables that the kernels use.
func newMachine() *machine {
	m := &machine{uses: observer}
	var k asm.Tail // K[t] + W[t] of a block of zeros
	k.Set(new([16]uint32))
	var pairs [32][4][2]uint32
	var powers [32][8]uint32
	for n := range 32 {
		for i := range 4 {
			pairs[n][i] = [2]uint32(k[2*n:])
		}
		for i := range 8 {
			powers[n][i] = 1 << n
		}
	}
	var firstLanes [16]uint32
	for i := range 8 {
		firstLanes[i] = ^uint32(0)
	}
	var places [4][4]uint32
	for i := range places {
		places[i] = [4]uint32{0x80808080, 0x80808080, 0x80808080, 0x80808080}
		places[i][i] = 0x03020100
	}
	m.add("·k", bytesOf(&k), 0)
	m.add("·pairs", bytesOf(&pairs), 0)
	m.add("·powers", bytesOf(&powers), 0)
	m.add("·firstLanes", bytesOf(&firstLanes), 0)
	m.add("places", bytesOf(&places), 0)
	return m
}

// bytesOf returns the memory of a value.
func bytesOf[T any](p *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p)) }

// give adds a value to the machine's memory, aligned to no more than four bytes, and returns its
// address.
func give[T any](m *machine, name string, p *T) uint64 { return m.add(name, bytesOf(p), 4) }

// giveSlice adds a slice to the machine's memory and returns the arguments that pass it: address,
// length and capacity.
func giveSlice[T any](m *machine, name string, s []T) []uint64 {
	n := uint64(len(s))
	if n == 0 {
		return []uint64{m.add(name, nil, 4), 0, 0}
	}
	return []uint64{m.add(name, unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), uintptr(n)*unsafe.Sizeof(s[0])), 4), n, n}
}

// none is a mask that no hash in a test meets: all bits of its first word would have to be zero.
const none = ^uint32(0)

// A chunk is a random Block that follows a random block, with values for its varying word.
type chunk struct {
	before, message []byte // the block before, and the buffer of with
	block           asm.Block
	words           []uint32 // values of the varying word
	h0              []uint32 // the first word of the hash for each of words
}

func newChunk(rng *rand.Rand, vary, n int) *chunk {
	c := &chunk{before: make([]byte, 64), message: make([]byte, 64), block: asm.Block{Vary: vary}}
	for i := range 16 {
		binary.BigEndian.PutUint32(c.before[4*i:], rng.Uint32())
		c.block.Words[i] = rng.Uint32()
	}
	c.block.State = hashState(c.before)
	varying := rng.Uint32()
	c.block.Words[vary] &^= varying
	c.block.Prepare(0)
	for range n {
		word := rng.Uint32() & varying
		c.words = append(c.words, word)
		c.h0 = append(c.h0, hashState(c.before, c.with(vary, word))[0])
	}
	return c
}

// with returns the message with the given bits set in one of its words. The next call overwrites
// it.
func (c *chunk) with(vary int, bits uint32) []byte {
	for i, w := range c.block.Words {
		if i == vary {
			w |= bits
		}
		binary.BigEndian.PutUint32(c.message[4*i:], w)
	}
	return c.message
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

// runSearch executes Hash if states is not nil, and Scan otherwise.
func runSearch(t *testing.T, k kernel, b *asm.Block, words []uint32, states *asm.States) int {
	t.Helper()
	functions, _ := built(t, k)
	m := newMachine()
	arguments := append([]uint64{give(m, "Block", b)}, giveSlice(m, "words", words)...)
	if states != nil {
		arguments = append(arguments, give(m, "States", states))
	} else {
		arguments = append(arguments, 0)
	}
	result := m.call(functions["search"+k.in], arguments...)
	checkTransitions(t, k, m)
	return result
}

// checkTransitions fails if a kernel other than mixed256 executed SHA instructions while upper
// halves of vector registers were in use.
func checkTransitions(t *testing.T, k kernel, m *machine) {
	t.Helper()
	if m.transitions > 0 && k.name != "mixed256" {
		t.Fatalf("%d SHA instructions ran while upper halves of vector registers were in use", m.transitions)
	}
}

func TestScan(t *testing.T) {
	for _, k := range kernels {
		t.Run(k.name, func(t *testing.T) {
			for vary := range 16 {
				c := newChunk(rand.New(rand.NewPCG(1, uint64(vary))), vary, 2*k.lanes+3)
				n := len(c.words)
				for _, test := range []struct{ from, to, hit int }{
					{0, n, -1},
					{0, n, 0},
					{0, n, k.lanes - 1},
					{0, n, k.lanes + 1},
					{0, n, n - 1},
					{0, n - 1, n - 1}, // the hit is just past the end
					{1, 3, 2},
					{1, 1, 1},
				} {
					c.block.Mask = none
					if test.hit >= 0 {
						c.block.Mask = ^c.h0[test.hit]
					}
					want := slices.IndexFunc(c.h0[test.from:test.to], func(h0 uint32) bool { return h0&c.block.Mask == 0 })
					if got := runSearch(t, k, &c.block, c.words[test.from:test.to], nil); got != want {
						t.Fatalf("Scan(word %d varies, %d to %d, hit at %d) = %d; want %d",
							vary, test.from, test.to, test.hit, got, want)
					}
				}
				c.block.Mask = 0
				if got := runSearch(t, k, &c.block, c.words, nil); got != 0 {
					t.Fatalf("Scan(word %d varies, all hit) = %d; want 0", vary, got)
				}
			}
		})
	}
}

func TestScanTails(t *testing.T) {
	for _, k := range kernels {
		t.Run(k.name, func(t *testing.T) {
			scanner := k
			if k.tails == nil { // the kernel uses shani's ScanTails
				scanner = kernels[slices.IndexFunc(kernels, func(k kernel) bool { return k.name == "shani" })]
			}
			functions, _ := built(t, scanner)
			for vary := range 16 {
				rng := rand.New(rand.NewPCG(2, uint64(vary)))
				c := newChunk(rng, vary, maxStates)
				var states asm.States
				runSearch(t, k, &c.block, c.words, &states)
				if k.name == "mixed512" {
					spreadFirst8(&states)
				}
				tails, last := make([]asm.Tail, 3), make([][]byte, 3)
				for i := range tails {
					next := newChunk(rng, 0, 0)
					tails[i].Set(&next.block.Words)
					last[i] = slices.Clone(next.with(0, 0))
				}
				scan := func(mask uint32) int {
					m := newMachine()
					arguments := append([]uint64{give(m, "States", &states)}, giveSlice(m, "tails", tails)...)
					result := m.call(functions["tails"+scanner.in], append(arguments, uint64(mask))...)
					checkTransitions(t, scanner, m)
					return result
				}
				if got := scan(none); got != -1 {
					t.Fatalf("ScanTails(word %d varies, no hit) = %d; want -1", vary, got)
				}
				var h0 [][]uint32 // the first word of the hash, by tail and hash value
				for i := range tails {
					h0 = append(h0, nil)
					for _, word := range c.words {
						h0[i] = append(h0[i], hashState(c.before, c.with(vary, word), last[i])[0])
					}
				}
				for i := range c.words {
					mask := ^h0[i%len(tails)][i]
					want := slices.IndexFunc(h0, func(h0 []uint32) bool {
						return slices.ContainsFunc(h0, func(h0 uint32) bool { return h0&mask == 0 })
					})
					if got := scan(mask); got != want {
						t.Fatalf("ScanTails(word %d varies, hit of hash value %d) = %d; want %d", vary, i, got, want)
					}
				}
			}
		})
	}
}

func TestScanShared(t *testing.T) {
	for _, k := range kernels {
		if k.shared == nil {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			for n := range 2*k.sharedStep + 2 {
				s, words, h0 := newShared(rand.New(rand.NewPCG(6, uint64(n))), n+1) // and one that must not be read
				scan := func(mask uint32) {
					t.Helper()
					want := slices.IndexFunc(h0[:n], func(h0 []uint32) bool {
						return slices.ContainsFunc(h0, func(h0 uint32) bool { return h0&mask == 0 })
					})
					s.Mask = mask
					if got := runShared(t, k, s, words[:n:n]); got != want {
						t.Fatalf("ScanShared(%d words, mask %#x) = %d; want %d", n, mask, got, want)
					}
				}
				scan(none)
				scan(^h0[n][n%sharedStates])
				for step := range n {
					for chunk := range sharedStates {
						if n < 3 || (step+chunk)%3 == n%3 {
							scan(^h0[step][chunk])
						}
					}
				}
			}
		})
	}
}

// The longest calls of ScanShared consist of whole steps.
func TestMaxScan(t *testing.T) {
	for _, k := range asm.Kernels() {
		i := slices.IndexFunc(kernels, func(own kernel) bool { return own.name == k.Name })
		if i < 0 || kernels[i].shared == nil {
			continue
		}
		if step := sharedStates * kernels[i].sharedStep; k.MaxScan%step != 0 {
			t.Errorf("%s: MaxScan is %d; want a multiple of %d", k.Name, k.MaxScan, step)
		}
	}
}

// newShared returns a random Shared and n values of its varying word, with the first word of the
// hash by value and chunk.
func newShared(rng *rand.Rand, n int) (s *asm.Shared, words []uint32, h0 [][]uint32) {
	s = new(asm.Shared)
	last := newChunk(rng, 0, n)
	s.Words = last.block.Words
	h0 = make([][]uint32, n)
	for i := range s.States {
		before := slices.Clone(newChunk(rng, 0, 0).before)
		s.States[i] = hashState(before)
		for j, word := range last.words {
			h0[j] = append(h0[j], hashState(before, last.with(0, word))[0])
		}
	}
	return s, last.words, h0
}

func runShared(t *testing.T, k kernel, s *asm.Shared, words []uint32) int {
	functions, _ := built(t, k)
	m := newMachine()
	arguments := []uint64{give(m, "Shared", s)}
	if k.sharedLast {
		last := asm.Block{State: s.States[sharedStates-1], Words: s.Words, Mask: s.Mask}
		last.Prepare(0)
		arguments = append(arguments, give(m, "Block", &last))
	}
	result := m.call(functions["shared"+k.in], append(arguments, giveSlice(m, "words", words)...)...)
	checkTransitions(t, k, m)
	return result
}

// spreadFirst8 does the same as the unexported method of asm.States, which mixed512 needs between
// Hash and ScanTails.
func spreadFirst8(s *asm.States) {
	values := (*[8 * maxStates]uint32)(unsafe.Pointer(s))
	first := [64]uint32(values[:])
	for lane := range 8 {
		for i, from := range [8]int{3, 2, 7, 6, 1, 0, 5, 4} {
			values[8*i+lane] = first[8*lane+from]
		}
	}
}

func TestScanGrid(t *testing.T) {
	for _, k := range kernels {
		if k.grid == nil {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			for counter := firstCounter; counter <= lastCounter; counter++ {
				rng := rand.New(rand.NewPCG(3, uint64(counter)))
				c := newChunk(rng, counter, 2*asm.GridLanes+3)
				g := &asm.Grid{State: c.block.State, Words: c.block.Words, Vary: counter}
				varying := rng.Uint32()
				g.Words[counter-1] &^= varying
				for i := range g.Lanes {
					g.Lanes[i] = rng.Uint32() & varying
				}
				g.Prepare()
				n := len(c.words)
				var h0 [][]uint32 // the first word of the hash, by word and chunk
				for i, word := range c.words {
					h0 = append(h0, nil)
					for _, lane := range g.Lanes {
						c.block.Words[counter-1] = g.Words[counter-1] | lane
						h0[i] = append(h0[i], hashState(c.before, c.with(counter, word))[0])
					}
				}
				for _, test := range []struct{ from, to, hit, lane int }{
					{0, n, -1, 0},
					{0, n, 0, 0},
					{0, n, 7, 7},
					{0, n, 8, 8},
					{0, n, 17, 15},
					{0, n, n - 1, 5},
					{0, n - 1, n - 1, 12}, // the hit is just past the end
					{3, 5, 4, 2},
					{1, 1, 1, 1},
				} {
					g.Mask = none
					if test.hit >= 0 {
						g.Mask = ^h0[test.hit][test.lane]
					}
					want := slices.IndexFunc(h0[test.from:test.to], func(h0 []uint32) bool {
						return slices.ContainsFunc(h0, func(h0 uint32) bool { return h0&g.Mask == 0 })
					})
					if got := runGrid(t, k, g, c.words[test.from:test.to]); got != want {
						t.Fatalf("ScanGrid(counter in word %d, %d to %d, hit at %d in chunk %d) = %d; want %d",
							counter, test.from, test.to, test.hit, test.lane, got, want)
					}
				}
				g.Mask = 0
				if got := runGrid(t, k, g, c.words); got != 0 {
					t.Fatalf("ScanGrid(counter in word %d, all hit) = %d; want 0", counter, got)
				}
			}
		})
	}
}

// runGrid executes ScanGrid, once per half of the grid if the kernel has eight lanes.
func runGrid(t *testing.T, k kernel, g *asm.Grid, words []uint32) int {
	t.Helper()
	functions, _ := built(t, k)
	found := -1
	for first := 0; first < asm.GridLanes; first += k.lanes {
		m := newMachine()
		arguments := []uint64{give(m, "Grid", g)}
		if k.lanes < asm.GridLanes {
			arguments = append(arguments, uint64(first))
		}
		arguments = append(arguments, giveSlice(m, "words", words)...)
		if i := m.call(functions["grid"+k.in], arguments...); i >= 0 {
			found, words = i, words[:i]
		}
		checkTransitions(t, k, m)
	}
	return found
}
