package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gkpow/gkpow/solver/asm"
)

// uses records the instructions whose results another instruction, or the caller, has read.
type uses struct {
	used    map[*ir.Instruction]bool
	writers map[place]*ir.Instruction // the instruction that last wrote each place
}

// A place is a location that an instruction can write: a register, the flags, or four bytes of
// memory.
type place struct {
	kind reg.Kind // a kind of register, inMemory or inFlags
	at   uint64   // index of the register, or address
}

const inMemory, inFlags reg.Kind = 254, 255

// observer records the instructions that the machines of a test execute. nil records nothing.
var observer *uses

func (u *uses) read(p place) {
	if w := u.writers[p]; w != nil {
		u.used[w] = true
	}
}

// note records an instruction that the machine is about to execute.
func (u *uses) note(s step) {
	flags := place{kind: inFlags}
	if s.IsConditional || strings.HasPrefix(s.Opcode, "CMOV") {
		u.read(flags)
	}
	cancelled := s.CancellingInputs && s.Operands[0] == s.Operands[1]
	if !cancelled {
		eachRegister(s.Inputs, u.read)
	}
	for _, m := range memoryOf(s.Operands) {
		eachRegister([]operand.Op{m.Base, m.Index}, u.read)
	}
	s.eachWord(s.Inputs, u.read)

	write := func(p place) {
		u.writers[p] = s.Instruction
		if p.kind == inMemory && slices.Contains([]string{"States", "tails", "arguments"}, s.machine.memory[p.at>>32-1].name) {
			u.used[s.Instruction] = true // the caller reads it
		}
	}
	eachRegister(s.Outputs, write)
	s.eachWord(s.Outputs, write)
	keepsFlags := slices.ContainsFunc([]string{"V", "MOV", "CMOV", "KMOV", "LEA", "SHA256"}, func(prefix string) bool {
		return strings.HasPrefix(s.Opcode, prefix)
	})
	if !s.IsBranch && !keepsFlags {
		write(flags)
	}
}

func eachRegister(ops []operand.Op, f func(place)) {
	for _, op := range ops {
		if r, ok := op.(reg.Physical); ok {
			f(place{r.Kind(), uint64(r.PhysicalIndex())})
		}
	}
}

// eachWord calls f for each four bytes of memory that the operands cover.
func (s step) eachWord(ops []operand.Op, f func(place)) {
	if s.Opcode == "LEAQ" {
		return
	}
	for _, m := range memoryOf(ops) {
		address := s.address(m)
		for at := address &^ 3; at < address+s.memoryWidth(); at += 4 {
			f(place{inMemory, at})
		}
	}
}

// memoryWidth returns the number of bytes of memory that the instruction reads or writes.
func (s step) memoryWidth() uint64 {
	switch {
	case s.Opcode == "VPBROADCASTD", s.Opcode == "VBROADCASTSS", s.Opcode == "VMOVD", slices.Contains(s.Suffixes, "BCST"):
		return 4
	case s.Opcode == "VMOVQ", s.Opcode == "VMOVDDUP", s.Opcode == "VMOVHPS":
		return 8
	case strings.HasPrefix(s.Opcode, "V"), strings.HasPrefix(s.Opcode, "SHA256"):
		return uint64(4 * s.width())
	case strings.HasSuffix(s.Opcode, "L"):
		return 4
	}
	return 8
}

// Another instruction, or the caller, reads the result of every instruction of a kernel in at least
// one of the test's calls. VZEROUPPER is an exception, since it only saves time.
func TestNoDeadInstructions(t *testing.T) {
	for _, k := range kernels {
		t.Run(k.name, func(t *testing.T) {
			observer = &uses{map[*ir.Instruction]bool{}, map[place]*ir.Instruction{}}
			defer func() { observer = nil }()
			for vary := range 16 {
				rng := rand.New(rand.NewPCG(4, uint64(vary)))
				observeSearch(t, k, rng, vary)
				if k.grid != nil && firstCounter <= vary && vary <= lastCounter {
					observeGrid(t, k, rng, vary)
				}
			}
			if k.shared != nil {
				observeShared(t, k)
			}
			functions, _ := built(t, k)
			for _, f := range functions {
				for _, i := range f.Instructions() {
					if !i.IsBranch && !i.IsTerminal && i.Opcode != "VZEROUPPER" && i.Opcode != pcAlign && !observer.used[i] {
						t.Errorf("%s: nothing reads the result of %s %v", f.Name, i.Opcode, i.Operands)
					}
				}
			}
		})
	}
}

// observeSearch calls Scan, Hash and ScanTails, with and without hits.
func observeSearch(t *testing.T, k kernel, rng *rand.Rand, vary int) {
	c := newChunk(rng, vary, maxStates)
	c.block.Mask = none
	for n := range 2*k.lanes + 1 {
		if n%k.lanes <= 1 {
			runSearch(t, k, &c.block, c.words[:n], nil)
		}
	}
	for hit := range k.lanes {
		if hit < 4 || hit == k.lanes-1 {
			c.block.Mask = ^c.h0[hit]
			runSearch(t, k, &c.block, c.words[:2*k.lanes], nil)
		}
	}
	var states asm.States
	runSearch(t, k, &c.block, c.words, &states)
	if k.tails == nil || vary > 0 {
		return
	}
	functions, _ := built(t, k)
	tails := make([]asm.Tail, 3)
	for _, mask := range []uint32{none, 0} {
		m := newMachine()
		arguments := append([]uint64{give(m, "States", &states)}, giveSlice(m, "tails", tails)...)
		m.call(functions["tails"+k.in], append(arguments, uint64(mask))...)
	}
}

// observeShared calls ScanShared, with and without hits.
func observeShared(t *testing.T, k kernel) {
	s, words, h0 := newShared(rand.New(rand.NewPCG(4, 0)), 2*k.sharedStep+1)
	for n := range words {
		if n%k.sharedStep <= 1 {
			s.Mask = none
			runShared(t, k, s, words[:n])
		}
	}
	for chunk := range sharedStates {
		s.Mask = ^h0[k.sharedStep][chunk]
		runShared(t, k, s, words)
	}
}

// observeGrid calls ScanGrid, with and without hits.
func observeGrid(t *testing.T, k kernel, rng *rand.Rand, counter int) {
	g := &asm.Grid{Vary: counter}
	for i := range g.Words {
		g.Words[i] = rng.Uint32()
	}
	g.Prepare()
	words := make([]uint32, asm.GridLanes+3)
	for i := range words {
		words[i] = rng.Uint32()
	}
	for _, g.Mask = range []uint32{none, 0} {
		for _, n := range []int{0, 3, len(words)} {
			runGrid(t, k, g, words[:n])
		}
	}
}
