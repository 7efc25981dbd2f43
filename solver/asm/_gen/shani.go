package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A chain is one hash in the SHA-NI kernel. The working variables are in two
// registers, from the high end to the low: a, b, e, f and c, d, g, h.
type chain struct {
	abef, cdgh reg.VecPhysical
	w          [4]reg.VecPhysical // W[4q] to W[4q+3] is w[q%4]
	h0         reg.GPVirtual      // first word of the hash
}

// shani is the SHA-NI kernel under construction. An instruction does two rounds
// in four cycles, but the next one need not wait for it if it belongs to another
// chain: so two nonces are hashed side by side. More do not fit in 16 registers.
//
// The SHA instructions have no VEX encoding. All others do here, and the upper
// halves of the registers are clean, so that mixing them costs nothing.
type shani struct {
	*build.Context
	block  gotypes.Component
	chains []*chain
	kw     reg.VecPhysical // K[t] + W[t] of four rounds; SHA256RNDS2 wants it in X0
	temp   reg.VecPhysical
	place  reg.VecPhysical // moves a word to where it is in its quad
	start  operand.Mem     // abef and cdgh before the quad that varies
}

func (v *shani) field(name string, index int) operand.Mem {
	return fieldOf(v.block, name, index)
}

// writeSHANI writes the kernel. The quads of rounds after the sixteenth word are
// the same for all nonces; before them there is a beginning for each quad in
// which a word may vary.
func writeSHANI(c *build.Context) {
	v := &shani{
		Context: c,
		chains: []*chain{
			{abef: reg.X1, cdgh: reg.X2, w: [4]reg.VecPhysical{reg.X3, reg.X4, reg.X5, reg.X6}, h0: c.GP32()},
			{abef: reg.X7, cdgh: reg.X8, w: [4]reg.VecPhysical{reg.X9, reg.X10, reg.X11, reg.X12}, h0: c.GP32()},
		},
		kw:    reg.X0,
		temp:  reg.X13,
		place: reg.X14,
	}
	v.block = v.Dereference(v.Param("b"))
	words := v.Load(v.Param("words").Base(), v.GP64()).(reg.GPVirtual)
	n := v.Load(v.Param("words").Len(), v.GP64()).(reg.GPVirtual)
	vary := v.Load(v.block.Field("Vary"), v.GP64()).(reg.GPVirtual)
	index := v.GP64()
	v.VZEROUPPER()
	v.XORQ(index, index)
	v.prepare(vary)

	v.Label("next")
	v.CMPQ(index, n)
	v.JGE(operand.LabelRef("none"))
	v.Comment("The chains' words; the second chain repeats the last one if there is no other.")
	second := v.GP64()
	v.LEAQ(operand.Mem{Base: index, Disp: 1}, second)
	v.CMPQ(second, n)
	v.CMOVQGE(index, second)
	for i, at := range []reg.GPVirtual{index, second} {
		c := v.chains[i]
		v.VMOVD(operand.Mem{Base: words, Index: at, Scale: 4}, c.w[0])
		v.VPSHUFB(v.place, c.w[0], c.w[0])
		v.VMOVDQU(v.start, c.abef)
		v.VMOVDQU(v.start.Offset(16), c.cdgh)
	}
	for q := 1; q < 4; q++ {
		v.CMPQ(vary, operand.U8(4*q))
		v.JLT(operand.LabelRef(fmt.Sprintf("quad%d", q-1)))
	}
	for q := 3; q >= 0; q-- {
		v.beginning(q)
	}
	v.rounds()

	v.Label("test")
	mask := v.Load(v.block.Field("Mask"), v.GP32())
	for i, c := range v.chains {
		v.TESTL(mask, c.h0)
		v.JEQ(operand.LabelRef(fmt.Sprintf("found%d", i)))
	}
	v.ADDQ(operand.U8(len(v.chains)), index)
	v.JMP(operand.LabelRef("next"))

	v.Label("found1")
	v.INCQ(index)
	v.Label("found0")
	v.Store(index, v.ReturnIndex(0))
	v.RET()

	v.Label("none")
	v.MOVQ(operand.I32(-1), index)
	v.Store(index, v.ReturnIndex(0))
	v.RET()
}

// shaniPath says how often each part of the kernel runs for its two nonces.
func shaniPath(vary int, tail bool) map[string]int {
	path := map[string]int{"next": 1, fmt.Sprintf("quad%d", vary/4): 1, "rounds": 1}
	if tail {
		path["tail"], path["tail4"], path["end"] = 1, 16, 1
	} else {
		path["single"] = 1
	}
	return path
}

// prepare computes what is the same for all nonces of a chunk: the working
// variables before the quad that varies, and where in it the word belongs.
func (v *shani) prepare(vary reg.GPVirtual) {
	v.start = v.AllocLocal(32)
	at := v.GP64()
	v.Comment("The working variables before the quad, 32 bytes for a round.")
	v.MOVQ(vary, at)
	v.ANDQ(operand.I8(-4), at)
	v.SHLQ(operand.U8(5), at)
	before := address(v.block.Field("before").Index(0).Index(0))
	before.Index, before.Scale = at, 1
	v.pack(before, v.chains[0].abef, v.chains[0].cdgh)
	v.VMOVDQU(v.chains[0].abef, v.start)
	v.VMOVDQU(v.chains[0].cdgh, v.start.Offset(16))

	places := v.StaticGlobal("places")
	v.DataAttributes(attr.RODATA | attr.NOPTR)
	for word := range 4 {
		for i := range 4 {
			const none = 0x80808080
			from := operand.U32(none)
			if i == word {
				from = 0x03020100
			}
			v.AppendDatum(from)
		}
	}
	table := v.GP64()
	v.LEAQ(places, table)
	v.MOVQ(vary, at)
	v.ANDQ(operand.U8(3), at)
	v.SHLQ(operand.U8(4), at)
	v.VMOVDQU(operand.Mem{Base: table, Index: at, Scale: 1}, v.place)
}

// pack loads working variables a to h in the order of the SHA instructions.
func (v *shani) pack(from operand.Mem, abef, cdgh reg.VecPhysical) {
	v.VMOVDQU(from, v.temp)
	v.VMOVDQU(from.Offset(16), abef)
	v.VSHUFPS(operand.U8(0xbb), v.temp, abef, cdgh)
	v.VSHUFPS(operand.U8(0x11), v.temp, abef, abef)
}

// beginning is for digits in the quad q of the message.
func (v *shani) beginning(q int) {
	v.Commentf("A word of quad %d varies.", q)
	v.Label(fmt.Sprintf("quad%d", q))
	for _, c := range v.chains {
		v.VPOR(v.field("Words", 4*q), c.w[0], c.w[q])
		for i := range 4 {
			if i != q {
				v.VMOVDQU(v.field("Words", 4*i), c.w[i])
			}
		}
	}
	v.quad(q)
	for i := q + 1; i < 4; i++ {
		v.constantQuad(i, v.field("sum", 4*i))
	}
	v.JMP(operand.LabelRef("rounds"))
}

// rounds does rounds 16 to 63, and those of the block that follows.
func (v *shani) rounds() {
	v.Label("rounds")
	for q := 4; q < 16; q++ {
		v.schedule(q)
		v.quad(q)
	}
	for _, c := range v.chains {
		v.VPEXTRD(operand.U8(3), c.abef, c.h0)
	}
	v.CMPB(scalarOf(v.block, "Tail"), operand.U8(0))
	v.JNE(operand.LabelRef("tail"))

	v.Label("single")
	for _, c := range v.chains {
		v.ADDL(v.field("State", 0), c.h0)
	}
	v.JMP(operand.LabelRef("test"))

	v.Comment("The hash value of this block.")
	v.Label("tail")
	abef, cdgh := reg.X15, v.chains[0].w[0]
	v.pack(v.field("State", 0), abef, cdgh)
	for _, c := range v.chains {
		v.VPADDD(abef, c.abef, c.abef)
		v.VPADDD(cdgh, c.cdgh, c.cdgh)
		v.VPEXTRD(operand.U8(3), c.abef, c.h0)
	}
	kw, times := v.GP64(), v.GP64()
	v.LEAQ(v.field("tail", 0), kw)
	v.MOVQ(operand.U32(16), times)

	v.Comment("The block that follows: its words are constant.")
	v.Label("tail4")
	v.constantQuad(0, operand.Mem{Base: kw})
	v.ADDQ(operand.U8(16), kw)
	v.DECQ(times)
	v.JNE(operand.LabelRef("tail4"))
	v.Label("end")
	for _, c := range v.chains {
		a := v.GP32()
		v.VPEXTRD(operand.U8(3), c.abef, a)
		v.ADDL(a, c.h0)
	}
	v.JMP(operand.LabelRef("test"))
}

// quad does rounds 4q to 4q+3 of all chains.
func (v *shani) quad(q int) {
	v.Commentf("Rounds %d to %d.", 4*q, 4*q+3)
	for _, c := range v.chains {
		v.VPADDD(constant(4*q), c.w[q%4], v.kw)
		v.SHA256RNDS2(v.kw, c.abef, c.cdgh)
		v.VPSHUFD(operand.U8(0x0e), v.kw, v.kw)
		v.SHA256RNDS2(v.kw, c.cdgh, c.abef)
	}
}

// constantQuad does four rounds of all chains whose words are constant.
func (v *shani) constantQuad(q int, kw operand.Mem) {
	v.VMOVDQU(kw, v.kw)
	for _, c := range v.chains {
		v.SHA256RNDS2(v.kw, c.abef, c.cdgh)
	}
	v.VPSHUFD(operand.U8(0x0e), v.kw, v.kw)
	for _, c := range v.chains {
		v.SHA256RNDS2(v.kw, c.cdgh, c.abef)
	}
}

// schedule makes W[4q] to W[4q+3] of all chains. SHA256MSG1 adds smallSigma0 of
// t-15 to t-16, SHA256MSG2 smallSigma1 of t-2; the word t-7 is added between.
func (v *shani) schedule(q int) {
	v.Commentf("W[%d] to W[%d].", 4*q, 4*q+3)
	for _, c := range v.chains {
		w := func(back int) reg.VecPhysical { return c.w[(q-back+4)%4] }
		v.SHA256MSG1(w(3), w(4))
		v.VPALIGNR(operand.U8(4), w(2), w(1), v.temp)
		v.VPADDD(v.temp, w(4), w(4))
		v.SHA256MSG2(w(1), w(4))
	}
}
