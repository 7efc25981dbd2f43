package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// An expansion computes the message schedules of two tails at a time. It handles words in
// quads: quad q is W[4q] to W[4q+3].
type expansion interface {
	load(q int)  // loads a quad of the message
	next(q int)  // computes a quad from the four before it
	store(q int) // stores K + W of a quad
}

// writeExpand writes Expand.
func writeExpand(c *build.Context, newExpansion func(c *build.Context, tails [2]reg.GPVirtual) expansion) {
	const sizeofTail = 4 * 64
	tail := c.Load(c.Param("tails").Base(), c.GP64()).(reg.GPVirtual)
	n := c.Load(c.Param("tails").Len(), c.GP64()).(reg.GPVirtual)
	c.TESTQ(n, n)
	c.JEQ(operand.LabelRef("done"))
	c.VZEROUPPER()

	c.Label("next")
	c.Comment("If there is no second tail, expand the first one twice.")
	second := c.GP64()
	c.MOVQ(tail, second)
	c.CMPQ(n, operand.U8(1))
	c.JEQ(operand.LabelRef("pair"))
	c.ADDQ(operand.U32(sizeofTail), second)

	c.Label("pair")
	v := newExpansion(c, [2]reg.GPVirtual{tail, second})
	for q := range 4 {
		v.load(q)
	}
	for q := range 16 {
		if q >= 4 {
			v.next(q)
		}
		v.store(q)
	}
	c.ADDQ(operand.U32(2*sizeofTail), tail)
	c.SUBQ(operand.U8(2), n)
	c.CMPQ(n, operand.U8(1))
	c.JGE(operand.LabelRef("next"))

	c.Label("done")
	c.VZEROUPPER()
	c.RET()
}

// quadsBefore returns the indices of the registers that hold the last four quads before quad q.
// The registers take turns: the next quad replaces the oldest one.
func quadsBefore(q int) (oldest, older, before, last int) {
	return q % 4, (q + 1) % 4, (q + 2) % 4, (q + 3) % 4
}

// expandChains expands with SHA-NI. The instructions of the two tails alternate, so that those
// of one fill the latency of the other's.
type expandChains struct {
	chains
	tails [2]reg.GPVirtual
}

func newExpandChains(c *build.Context, tails [2]reg.GPVirtual) expansion {
	return expandChains{chains{c}, tails}
}

// each calls f with the registers for each tail: its last four quads, and another one.
func (v expandChains) each(f func(tail reg.GPVirtual, w []reg.VecPhysical, other reg.VecPhysical)) {
	for i, tail := range v.tails {
		f(tail, xmm[4*i:][:4], xmm[8+i])
	}
}

func (v expandChains) load(q int) {
	v.each(func(tail reg.GPVirtual, w []reg.VecPhysical, _ reg.VecPhysical) {
		v.VMOVDQU(operand.Mem{Base: tail, Disp: 16 * q}, w[q])
	})
}

// next does the same as shani.schedule.
func (v expandChains) next(q int) {
	oldest, older, before, last := quadsBefore(q)
	v.each(func(_ reg.GPVirtual, w []reg.VecPhysical, _ reg.VecPhysical) {
		v.SHA256MSG1(w[older], w[oldest])
	})
	v.each(func(_ reg.GPVirtual, w []reg.VecPhysical, other reg.VecPhysical) {
		v.VPALIGNR(operand.U8(4), w[before], w[last], other)
	})
	v.each(func(_ reg.GPVirtual, w []reg.VecPhysical, other reg.VecPhysical) {
		v.VPADDD(other, w[oldest], w[oldest])
	})
	v.each(func(_ reg.GPVirtual, w []reg.VecPhysical, _ reg.VecPhysical) {
		v.SHA256MSG2(w[last], w[oldest])
	})
}

func (v expandChains) store(q int) {
	v.each(func(_ reg.GPVirtual, w []reg.VecPhysical, other reg.VecPhysical) {
		v.VPADDD(constant(4*q), w[q%4], other)
	})
	v.each(func(tail reg.GPVirtual, _ []reg.VecPhysical, other reg.VecPhysical) {
		v.VMOVDQU(other, operand.Mem{Base: tail, Disp: 16 * q})
	})
}

// expandVectors expands with AVX2. Each half of a register belongs to one tail. The last four
// quads are in Y0 to Y3.
type expandVectors struct {
	*build.Context
	tails [2]reg.GPVirtual
}

func newExpandVectors(c *build.Context, tails [2]reg.GPVirtual) expansion {
	return expandVectors{c, tails}
}

func (v expandVectors) load(q int) {
	v.VMOVDQU(operand.Mem{Base: v.tails[0], Disp: 16 * q}, ymm[q].AsX())
	v.VINSERTI128(operand.U8(1), operand.Mem{Base: v.tails[1], Disp: 16 * q}, ymm[q], ymm[q])
}

func (v expandVectors) next(q int) {
	oldest, older, before, last := quadsBefore(q)
	next, words := ymm[oldest], ymm[4]
	v.VPALIGNR(operand.U8(4), ymm[oldest], ymm[older], words) // W[t-15]
	v.addSigma(7, 18, 3, words, next)
	v.VPALIGNR(operand.U8(4), ymm[before], ymm[last], words) // W[t-7]
	v.VPADDD(words, next, next)
	v.Comment("Words 0 and 1 of the quad need the two words before it; words 2 and 3 need words 0 and 1.")
	v.VPSRLDQ(operand.U8(8), ymm[last], words)
	v.addSigma(17, 19, 10, words, next)
	v.VPSLLDQ(operand.U8(8), next, words)
	v.addSigma(17, 19, 10, words, next)
}

// addSigma adds a function of FIPS 180-4, section 4.1.2, to sum: words rotated right by r1,
// rotated right by r2, and shifted right by s.
func (v expandVectors) addSigma(r1, r2, s uint8, words, sum reg.VecPhysical) {
	result, part := ymm[5], ymm[6]
	v.VPSRLD(operand.U8(s), words, result)
	for _, r := range []uint8{r1, r2} {
		v.VPSRLD(operand.U8(r), words, part)
		v.VPXOR(part, result, result)
		v.VPSLLD(operand.U8(32-r), words, part)
		v.VPXOR(part, result, result)
	}
	v.VPADDD(result, sum, sum)
}

func (v expandVectors) store(q int) {
	kw := ymm[5]
	v.VBROADCASTI128(constant(4*q), kw)
	v.VPADDD(ymm[q%4], kw, kw)
	v.VMOVDQU(kw.AsX(), operand.Mem{Base: v.tails[0], Disp: 16 * q})
	v.VEXTRACTI128(operand.U8(1), kw, operand.Mem{Base: v.tails[1], Disp: 16 * q})
}
