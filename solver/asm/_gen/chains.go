package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
)

// chains runs several hashes side by side with SHA-NI. SHA256RNDS2 does two rounds with a
// latency of four cycles or more, in which other chains can proceed. The working variables of
// a chain are in two registers, from the high end to the low: a, b, e, f and c, d, g, h. Chain
// i uses X1+2i and X2+2i. SHA256RNDS2 expects K + W of the two rounds in X0.
//
// Rounds are counted in pairs: pair p is rounds 2p and 2p+1. A pair writes the new a, b, e, f
// to the register of c, d, g, h, and the old a, b, e, f become c, d, g, h. So the names
// alternate instead of the values.
//
// The SHA instructions have no VEX encoding. All other instructions here have it and leave the
// upper halves of X0 to X15 clean, so mixing them costs nothing.
type chains struct{ *build.Context }

var xmm = []reg.VecPhysical{
	reg.X0, reg.X1, reg.X2, reg.X3, reg.X4, reg.X5, reg.X6, reg.X7,
	reg.X8, reg.X9, reg.X10, reg.X11, reg.X12, reg.X13, reg.X14, reg.X15,
}

// variables returns the registers of a chain before a pair of rounds.
func (v chains) variables(chain, pair int) (abef, cdgh reg.VecPhysical) {
	abef, cdgh = xmm[1+2*chain], xmm[2+2*chain]
	if pair%2 == 1 {
		abef, cdgh = cdgh, abef
	}
	return abef, cdgh
}

// rounds does a pair of rounds of each chain in turn. kw returns the address of a chain's
// K + W, which is not loaded again if the chain before has the same address.
func (v chains) rounds(n, pair int, kw func(chain int) operand.Mem) {
	for i := range n {
		if i == 0 || kw(i) != kw(i-1) {
			v.VMOVQ(kw(i), reg.X0)
		}
		abef, cdgh := v.variables(i, pair)
		v.SHA256RNDS2(reg.X0, abef, cdgh)
	}
}

// get and put move a chain's working variables between registers and memory.
func (v chains) get(chain, pair int, m operand.Mem) {
	abef, cdgh := v.variables(chain, pair)
	v.VMOVDQU(m, abef)
	v.VMOVDQU(m.Offset(16), cdgh)
}

func (v chains) put(chain, pair int, m operand.Mem) {
	abef, cdgh := v.variables(chain, pair)
	v.VMOVDQU(abef, m)
	v.VMOVDQU(cdgh, m.Offset(16))
}

// putA stores b and a after the last pair, with a in the upper half.
func (v chains) putA(chain int, m operand.Mem) {
	abef, _ := v.variables(chain, 32)
	v.VMOVHPS(abef, m)
}

// keepTarget stores four copies each of State[0] and Mask. Adding State[0] to the result of
// gatherA gives H0.
func (v chains) keepTarget(block gotypes.Component, to operand.Mem) {
	for i, m := range []operand.Mem{fieldOf(block, "State", 0), scalarOf(block, "Mask")} {
		v.VBROADCASTSS(m, reg.X0) // VPBROADCASTD needs AVX2
		v.VMOVDQU(reg.X0, to.Offset(16*i))
	}
}

// gatherA returns a of four chains after the last pair in one register. It overwrites the
// chains.
func (v chains) gatherA() reg.VecPhysical {
	var abef [4]reg.VecPhysical
	for i := range abef {
		abef[i], _ = v.variables(i, 32)
	}
	v.VPUNPCKHDQ(abef[1], abef[0], abef[0])
	v.VPUNPCKHDQ(abef[3], abef[2], abef[2])
	v.VPUNPCKHQDQ(abef[2], abef[0], abef[0])
	return abef[0]
}

// zeroWords compares the four words of x with a mask, four words in memory. It sets a bit in bits for
// each word in which all bits of the mask are zero. It overwrites x and X0.
func (v chains) zeroWords(mask operand.Mem, x reg.VecPhysical, bits reg.GPVirtual) {
	v.VPAND(mask, x, x)
	v.VPXOR(reg.X0, reg.X0, reg.X0)
	v.VPCMPEQD(reg.X0, x, x)
	v.VMOVMSKPS(x, bits.As32())
}

// pack loads the working variables a to h into the registers of a chain before pair 0. It
// overwrites X0.
func (v chains) pack(from operand.Mem, chain int) {
	abef, cdgh := v.variables(chain, 0)
	v.VMOVDQU(from, reg.X0)
	v.VMOVDQU(from.Offset(16), abef)
	v.VSHUFPS(operand.U8(0xbb), reg.X0, abef, cdgh)
	v.VSHUFPS(operand.U8(0x11), reg.X0, abef, abef)
}

// The varying word belongs to the first or the second round of a pair. In the second, it is
// only added to a and e. So the chunk does that pair once, and each nonce does an addition
// instead of the pair's instruction.

// firstPair returns the first pair of rounds that each nonce has to do.
func firstPair(vary int) int { return (vary + 1) / 2 }

// packStart stores the working variables of the Block before firstPair, in the order of a
// chain. If begin will add K + W of the pair before, it subtracts the constant part first.
func (v chains) packStart(block gotypes.Component, vary reg.GPVirtual, to operand.Mem) {
	at := v.GP64()
	v.MOVQ(vary, at)
	v.SHLQ(operand.U8(5), at)
	before := address(block.Field("before").Index(0).Index(0))
	before.Index, before.Scale = at, 1
	abef, _ := v.variables(0, 0)
	v.TESTQ(operand.U32(1), vary)
	v.JNE(operand.LabelRef("second"))
	v.pack(before, 0)
	v.JMP(operand.LabelRef("packed"))
	v.Label("second")
	v.pack(fieldOf(block, "after", 0), 0)
	kw := fieldOf(block, "sum", 0)
	kw.Index, kw.Scale, kw.Disp = vary, 4, kw.Disp-4
	v.VMOVDDUP(kw, reg.X0)
	v.VPSUBD(reg.X0, abef, abef)
	v.Label("packed")
	v.put(0, 0, to)
}

// constantPair reports whether K + W of a pair of rounds is the same for all nonces of a chunk.
func constantPair(vary, pair int) bool {
	varying := schedule.Varying(vary)
	return pair != vary/2 && varying[2*pair] == 0 && varying[2*pair+1] == 0
}

// packConstants stores K + W of pairs 8 to 11, eight bytes each. Those that vary are undefined.
// Later pairs always vary.
func (v chains) packConstants(block gotypes.Component, to operand.Mem) {
	for i := range 2 {
		v.VMOVDQU(fieldOf(block, "sum", 16+4*i), reg.X0)
		v.VPADDD(constant(16+4*i), reg.X0, reg.X0)
		v.VMOVDQU(reg.X0, to.Offset(16*i))
	}
}

// begin loads a chain's working variables before firstPair. kw is the address of K + W of the
// pair that contains the varying word.
func (v chains) begin(chain, vary int, start, kw operand.Mem) {
	pair := firstPair(vary)
	if vary%2 == 0 {
		v.get(chain, pair, start)
		return
	}
	abef, cdgh := v.variables(chain, pair)
	v.VMOVDDUP(kw, reg.X0)
	v.VPADDD(start, reg.X0, abef)
	v.VMOVDQU(start.Offset(16), cdgh)
}

// writeChainTails writes ScanTails with SHA-NI. K + W of a tail are the same for all chains,
// so one load serves the same pair of all of them.
func writeChainTails(c *build.Context) {
	const n = 4
	v := chains{c}
	t := newTailLoop(c)
	results := c.AllocLocal(8 * n)
	v.VZEROUPPER()

	v.Label("next")
	t.begin()
	group, last := v.GP64(), v.GP64()
	v.MOVQ(t.states, group)
	v.LEAQ(operand.Mem{Base: t.states, Disp: 32 * maxStates}, last)

	v.Label("group")
	for i := range n {
		v.get(i, 0, operand.Mem{Base: group, Disp: 32 * i})
	}
	for pair := range 32 {
		v.rounds(n, pair, func(int) operand.Mem { return operand.Mem{Base: t.kw, Disp: 8 * pair} })
	}
	for i := range n {
		v.putA(i, results.Offset(8*i))
	}
	v.Comment("The highest word of a, b, e, f is a; adding State[0] gives H0.")
	for i := range n {
		h0 := v.GP32()
		v.MOVL(results.Offset(8*i+4), h0)
		v.ADDL(operand.Mem{Base: group, Disp: 32*i + 12}, h0)
		v.TESTL(h0, t.mask)
		v.JEQ(operand.LabelRef("found"))
	}
	v.ADDQ(operand.U32(32*n), group)
	v.CMPQ(group, last)
	v.JNE(operand.LabelRef("group"))
	t.end()
}

// chainTailsPath contains how often each part runs for a tail.
var chainTailsPath = map[string]int{"group": maxStates / 4}

// places returns a table of shuffles for VPSHUFB. Shuffle n moves the first word to place n
// and sets all other words to 0.
func places(c *build.Context) operand.Mem {
	table := c.StaticGlobal("places")
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for word := range 4 {
		for i := range 4 {
			const none = 0x80808080
			from := operand.U32(none)
			if i == word {
				from = 0x03020100
			}
			c.AppendDatum(from)
		}
	}
	return table
}
