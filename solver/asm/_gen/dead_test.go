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

// uses records which instructions made something that another instruction, or the caller, read.
type uses struct {
	used    map[*ir.Instruction]bool
	writers map[place]*ir.Instruction // of what is in each place
}

// A place is what an instruction may write: a register, the flags, or four bytes of memory.
type place struct {
	kind reg.Kind // of registers, inMemory or inFlags
	at   uint64
}

const inMemory, inFlags reg.Kind = 254, 255

// observer is what the machines of a test tell of what they execute, or nil.
var observer *uses

func (u *uses) read(p place) {
	if w := u.writers[p]; w != nil {
		u.used[w] = true
	}
}

// note records an instruction that is about to be executed.
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
		if p.kind == inMemory && slices.Contains([]string{"States", "arguments"}, s.machine.memory[p.at>>32-1].name) {
			u.used[s.Instruction] = true // by the caller
		}
	}
	eachRegister(s.Outputs, write)
	s.eachWord(s.Outputs, write)
	if !s.IsBranch && !slices.ContainsFunc([]string{"V", "MOV", "CMOV", "KMOV", "LEA", "SHA256"}, func(prefix string) bool {
		return strings.HasPrefix(s.Opcode, prefix)
	}) {
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

// eachWord calls f for what the instruction reads or writes in memory.
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

// memoryWidth returns how many bytes the instruction reads or writes in memory.
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

// Each instruction of a kernel makes something that is read, in one of these calls at least.
// VZEROUPPER saves time only.
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
			functions, _ := built(t, k)
			for _, f := range functions {
				for _, i := range f.Instructions() {
					if !i.IsBranch && !i.IsTerminal && i.Opcode != "VZEROUPPER" && !observer.used[i] {
						t.Errorf("%s: nothing reads what %s %v makes", f.Name, i.Opcode, i.Operands)
					}
				}
			}
		})
	}
}

// observeSearch calls Scan, Hash and ScanTails.
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

// observeGrid calls ScanGrid.
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
