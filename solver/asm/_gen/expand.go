package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// writeExpand writes Expand with SHA-NI, for two tails at a time: the words of one fill the
// latency of the other's. Tail i has its last sixteen words in X0 to X3, or X4 to X7, four
// in each register.
func writeExpand(c *build.Context) {
	const sizeofTail = 4 * 64
	v := chains{c}
	tail := v.Load(v.Param("tails").Base(), v.GP64()).(reg.GPVirtual)
	n := v.Load(v.Param("tails").Len(), v.GP64()).(reg.GPVirtual)
	v.TESTQ(n, n)
	v.JEQ(operand.LabelRef("done"))
	v.VZEROUPPER()

	v.Label("next")
	v.Comment("If there is no second tail, expand the first one twice.")
	after, second := v.GP64(), v.GP64()
	v.MOVQ(tail, second)
	v.LEAQ(operand.Mem{Base: tail, Disp: sizeofTail}, after)
	v.CMPQ(n, operand.U8(1))
	v.CMOVQGT(after, second)

	tails := []reg.GPVirtual{tail, second}
	w := [][]reg.VecPhysical{xmm[0:4], xmm[4:8]}
	each := func(f func(w []reg.VecPhysical, temporary reg.VecPhysical, tail reg.GPVirtual)) {
		for i := range tails {
			f(w[i], xmm[8+i], tails[i])
		}
	}
	for q := range 4 {
		each(func(w []reg.VecPhysical, _ reg.VecPhysical, tail reg.GPVirtual) {
			v.VMOVDQU(operand.Mem{Base: tail, Disp: 16 * q}, w[q])
		})
	}
	for q := range 16 {
		oldest, older, before, last := q%4, (q+1)%4, (q+2)%4, (q+3)%4
		if q >= 4 {
			each(func(w []reg.VecPhysical, _ reg.VecPhysical, _ reg.GPVirtual) {
				v.SHA256MSG1(w[older], w[oldest])
			})
			each(func(w []reg.VecPhysical, t reg.VecPhysical, _ reg.GPVirtual) {
				v.VPALIGNR(operand.U8(4), w[before], w[last], t)
			})
			each(func(w []reg.VecPhysical, t reg.VecPhysical, _ reg.GPVirtual) {
				v.VPADDD(t, w[oldest], w[oldest])
			})
			each(func(w []reg.VecPhysical, _ reg.VecPhysical, _ reg.GPVirtual) {
				v.SHA256MSG2(w[last], w[oldest])
			})
		}
		each(func(w []reg.VecPhysical, t reg.VecPhysical, _ reg.GPVirtual) {
			v.VPADDD(constant(4*q), w[oldest], t)
		})
		each(func(_ []reg.VecPhysical, t reg.VecPhysical, tail reg.GPVirtual) {
			v.VMOVDQU(t, operand.Mem{Base: tail, Disp: 16 * q})
		})
	}
	v.ADDQ(operand.U32(2*sizeofTail), tail)
	v.SUBQ(operand.U8(2), n)
	v.CMPQ(n, operand.U8(1))
	v.JGE(operand.LabelRef("next"))

	v.Label("done")
	v.RET()
}
