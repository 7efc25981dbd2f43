package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// shani is the search of the SHA-NI kernel, under construction. Four chains do the rounds of a
// batch of four nonces and read K + W from memory. Meanwhile the other registers compute the
// message schedule of the next batch, two nonces at a time. The two streams of instructions
// are interleaved.
//
// Words are handled in quads: quad q is W[4q] to W[4q+3].
type shani struct {
	chains
	block gotypes.Component

	start     operand.Mem // working variables before firstPair
	message   operand.Mem // the quads of the message and of W[16] to W[19] that do not vary
	constants operand.Mem // K + W of pairs 8 to 11 that do not vary
	w         operand.Mem // all quads of four nonces, 256 bytes for each
	states    reg.GPVirtual

	done, next reg.GPVirtual // K + W, in the order of w, of the batch in the chains and of the next one
}

const (
	shaniBatch = 4
	lastQuad   = 15

	// shaniSharedPair is the first pair of rounds in the shared rest. A beginning has a third of
	// the schedule, which takes longer than the rounds beside it, so it has a third or more of
	// the rounds too.
	shaniSharedPair = 16
)

func (v *shani) field(name string, index int) operand.Mem {
	return fieldOf(v.block, name, index)
}

// quadOf returns the address of quad q of a nonce.
func (v *shani) quadOf(nonce, q int) operand.Mem { return v.w.Offset(256*nonce + 16*q) }

// writeSHANI writes Scan and Hash.
func writeSHANI(c *build.Context) {
	v := &shani{chains: chains{c}}
	v.block = v.Dereference(v.Param("b"))
	words, n := wordsOf(c)
	v.states = v.Load(v.Param("s"), v.GP64()).(reg.GPVirtual)
	vary := v.Load(v.block.Field("Vary"), v.GP64()).(reg.GPVirtual)

	memory := alignedLocal(c, 2*1024+1024+80+32+32+32, 64)
	v.done, v.next = v.GP64(), v.GP64()
	v.LEAQ(memory, v.done)
	v.LEAQ(memory.Offset(1024), v.next)
	v.w = memory.Offset(2048)
	v.message = memory.Offset(3072)
	v.constants = memory.Offset(3152)
	v.start = memory.Offset(3184)
	target := memory.Offset(3216) // State[0] and Mask, four times each

	index := v.GP64()
	v.XORQ(index, index)
	v.TESTQ(n, n)
	v.JEQ(operand.LabelRef("none"))
	v.VZEROUPPER()
	v.prepare(vary)
	v.keepTarget(v.block, target)

	v.Comment("Find the quad of the varying word, and the shuffle that moves it to its place.")
	quad, place, table := v.GP64(), v.GP64(), v.GP64()
	v.MOVQ(vary, quad)
	v.ANDQ(operand.U8(0xc), quad)
	v.MOVQ(vary, place)
	v.ANDQ(operand.U8(3), place)
	v.SHLQ(operand.U8(4), place)
	v.LEAQ(places(c), table)
	v.ADDQ(table, place)
	last := v.GP64()
	v.LEAQ(operand.Mem{Base: n, Disp: -1}, last)

	v.Label("next")
	v.Comment("Load the next batch. Copies of the last nonce fill it up.")
	v.VMOVDQU(operand.Mem{Base: place}, reg.X9)
	constants := v.field("Words", 0)
	constants.Index, constants.Scale = quad, 4
	v.VMOVDQU(constants, reg.X10)
	for i := range shaniBatch {
		at := v.GP64()
		v.LEAQ(operand.Mem{Base: index, Disp: i}, at)
		v.CMPQ(at, n)
		v.CMOVQGE(last, at)
		v.VMOVD(operand.Mem{Base: words, Index: at, Scale: 4}, reg.X11)
		v.VPSHUFB(reg.X9, reg.X11, reg.X11)
		v.VPOR(reg.X10, reg.X11, reg.X11)
		to := v.quadOf(i, 0)
		to.Index, to.Scale = quad, 4
		v.VMOVDQA(reg.X11, to)
	}
	dispatch(c, "vary", vary, 0, 16)
	for word := range 16 {
		v.beginning(word)
	}
	v.rest()

	v.Comment("The batch that was in the chains, if any, began at index-4.")
	v.TESTQ(index, index)
	v.JEQ(operand.LabelRef("swap"))
	v.TESTQ(v.states, v.states)
	v.JNE(operand.LabelRef("hash"))
	v.Label("test")
	a, hits := v.gatherA(), v.GP64()
	v.VPADDD(target, a, a)
	v.zeroWords(target.Offset(16), a, hits)
	v.TESTL(hits.As32(), hits.As32())
	v.JNE(operand.LabelRef("found"))
	v.Label("swap")
	v.XCHGQ(v.done, v.next)
	v.CMPQ(index, n)
	v.JGE(operand.LabelRef("none"))
	v.ADDQ(operand.U8(shaniBatch), index)
	v.JMP(operand.LabelRef("next"))

	v.Label("hash")
	state := reg.X10
	v.VMOVDQU(v.field("State", 0), reg.X0)
	v.VMOVDQU(v.field("State", 4), reg.X9)
	v.VSHUFPS(operand.U8(0xbb), reg.X0, reg.X9, state)
	v.VSHUFPS(operand.U8(0x11), reg.X0, reg.X9, reg.X9)
	for i := range shaniBatch {
		abef, cdgh := v.variables(i, 32)
		v.VPADDD(reg.X9, abef, abef)
		v.VPADDD(state, cdgh, cdgh)
		v.put(i, 32, operand.Mem{Base: v.states, Disp: 32 * i})
	}
	v.ADDQ(operand.U8(32*shaniBatch), v.states)
	v.JMP(operand.LabelRef("swap"))

	v.Label("found")
	v.Comment("The first hit is never a copy of the last nonce, since the original comes before it.")
	v.BSFL(hits.As32(), hits.As32())
	v.LEAQ(operand.Mem{Base: index, Index: hits, Scale: 1, Disp: -shaniBatch}, index)
	v.Store(index, v.ReturnIndex(0))
	v.RET()

	v.Label("none")
	v.MOVQ(operand.I32(-1), index)
	v.Store(index, v.ReturnIndex(0))
	v.RET()
}

// shaniPath returns how often each part runs for a batch.
func shaniPath(vary int, hash bool) map[string]int {
	path := map[string]int{"next": 1, fmt.Sprintf("vary%d", vary): 1, "rest": 1}
	if hash {
		path["hash"] = 1
	} else {
		path["test"] = 1
	}
	return path
}

// prepare stores the values that all nonces of a chunk share.
func (v *shani) prepare(vary reg.GPVirtual) {
	v.packStart(v.block, vary, v.start)
	v.Comment("Copy the message to memory aligned to 16 bytes, as the SHA instructions require.")
	for q := range 4 {
		v.VMOVDQU(v.field("Words", 4*q), reg.X0)
		v.VMOVDQA(reg.X0, v.message.Offset(16*q))
	}
	v.Comment("Copy W[16] to W[19], which all nonces share if they are constant.")
	v.VMOVDQU(v.field("sum", 16), reg.X0)
	v.VMOVDQA(reg.X0, v.message.Offset(16*4))
	for i := range shaniBatch {
		v.VMOVDQA(reg.X0, v.quadOf(i, 4))
	}
	v.packConstants(v.block, v.constants)
}

// beginning writes the rounds before shaniSharedPair, and W[16] to W[31], for a varying word.
func (v *shani) beginning(vary int) {
	v.Commentf("Word %d varies.", vary)
	v.Label(fmt.Sprintf("vary%d", vary))
	varying, first := vary/4, 4 // first is the first quad that is not constant
	if constantPair(vary, 8) && constantPair(vary, 9) {
		first = 5
	}
	at := func(nonce, q int) operand.Mem {
		if q < first && q != varying {
			return v.message.Offset(16 * q)
		}
		return v.quadOf(nonce, q)
	}
	rounds := record(v.Context, func() {
		for i := range shaniBatch {
			v.begin(i, vary, v.start, v.kw(v.done, i, vary/2))
		}
		for pair := firstPair(vary); pair < shaniSharedPair; pair++ {
			v.rounds(shaniBatch, pair, func(chain int) operand.Mem {
				switch {
				case !constantPair(vary, pair):
					return v.kw(v.done, chain, pair)
				case pair < 8:
					return v.field("sum", 2*pair)
				}
				return v.constants.Offset(8 * (pair - 8))
			})
		}
	})
	schedule := record(v.Context, func() {
		for nonce := 0; nonce < shaniBatch; nonce += 2 {
			for i := nonce; i < nonce+2; i++ {
				w := scheduleOf(i).last
				v.VMOVDQA(at(i, varying), w)
				v.VPADDD(constant(4*varying), w, w)
				v.VMOVDQA(w, v.kw(v.next, i, 2*varying))
			}
			v.schedule(nonce, first, 8, at)
		}
	})
	interleave(v.Context, rounds, schedule)
	v.JMP(operand.LabelRef("rest"))
}

// rest writes the rounds from shaniSharedPair on, and W[32] to W[63].
func (v *shani) rest() {
	v.Label("rest")
	rounds := record(v.Context, func() {
		for pair := shaniSharedPair; pair < 32; pair++ {
			v.rounds(shaniBatch, pair, func(chain int) operand.Mem { return v.kw(v.done, chain, pair) })
		}
	})
	schedule := record(v.Context, func() {
		for nonce := 0; nonce < shaniBatch; nonce += 2 {
			v.schedule(nonce, 8, lastQuad+1, v.quadOf)
		}
	})
	interleave(v.Context, rounds, schedule)
}

// kw returns the address of K + W of a pair of rounds of a nonce.
func (v *shani) kw(buffer reg.GPVirtual, nonce, pair int) operand.Mem {
	return operand.Mem{Base: buffer, Disp: 256*nonce + 8*pair}
}

// quads are the registers that compute the schedule of a nonce: the last quad, the one before
// it, and the next one. Older quads are in memory. If the one before were in memory too, every
// quad would wait for a load that waits for a store.
type quads struct{ last, before, next reg.VecPhysical }

// scheduleOf returns the registers for a nonce. Two nonces are scheduled at a time.
func scheduleOf(nonce int) quads {
	x := xmm[9+3*(nonce%2):]
	return quads{x[0], x[1], x[2]}
}

// schedule computes quads [from, to) of two nonces. SHA256MSG1 adds smallSigma0(W[t-15]) to
// W[t-16]; then VPADDD adds W[t-7], and SHA256MSG2 smallSigma1(W[t-2]).
func (v *shani) schedule(nonce, from, to int, at func(nonce, q int) operand.Mem) {
	r := []quads{scheduleOf(nonce), scheduleOf(nonce + 1)}
	for i := range r {
		v.VMOVDQA(at(nonce+i, from-2), r[i].before)
		v.VMOVDQA(at(nonce+i, from-1), r[i].last)
	}
	each := func(f func(nonce int, r *quads)) {
		for i := range r {
			f(nonce+i, &r[i])
		}
	}
	for q := from; q < to; q++ {
		each(func(nonce int, r *quads) { v.VMOVDQA(at(nonce, q-4), r.next) })
		each(func(nonce int, r *quads) { v.SHA256MSG1(at(nonce, q-3), r.next) })
		each(func(_ int, r *quads) { v.VPALIGNR(operand.U8(4), r.before, r.last, r.before) })
		each(func(_ int, r *quads) { v.VPADDD(r.before, r.next, r.next) })
		each(func(_ int, r *quads) {
			v.SHA256MSG2(r.last, r.next)
			r.last, r.before, r.next = r.next, r.last, r.before
		})
		if q <= lastQuad-3 { // a later quad loads it
			each(func(nonce int, r *quads) { v.VMOVDQA(r.last, v.quadOf(nonce, q)) })
		}
		each(func(_ int, r *quads) { v.VPADDD(constant(4*q), r.last, r.next) })
		each(func(nonce int, r *quads) { v.VMOVDQA(r.next, v.kw(v.next, nonce, 2*q)) })
	}
}
