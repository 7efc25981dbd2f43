package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sharedStates is SharedStates of package asm.
const sharedStates = 4

// writeChainShared writes ScanShared with SHA-NI. The chains continue from the four hash values, so
// one load of K + W serves the same pair of rounds of all of them. Meanwhile the other registers
// compute the message schedule for the next word. The two streams of instructions are interleaved.
func writeChainShared(c *build.Context) {
	v := chains{c}
	shared := c.Dereference(c.Param("s"))
	words, n := wordsOf(c)
	const kw = 256
	memory := alignedLocal(c, 2*kw+32*sharedStates+16*7, 64)
	done, next := v.GP64(), v.GP64() // K + W of the word in the chains, and of the next one
	v.LEAQ(memory, done)
	v.LEAQ(memory.Offset(kw), next)
	states := memory.Offset(2 * kw)
	target := states.Offset(32 * sharedStates)
	mask := target.Offset(16)
	s := quadSchedule{c, next, mask.Offset(16)}

	index := v.GP64()
	v.XORQ(index, index)
	v.TESTQ(n, n)
	v.JEQ(operand.LabelRef("none"))
	v.VZEROUPPER()

	v.Comment("Adding the first words of the hash values to a gives H0.")
	h0 := v.GP32()
	for i := range sharedStates {
		state := address(shared.Field("States").Index(i).Index(0))
		v.pack(state, 0)
		v.put(0, 0, states.Offset(32*i))
		v.MOVL(state, h0)
		v.MOVL(h0, target.Offset(4*i))
	}
	v.VBROADCASTSS(scalarOf(shared, "Mask"), reg.X0)
	v.VMOVDQA(reg.X0, mask)
	s.prepare(shared, done, next)
	last := v.GP64()
	v.LEAQ(operand.Mem{Base: n, Disp: -1}, last)

	v.Label("next")
	v.Comment("The last step has no next word; it computes the schedule of the last one again.")
	at := v.GP64()
	v.MOVQ(index, at)
	v.CMPQ(at, n)
	v.CMOVQGE(last, at)
	rounds := record(c, func() {
		for i := range sharedStates {
			v.get(i, 0, states.Offset(32*i))
		}
		for pair := range 32 {
			v.rounds(sharedStates, pair, func(int) operand.Mem { return operand.Mem{Base: done, Disp: 8 * pair} })
		}
	})
	schedule := record(c, func() { s.write(operand.Mem{Base: words, Index: at, Scale: 4}) })
	interleave(c, rounds, schedule)

	v.TESTQ(index, index)
	v.JEQ(operand.LabelRef("swap"))
	v.Label("test")
	a, hits := v.gatherA(), v.GP64()
	v.VPADDD(target, a, a)
	v.zeroWords(mask, a, hits)
	v.TESTL(hits.As32(), hits.As32())
	v.JNE(operand.LabelRef("found"))
	v.Label("swap")
	v.XCHGQ(done, next)
	v.CMPQ(index, n)
	v.JGE(operand.LabelRef("none"))
	v.INCQ(index)
	v.JMP(operand.LabelRef("next"))

	v.Label("none")
	v.XORQ(index, index)
	v.Label("found")
	v.Comment("The word that was in the chains is the one at index-1.")
	v.DECQ(index)
	returnIndex(c, index)
}

// chainSharedPath contains how often each part runs for a word.
var chainSharedPath = map[string]int{"next": 1, "test": 1}

// A quadSchedule computes the message schedule of a block whose first word varies with SHA-NI, and
// stores K + W. Quad q is W[4q] to W[4q+3].
type quadSchedule struct {
	*build.Context
	kw       reg.GPVirtual
	constant operand.Mem // what all words share: K + W of quad 0, quad 3, and the constant terms of quads 4 to 6
}

// quad returns the register of a quad. The next quad replaces the oldest of the last four.
func (quadSchedule) quad(q int) reg.VecPhysical { return xmm[9+q%4] }

// first, last and terms return the addresses of the constant values: K + W of quad 0 without the
// bits that vary, quad 3, and the constant terms of a quad.
func (s quadSchedule) first() operand.Mem      { return s.constant }
func (s quadSchedule) last() operand.Mem       { return s.constant.Offset(16) }
func (s quadSchedule) terms(q int) operand.Mem { return s.constant.Offset(16 * (q - 2)) }

// prepare stores the constant values, and K + W of quads 1 to 3 in both buffers.
func (s quadSchedule) prepare(shared gotypes.Component, buffers ...reg.Register) {
	for q := range 4 {
		s.VMOVDQU(fieldOf(shared, "Words", 4*q), s.quad(q))
		s.VPADDD(constant(4*q), s.quad(q), reg.X0)
		if q == 0 {
			s.VMOVDQA(reg.X0, s.first())
			continue
		}
		for _, buffer := range buffers {
			s.VMOVDQA(reg.X0, operand.Mem{Base: buffer, Disp: 16 * q})
		}
	}
	s.VMOVDQA(s.quad(3), s.last())
	s.VPALIGNR(operand.U8(4), s.quad(2), s.quad(3), reg.X0)
	s.old(4)
	s.VPADDD(reg.X0, s.quad(4), s.quad(4))
	s.old(5)
	s.old(6)
	for q := 4; q < 7; q++ {
		s.VMOVDQA(s.quad(q), s.terms(q))
	}
}

// write computes the schedule for the bits at digits.
func (s quadSchedule) write(digits operand.Mem) {
	other := xmm[13]
	s.VMOVD(digits, other)
	s.VPADDD(s.terms(4), other, s.quad(4))
	s.VPADDD(s.first(), other, other)
	s.VMOVDQA(other, operand.Mem{Base: s.kw})
	s.VMOVDQA(s.last(), s.quad(3))
	s.recent(4)
	for q := 5; q < 16; q++ {
		if q < 7 {
			s.VMOVDQA(s.terms(q), s.quad(q))
		} else {
			s.old(q)
		}
		s.VPALIGNR(operand.U8(4), s.quad(q-2), s.quad(q-1), other)
		s.VPADDD(other, s.quad(q), s.quad(q))
		s.recent(q)
	}
}

// old adds smallSigma0(W[t-15]) to W[t-16], for the words W[t] of a quad.
func (s quadSchedule) old(q int) { s.SHA256MSG1(s.quad(q-3), s.quad(q)) }

// recent adds smallSigma1(W[t-2]) to the sum of the other terms, which completes a quad.
func (s quadSchedule) recent(q int) {
	kw := xmm[14]
	s.SHA256MSG2(s.quad(q-1), s.quad(q))
	s.VPADDD(constant(4*q), s.quad(q), kw)
	s.VMOVDQA(kw, operand.Mem{Base: s.kw, Disp: 16 * q})
}
