package main

import (
	"slices"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A ring is the memory of a schedule that keeps only some of the last sixteen words in
// registers. When a word is complete, it and the word before are in registers. They make the
// two old terms of a later word, so the ring stores the sum of these terms, to be loaded once.
type ring struct {
	olds    operand.Mem // the old terms of the next sixteen words
	varying func(t int) terms
	// constant returns the address of the sum of the old terms of W[t] that do not vary. It is nil
	// if something else adds them.
	constant func(t int) operand.Mem
}

// ringSize is the size in bytes of sixteen vectors of old terms and sixteen vectors of words.
const ringSize = 2 * 16 * 32

func (r *ring) plan(varying func(t int) terms, constant func(t int) operand.Mem) {
	r.varying = func(t int) terms {
		if t < 16 || t > 63 {
			return 0 // not computed
		}
		return varying(t)
	}
	r.constant = constant
}

func (r *ring) old(t int) operand.Op { return r.olds.Offset(32 * (t % 16)) }

// addsConstant reports whether keepOld adds constant old terms to those of W[t] that vary.
// Package asm adds up all constant terms of the words before W[32].
func (r *ring) addsConstant(t int) bool {
	return r.constant != nil && t >= 32 && r.varying(t)&oldTerms != oldTerms
}

// keepOld stores the old terms of later words that can be computed once W[t] is complete. If W[t]
// varies, it is in a register.
func (r *ring) keepOld(t int, v scheduler) {
	store := func(x reg.VecPhysical, t int) { v.put(x, r.olds.Offset(32*(t%16))) }
	complete := t + 15
	set := r.varying(complete) & oldTerms
	switch {
	case set == oldTerms:
		x := v.smallSigma0(v.draft(t))
		v.add(v.word(t-1), x, x)
		store(x, complete)
	case r.addsConstant(complete):
		var x operand.Op
		switch set {
		case termSigma0:
			x = v.smallSigma0(v.draft(t))
		case term16:
			x = v.word(t - 1)
		}
		sum := v.spare()
		if x == nil {
			v.setConstant(r.constant(complete), sum)
		} else {
			v.addConstant(r.constant(complete), x, sum)
		}
		store(sum, complete)
	case set == termSigma0:
		store(v.smallSigma0(v.draft(t)), complete)
	}
	if r.varying(t+16)&oldTerms == term16 && !r.addsConstant(t+16) {
		store(v.draft(t), t+16)
	}
}

// ringAVX512 computes a schedule in the registers that SHA-NI cannot encode. The first eight
// hold the last eight words. Temporary values use the other eight in turn, so that instructions
// rarely wait for a free register and can be reordered.
type ringAVX512 struct {
	avx512VL
	*ring
	turn *int
}

func newRingAVX512(c *build.Context, memory operand.Mem) scheduler {
	return ringAVX512{newAVX512VL(c), &ring{olds: memory}, new(int)}
}

func (v ringAVX512) spare() reg.VecPhysical {
	*v.turn++
	return v.regs[8+*v.turn%8]
}

func (v ringAVX512) smallSigma0(x operand.Op) reg.VecPhysical {
	return v.withSpares().smallSigma0(x)
}

func (v ringAVX512) smallSigma1(x operand.Op) reg.VecPhysical {
	return v.withSpares().smallSigma1(x)
}

// withSpares returns the instruction set with the next spare registers for a sigma.
func (v ringAVX512) withSpares() avx512VL {
	set := v.avx512VL
	set.regs = slices.Clone(set.regs)
	for i := range 3 {
		set.regs[firstOfSmallSigma+i] = v.spare()
	}
	return set
}

func (v ringAVX512) draft(t int) reg.VecPhysical { return v.regs[t%8] }
func (v ringAVX512) word(t int) operand.Op       { return v.regs[t%8] }
func (v ringAVX512) keep(t int)                  { v.keepOld(t, v) }
func (v ringAVX512) old(t int) operand.Op        { return v.ring.old(t) }
func (ringAVX512) order(s stream) stream         { return s.ordered() }

var groupMasks = []reg.Register{reg.K3, reg.K4}

func (v ringAVX512) noteHits(group int, mask operand.Mem, x reg.VecPhysical) {
	v.VPTESTNMD(mask, x, groupMasks[group])
}

func (v ringAVX512) testHits() { v.KORTESTW(groupMasks[0], groupMasks[1]) }

func (v ringAVX512) hitBits() reg.GPVirtual {
	hits, others := v.GP64(), v.GP64()
	v.KMOVW(groupMasks[0], hits.As32())
	v.KMOVW(groupMasks[1], others.As32())
	v.SHLL(operand.U8(mixedChains), others.As32())
	v.ORL(others.As32(), hits.As32())
	return hits
}

func (v ringAVX512) addConstant(m operand.Mem, x operand.Op, sum reg.VecPhysical) {
	if _, ok := x.(operand.Mem); ok { // an instruction has one operand in memory
		v.setConstant(m, sum)
		v.add(x, sum, sum)
		return
	}
	v.avx512VL.addConstant(m, x, sum)
}

// ringAVX2 computes a schedule in the seven registers that four chains leave free: three for
// the last two words and the next one, and four for temporary values. A word depends on the
// word two before it, so that one stays in a register, which is faster than memory.
type ringAVX2 struct {
	*avx2
	*ring
	now    *int             // the index of the word being computed
	groups [2]reg.GPVirtual // for each group of four nonces, a bit for each hit
}

func newRingAVX2(c *build.Context, memory operand.Mem) scheduler {
	v := newAVX2Rounds(c)
	v.words, v.result, v.valid = memory.Offset(ringSize/2), reg.Y12, nil
	return ringAVX2{v, &ring{olds: memory}, new(int), [2]reg.GPVirtual{c.GP64(), c.GP64()}}
}

func (v ringAVX2) noteHits(group int, mask operand.Mem, x reg.VecPhysical) {
	chains{v.Context}.zeroWords(mask, x, v.groups[group])
}

func (v ringAVX2) testHits() {
	v.SHLL(operand.U8(mixedChains), v.groups[1].As32())
	v.ORL(v.groups[1].As32(), v.groups[0].As32())
}

func (v ringAVX2) hitBits() reg.GPVirtual { return v.groups[0] }

var ringWords = []reg.VecPhysical{reg.Y13, reg.Y14, reg.Y15}

func (v ringAVX2) draft(t int) reg.VecPhysical {
	*v.now = t
	return ringWords[t%3]
}

func (v ringAVX2) word(t int) operand.Op {
	if *v.now-t < 3 {
		return ringWords[t%3]
	}
	return v.stored(t)
}

func (v ringAVX2) keep(t int) {
	if v.varying(t+7)&term7 != 0 {
		v.put(v.draft(t), v.stored(t))
	}
	v.keepOld(t, v)
}

// smallSigma0 shifts left by multiplying, because the units that shift are busy. A multiplication
// has three times the latency, but this sigma is made thirteen words before it is needed.
// smallSigma1 is needed at once, so it shifts.
func (v ringAVX2) smallSigma0(x operand.Op) reg.VecPhysical {
	return v.rotations(v.multiplyLeft, v.fetch(x), 3, 7, 18)
}

func (v ringAVX2) old(t int) operand.Op   { return v.ring.old(t) }
func (v ringAVX2) spare() reg.VecPhysical { return reg.Y9 }

// order returns s unchanged: with four temporary registers, little could be reordered.
func (ringAVX2) order(s stream) stream { return s }
