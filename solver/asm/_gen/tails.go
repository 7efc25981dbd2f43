package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// maxStates is MaxStates of package asm.
const maxStates = 32

// writeVectorTails writes ScanTails of a vector kernel. The words of a tail are constant, so
// there is no schedule: a round adds K[t] + W[t] from memory to all lanes.
func writeVectorTails(c *build.Context, set isa) {
	v := &vector{Context: c, isa: set}
	t := newTailLoop(c)
	v.whole()

	v.Label("next")
	t.begin()
	group, last := v.GP64(), v.GP64()
	v.MOVQ(t.states, group)
	v.LEAQ(operand.Mem{Base: t.states, Disp: 32 * maxStates}, last)

	v.Label("group")
	kw, rounds := v.GP64(), v.GP64()
	v.MOVQ(t.kw, kw)
	v.MOVQ(operand.U32(8), rounds)
	for i := range 8 {
		v.get(v.state(group, i), v.working(i))
	}
	_, b, d, _, _, _, _, _ := v.variables(0)
	v.enter(0, b, d)
	v.Label("rounds")
	for t := range 8 {
		v.Commentf("Round %d of 8.", t)
		_, _, _, _, _, _, _, h := v.variables(t)
		v.addConstant(operand.Mem{Base: kw, Disp: 4 * t}, h, h)
		v.round(t)
	}
	v.ADDQ(operand.U8(32), kw)
	v.DECQ(rounds)
	v.JNE(operand.LabelRef("rounds"))

	v.Label("test")
	v.add(v.state(group, 0), v.working(0), v.working(0))
	hits := v.hits(t.mask, v.working(0))
	v.TESTL(hits.As32(), hits.As32())
	v.JNE(operand.LabelRef("found"))
	v.ADDQ(operand.U32(32*v.lanes()), group)
	v.CMPQ(group, last)
	v.JNE(operand.LabelRef("group"))
	t.end()
}

// vectorTailsPath returns how often each part runs for a tail.
func vectorTailsPath(lanes int) map[string]int {
	groups := maxStates / lanes
	return map[string]int{"group": groups, "rounds": 8 * groups, "test": groups}
}

// writeMixedTails writes ScanTails with vectors and SHA-NI. Eight of the hash values are in the
// lanes of vectors; chains process the others, six at a time.
func writeMixedTails(c *build.Context) {
	const (
		lanes  = 8
		chain  = 6
		first  = 32 * lanes // of the chains, in States
		number = maxStates - lanes
	)
	v := &vector{Context: c, isa: newAVX512VL(c)}
	in := chains{c}
	t := newTailLoop(c)
	results := alignedLocal(c, 8*number, 64)
	v.VZEROUPPER()
	v.whole()

	v.Label("next")
	t.begin()
	v.Label("tail")
	kw := func(round int) operand.Mem { return operand.Mem{Base: t.kw, Disp: 4 * round} }
	vectors := record(c, func() {
		for i := range 8 {
			v.get(v.state(t.states, i), v.working(i))
		}
		_, b, d, _, _, _, _, _ := v.variables(0)
		v.enter(0, b, d)
		for round := range 63 {
			_, _, _, _, _, _, _, h := v.variables(round)
			v.addConstant(kw(round), h, h)
			v.round(round)
		}
		_, _, _, _, _, _, _, h := v.variables(63)
		v.addConstant(kw(63), h, h)
		v.lastRound(63)
		v.add(v.state(t.states, 0), v.working(0), v.working(0))
	})
	rounds := record(c, func() {
		for group := 0; group < number; group += chain {
			for i := range chain {
				in.get(i, 0, operand.Mem{Base: t.states, Disp: first + 32*(group+i)})
			}
			for pair := range 32 {
				in.rounds(chain, pair, func(int) operand.Mem { return kw(2 * pair) })
			}
			for i := range chain {
				in.putA(i, results.Offset(8*(group+i)))
			}
		}
	})
	interleave(c, rounds, vectors)

	v.Comment("The highest word of a, b, e, f is a; adding State[0] gives H0.")
	hits := v.hits(t.mask, v.working(0))
	v.TESTL(hits.As32(), hits.As32())
	v.JNE(operand.LabelRef("found"))
	mask := v.GP32()
	v.MOVL(t.mask, mask)
	for i := range number {
		h0 := v.GP32()
		v.MOVL(results.Offset(8*i+4), h0)
		v.ADDL(operand.Mem{Base: t.states, Disp: first + 32*i + 12}, h0)
		v.TESTL(mask, h0)
		v.JEQ(operand.LabelRef("found"))
	}
	t.end()
}

// mixedTailsPath contains how often each part runs for a tail.
var mixedTailsPath = map[string]int{"tail": 1}

// A tailLoop is the loop over the tails in every ScanTails. Between begin and end comes the code
// for one tail, which jumps to "found" if there is a hit.
type tailLoop struct {
	*build.Context
	states reg.GPVirtual
	mask   operand.Mem
	kw     reg.GPVirtual // the tail
	index  reg.GPVirtual // of the tail
	n      reg.GPVirtual // the number of tails
}

func newTailLoop(c *build.Context) *tailLoop {
	t := &tailLoop{Context: c}
	t.states = c.Load(c.Param("s"), c.GP64()).(reg.GPVirtual)
	t.kw = c.Load(c.Param("tails").Base(), c.GP64()).(reg.GPVirtual)
	t.n = c.Load(c.Param("tails").Len(), c.GP64()).(reg.GPVirtual)
	t.mask = c.AllocLocal(8) // in memory, so that an instruction can broadcast it
	c.MOVL(c.Load(c.Param("mask"), c.GP32()), t.mask)
	t.index = c.GP64()
	c.XORQ(t.index, t.index)
	return t
}

func (t *tailLoop) begin() {
	t.CMPQ(t.index, t.n)
	t.JGE(operand.LabelRef("none"))
}

func (t *tailLoop) end() {
	t.ADDQ(operand.U32(4*64), t.kw)
	t.INCQ(t.index)
	t.JMP(operand.LabelRef("next"))

	t.Label("none")
	t.MOVQ(operand.I32(-1), t.index)
	t.Label("found")
	returnIndex(t.Context, t.index)
}
