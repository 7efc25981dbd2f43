package asm

import (
	"fmt"
	"testing"
)

func TestSelfTest(t *testing.T) {
	eachKernel(t, func(t *testing.T, k Kernel) {
		for name, test := range map[string]func(vary int) error{
			"scan": k.SelfTestScan, "tails": k.SelfTestTails, "grid": k.SelfTestGrid,
		} {
			t.Run(name, func(t *testing.T) {
				for vary := range 16 {
					if name == "grid" && (vary == 0 || vary > 13) {
						continue
					}
					if err := test(vary); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
		t.Run("shared", func(t *testing.T) {
			if err := k.SelfTestShared(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// A kernel with any one of these faults fails its self-test.
func TestSelfTestFindsFaults(t *testing.T) {
	type scan = func(b *Block, words []uint32) int
	scans := map[string]scan{
		"finds nothing":  func(*Block, []uint32) int { return -1 },
		"finds anything": func(*Block, []uint32) int { return 0 },
		"finds the last word": func(_ *Block, words []uint32) int {
			return len(words) - 1
		},
		"returns the word before": func(b *Block, words []uint32) int {
			return max(-1, scanGeneric(b, words)-1)
		},
		"returns the word after": func(b *Block, words []uint32) int {
			if i := scanGeneric(b, words); i >= 0 {
				return i + 1
			}
			return -1
		},
		"returns the last hit": func(b *Block, words []uint32) int {
			last := -1
			for i := range words {
				if scanGeneric(b, words[i:i+1]) == 0 {
					last = i
				}
			}
			return last
		},
		"skips the remainder of a range": func(b *Block, words []uint32) int {
			return scanGeneric(b, words[:len(words)/16*16])
		},
		"skips the remainder of a short range": func(b *Block, words []uint32) int {
			if len(words) < 16 {
				words = words[:len(words)/4*4]
			}
			return scanGeneric(b, words)
		},
		"searches beyond the range": func(b *Block, words []uint32) int {
			return scanGeneric(b, words[:min(len(words)+1, cap(words))])
		},
		"ignores half the mask": func(b *Block, words []uint32) int {
			block := *b
			block.Mask &= 0xffff0000
			return scanGeneric(&block, words)
		},
	}
	for lane := range 16 {
		scans[fmt.Sprintf("misses lane %d", lane)] = func(b *Block, words []uint32) int {
			if i := scanGeneric(b, words); i%16 != lane {
				return i
			}
			return -1
		}
	}
	for vary := range 16 {
		scans[fmt.Sprintf("wrong for word %d", vary)] = func(b *Block, words []uint32) int {
			block := *b
			if b.Vary == vary {
				block.after[0] ^= 1
			}
			return scanGeneric(&block, words)
		}
	}
	for name, scan := range scans {
		t.Run(name, func(t *testing.T) {
			k := Generic()
			k.Scan, k.Lanes = scan, 16
			if k.SelfTest() == nil {
				t.Error("passed the self-test")
			}
		})
	}
}

// The same for Hash and ScanTails.
func TestSelfTestFindsFaultsInTails(t *testing.T) {
	g := Generic()
	kernels := map[string]Kernel{
		"finds nothing":  {Hash: g.Hash, ScanTails: func(*States, []Tail, uint32) int { return -1 }},
		"finds anything": {Hash: g.Hash, ScanTails: func(*States, []Tail, uint32) int { return 0 }},
		"returns the tail before": {Hash: g.Hash, ScanTails: func(s *States, tails []Tail, mask uint32) int {
			return max(-1, g.ScanTails(s, tails, mask)-1)
		}},
		"returns the last tail": {Hash: g.Hash, ScanTails: func(s *States, tails []Tail, mask uint32) int {
			last := -1
			for i := range tails {
				if g.ScanTails(s, tails[i:i+1], mask) == 0 {
					last = i
				}
			}
			return last
		}},
		"ignores half the mask": {Hash: g.Hash, ScanTails: func(s *States, tails []Tail, mask uint32) int {
			return g.ScanTails(s, tails, mask&0xffff0000)
		}},
		"skips the last word": {ScanTails: g.ScanTails, Hash: func(b *Block, words []uint32, s []States) {
			g.Hash(b, words[:len(words)-1], s)
		}},
		"hashes the first words only": {ScanTails: g.ScanTails, Hash: func(b *Block, words []uint32, s []States) {
			g.Hash(b, words[:MaxStates], s)
		}},
		"repeats the first words": {ScanTails: g.ScanTails, Hash: func(b *Block, words []uint32, s []States) {
			for i := range s {
				g.Hash(b, words[:MaxStates], s[i:i+1])
			}
		}},
	}
	for lane := range MaxStates {
		kernels[fmt.Sprintf("misses state %d", lane)] = Kernel{
			Hash: g.Hash,
			ScanTails: func(s *States, tails []Tail, mask uint32) int {
				broken := *s
				broken.values[8*lane+3] ^= 1
				return g.ScanTails(&broken, tails, mask)
			},
		}
	}
	for vary := range 16 {
		kernels[fmt.Sprintf("wrong for word %d", vary)] = Kernel{
			ScanTails: g.ScanTails,
			Hash: func(b *Block, words []uint32, s []States) {
				block := *b
				if b.Vary == vary {
					block.after[0] ^= 1
				}
				g.Hash(&block, words, s)
			},
		}
	}
	for name, k := range kernels {
		t.Run(name, func(t *testing.T) {
			k.Scan = g.Scan
			if k.SelfTest() == nil {
				t.Error("passed the self-test")
			}
		})
	}
}

// The same for ScanGrid.
func TestSelfTestFindsFaultsInGrids(t *testing.T) {
	right := func(g *Grid, words []uint32) int { return ByChunks(scanGeneric)(g, words) }
	type scan = func(g *Grid, words []uint32) int
	scans := map[string]scan{
		"finds nothing":  func(*Grid, []uint32) int { return -1 },
		"finds anything": func(*Grid, []uint32) int { return 0 },
		"returns the word after": func(g *Grid, words []uint32) int {
			if i := right(g, words); i >= 0 {
				return i + 1
			}
			return -1
		},
		"skips the remainder of a range": func(g *Grid, words []uint32) int {
			return right(g, words[:len(words)/16*16])
		},
		"searches beyond the range": func(g *Grid, words []uint32) int {
			return right(g, words[:min(len(words)+1, cap(words))])
		},
		"ignores half the mask": func(g *Grid, words []uint32) int {
			half := *g
			half.Mask &= 0xffff0000
			return right(&half, words)
		},
	}
	for lane := range GridLanes {
		scans[fmt.Sprintf("misses lane %d", lane)] = func(g *Grid, words []uint32) int {
			broken := *g
			broken.Lanes[lane] ^= 0x40
			return right(&broken, words)
		}
		scans[fmt.Sprintf("misses step %d", lane)] = func(g *Grid, words []uint32) int {
			if i := right(g, words); i%16 != lane {
				return i
			}
			return -1
		}
	}
	for vary := 1; vary <= 13; vary++ {
		scans[fmt.Sprintf("wrong for word %d", vary)] = func(g *Grid, words []uint32) int {
			broken := *g
			if g.Vary == vary {
				broken.Words[0] ^= 1 << 31
			}
			return right(&broken, words)
		}
	}
	k := Generic()
	for vary := 1; vary <= 13; vary++ {
		k.Ops.Grid[vary] = 1 // the kernel claims a ScanGrid of its own
	}
	if k.ScanGrid = right; k.SelfTest() != nil {
		t.Error("a correct kernel fails the self-test")
	}
	for name, scan := range scans {
		t.Run(name, func(t *testing.T) {
			k := k
			k.ScanGrid = scan
			// SelfTest would repeat the tests of Scan and tails, which a fault in ScanGrid cannot affect.
			for vary := 1; vary <= 13; vary++ {
				if k.SelfTestGrid(vary) != nil {
					return
				}
			}
			t.Error("passed the self-test")
		})
	}
	if k.ScanGrid = scans["finds nothing"]; k.SelfTest() == nil {
		t.Error("SelfTest leaves out ScanGrid")
	}
}

// The same for ScanShared.
func TestSelfTestFindsFaultsInSharedBlocks(t *testing.T) {
	type scan = func(s *Shared, words []uint32) int
	scans := map[string]scan{
		"finds nothing":  func(*Shared, []uint32) int { return -1 },
		"finds anything": func(*Shared, []uint32) int { return 0 },
		"returns the word after": func(s *Shared, words []uint32) int {
			if i := scanSharedGeneric(s, words); i >= 0 {
				return i + 1
			}
			return -1
		},
		"returns the last hit": func(s *Shared, words []uint32) int {
			last := -1
			for i := range words {
				if scanSharedGeneric(s, words[i:i+1]) == 0 {
					last = i
				}
			}
			return last
		},
		"skips the remainder of a range": func(s *Shared, words []uint32) int {
			return scanSharedGeneric(s, words[:len(words)/8*8])
		},
		"searches beyond the range": func(s *Shared, words []uint32) int {
			return scanSharedGeneric(s, words[:min(len(words)+1, cap(words))])
		},
		"ignores half the mask": func(s *Shared, words []uint32) int {
			half := *s
			half.Mask &= 0xffff0000
			return scanSharedGeneric(&half, words)
		},
	}
	for chunk := range SharedStates {
		scans[fmt.Sprintf("misses chunk %d", chunk)] = func(s *Shared, words []uint32) int {
			broken := *s
			broken.States[chunk][3] ^= 1
			return scanSharedGeneric(&broken, words)
		}
	}
	for step := range sharedStep {
		scans[fmt.Sprintf("misses step %d", step)] = func(s *Shared, words []uint32) int {
			if i := scanSharedGeneric(s, words); i%sharedStep != step {
				return i
			}
			return -1
		}
	}
	for word := range 16 {
		scans[fmt.Sprintf("wrong in word %d", word)] = func(s *Shared, words []uint32) int {
			broken := *s
			broken.Words[word] ^= 1 << 31
			return scanSharedGeneric(&broken, words)
		}
	}
	for name, scan := range scans {
		t.Run(name, func(t *testing.T) {
			k := Generic()
			k.ScanShared = scan
			if k.SelfTestShared() == nil {
				t.Error("passed the self-test")
			}
		})
	}
	k := Generic()
	if k.ScanShared = scans["finds nothing"]; k.SelfTest() == nil {
		t.Error("SelfTest leaves out ScanShared")
	}
}

func BenchmarkSelfTest(b *testing.B) {
	for _, k := range Kernels() {
		b.Run("kernel="+k.Name, func(b *testing.B) {
			if k.Missing != "" {
				b.Skipf("this CPU has no %s", k.Missing)
			}
			for b.Loop() {
				if err := k.SelfTest(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
