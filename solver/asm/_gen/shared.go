package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
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

// writeVectorShared writes ScanShared of a vector kernel. A step computes the message schedule for
// a vector of words and stores K + W. The rounds of each hash value then add K + W from memory.
func writeVectorShared(c *build.Context, set isa) {
	v := newVectorShared(c, set)
	words, n := wordsOf(c)
	v.index = v.GP64()
	v.XORQ(v.index, v.index)
	state, end, hits := v.GP64(), v.GP64(), v.GP64()
	v.prepareSchedule()
	v.prepareStates(state)
	v.MOVQ(state, end)

	v.Label("next")
	v.CMPQ(v.index, n)
	v.JGE(operand.LabelRef("none"))
	digits := v.load(words, v.index, n)
	w := v.draft(0)
	v.or(v.field("Words", 0), digits, w)
	v.keep(0)
	v.put(w, v.kw(0))
	v.alignPart(64) // not at the start of load's last part: the assembler hangs if a jump leads to PCALIGN
	v.Label("schedule")
	for t := 16; t < 64; t++ {
		v.makeKW(t)
	}
	v.LEAQ(v.states, state)
	v.XORQ(hits, hits)

	v.alignPart(64)
	v.Label("state")
	v.roundsOf(state)
	v.ORL(v.hits(scalarOf(v.block, "Mask"), v.working(0)).As32(), hits.As32())
	v.ADDQ(operand.U32(v.stride()), state)
	v.CMPQ(state, end)
	v.JNE(operand.LabelRef("state"))

	v.Label("test")
	v.endStep(hits)
}

// vectorSharedPath returns how often each part runs for a vector of words.
func vectorSharedPath(compact bool) map[string]int {
	path := map[string]int{"schedule": 1, "state": sharedStates, "test": 1}
	if compact {
		path["eight"], path["last"] = 6*sharedStates, sharedStates
	}
	return path
}

// A vectorShared is ScanShared of a vector kernel under construction.
type vectorShared struct {
	vector
	varying [64]terms
	memory  operand.Mem // K + W of each round; for round 0 only W[0], since prepareStates adds K[0]
	sums    operand.Mem // for each word that varies, from W[16] on, the sum of its constant terms
	states  operand.Mem // for each hash value, the vectors that roundsOf loads
}

const (
	lastSum      = 37     // the last word that has constant terms if the first word varies
	lastKept     = 63 - 7 // the last word to keep, since draft keeps the last two by itself
	stateVectors = 10     // of each hash value
)

func newVectorShared(c *build.Context, set isa) *vectorShared {
	v := &vectorShared{vector: vector{Context: c, isa: set}, varying: schedule.Varying(0)}
	v.block = v.Dereference(v.Param("s"))
	size := 4 * v.lanes()
	v.memory = alignedLocal(c, 64*size+(lastSum-15)*size+sharedStates*v.stride(), 64)
	v.sums = v.memory.Offset(64 * size)
	v.states = v.sums.Offset((lastSum - 15) * size)
	return v
}

// stride returns how many bytes in memory a hash value takes.
func (v *vectorShared) stride() int { return stateVectors * 4 * v.lanes() }

func (v *vectorShared) kw(t int) operand.Mem { return v.memory.Offset(4 * v.lanes() * t) }

func (v *vectorShared) keepKW(t int) {
	kw := v.temporary()
	v.addConstant(constant(t), v.draft(t), kw)
	v.put(kw, v.kw(t))
}

// prepareSchedule stores K + W of the words that do not vary, and the constant terms of the others.
func (v *vectorShared) prepareSchedule() {
	for t := 1; t <= lastSum; t++ {
		if t < 16 {
			v.setConstant(v.field("Words", t), v.draft(t))
		} else {
			v.draftSum(t, allTerms&^v.varying[t], nil, nil)
		}
		if v.varying[t] == 0 {
			v.keep(t)
			v.keepKW(t)
		} else {
			v.put(v.draft(t), v.sumOf(t))
		}
	}
}

func (v *vectorShared) sumOf(t int) operand.Mem { return v.sums.Offset(4 * v.lanes() * (t - 16)) }

// makeKW computes W[t] if it varies, and stores K + W.
func (v *vectorShared) makeKW(t int) {
	var sums []operand.Mem
	switch v.varying[t] {
	case 0:
		return
	case allTerms:
	default:
		sums = append(sums, v.sumOf(t))
	}
	v.Commentf("W[%d]: %v.", t, v.varying[t])
	v.draftSum(t, v.varying[t], nil, sums)
	if t <= lastKept {
		v.keep(t)
	}
	v.keepKW(t)
}

// prepareStates stores for each hash value the working variables after round 0 without W[0], and h
// of rounds 1 to 3 with K + W added. It sets at to the end of that memory.
func (v *vectorShared) prepareStates(at reg.GPVirtual) {
	from, left := v.GP64(), v.GP64()
	v.LEAQ(address(v.block.Field("States").Index(0).Index(0)), from)
	v.LEAQ(v.states, at)
	v.MOVQ(operand.U32(sharedStates), left)
	v.Label("prepare")
	for i := range 8 {
		v.setConstant(operand.Mem{Base: from, Disp: 4 * i}, v.working(i))
	}
	_, b, c, _, _, _, _, h := v.variables(0)
	v.addConstant(constant(0), h, h)
	v.enter(0, b, c)
	v.round(0)
	for i := range 7 {
		v.put(v.working((i-1)&7), v.state(at, i))
	}
	for t := 1; t <= 3; t++ {
		_, _, _, _, _, _, _, h := v.variables(t)
		v.add(v.kw(t), h, h)
		v.put(h, v.state(at, 6+t))
	}
	v.ADDQ(operand.U8(32), from)
	v.ADDQ(operand.U32(v.stride()), at)
	v.DECQ(left)
	v.JNE(operand.LabelRef("prepare"))
}

// roundsOf does the rounds of the hash value at state and computes H0 in the register of a.
func (v *vectorShared) roundsOf(state reg.GPVirtual) {
	v.Comment("Complete round 0 by adding W[0] to a and e.")
	for i := range 7 {
		x := v.working((i - 1) & 7)
		v.get(v.state(state, i), x)
		if i == 0 || i == 4 {
			v.add(v.kw(0), x, x)
		}
	}
	_, b, c, _, _, _, _, _ := v.variables(1)
	v.enter(1, b, c)
	for t := 1; t < 63; t++ {
		if t == 8 && v.compact() {
			v.sixTimesEightRounds()
			t = 56
		}
		v.Commentf("Round %d.", t)
		_, _, _, _, _, _, _, h := v.variables(t)
		if t <= 3 {
			v.get(v.state(state, 6+t), h)
		} else {
			v.add(v.kw(t), h, h)
		}
		v.round(t)
	}
	v.Comment("Round 63 without e. b of round 1 is the first word of the hash value.")
	_, _, _, _, _, _, _, h := v.variables(63)
	v.add(v.kw(63), h, h)
	v.lastRound(63)
	v.add(v.state(state, 1), v.working(0), v.working(0))
}

// sixTimesEightRounds writes rounds 8 to 55 as a loop.
func (v *vectorShared) sixTimesEightRounds() {
	const half = 128 // displacements from -128 to 127 save three bytes
	kw, end := v.GP64(), v.GP64()
	v.LEAQ(v.kw(8).Offset(half), kw)
	v.LEAQ(v.kw(56).Offset(half), end)
	v.Label("eight")
	for t := 8; t < 16; t++ {
		_, _, _, _, _, _, _, h := v.variables(t)
		v.add(operand.Mem{Base: kw, Disp: 4*v.lanes()*(t-8) - half}, h, h)
		v.round(t)
	}
	v.ADDQ(operand.U32(8*4*v.lanes()), kw)
	v.CMPQ(kw, end)
	v.JNE(operand.LabelRef("eight"))
	v.Label("last")
}
