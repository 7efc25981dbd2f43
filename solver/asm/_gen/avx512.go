package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx512 has rotations, three-input logic, and instructions that broadcast a constant in
// memory to all lanes (BCST). The first eight registers hold working variables, the next
// eight temporary values, and the rest the last sixteen words of the schedule.
type avx512 struct {
	*build.Context
	regs []reg.VecPhysical
}

// newAVX512 returns the instruction set with 16 lanes and all 32 registers.
func newAVX512(c *build.Context) isa {
	return avx512{c, []reg.VecPhysical{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
		reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
		reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
	}}
}

func (v avx512) lanes() int                    { return int(v.regs[0].Size()) / 4 }
func (avx512) compact() bool                   { return false }
func (v avx512) working(i int) reg.VecPhysical { return v.regs[i] }
func (v avx512) word(t int) operand.Op         { return v.regs[16+t%16] }
func (v avx512) draft(t int) reg.VecPhysical   { return v.regs[16+t%16] }
func (v avx512) keep(int)                      {}
func (v avx512) old(int) operand.Op            { return nil }
func (v avx512) temporary() reg.VecPhysical    { return v.regs[8] }

func (v avx512) move(x, y reg.VecPhysical) { v.VMOVDQA32(x, y) }

func (v avx512) add(x operand.Op, y, sum reg.VecPhysical) { v.VPADDD(x, y, sum) }

func (v avx512) addConstant(m operand.Mem, x operand.Op, sum reg.VecPhysical) {
	v.VPADDD_BCST(m, x, sum)
}

func (v avx512) setConstant(m operand.Mem, x reg.VecPhysical) { v.VPBROADCASTD(m, x) }

func (v avx512) or(m operand.Mem, x, result reg.VecPhysical) { v.VPORD_BCST(m, x, result) }

// ternary returns the truth table of a function of three bits as VPTERNLOGD expects it: bit
// 4x+2y+z is f(x, y, z), where x is the register that the result overwrites.
func ternary(f func(x, y, z uint8) uint8) operand.U8 {
	var table operand.U8
	for i := range uint8(8) {
		table |= operand.U8(f(i>>2, i>>1&1, i&1)) << i
	}
	return table
}

var (
	xorTable      = ternary(func(x, y, z uint8) uint8 { return x ^ y ^ z })
	chooseTable   = ternary(func(x, y, z uint8) uint8 { return x&y | (1^x)&z })
	majorityTable = ternary(func(x, y, z uint8) uint8 { return x&y | x&z | y&z })
)

func (v avx512) bigSigma0(x reg.VecPhysical) reg.VecPhysical {
	return v.xor(v.rotateThrice(x, 2, 13, 22))
}

func (v avx512) bigSigma1(x reg.VecPhysical) reg.VecPhysical {
	return v.xor(v.rotateThrice(x, 6, 11, 25))
}

func (v avx512) smallSigma0(x operand.Op) reg.VecPhysical {
	return v.xor(v.rotateTwiceAndShift(x, 7, 18, 3))
}

func (v avx512) smallSigma1(x operand.Op) reg.VecPhysical {
	return v.xor(v.rotateTwiceAndShift(x, 17, 19, 10))
}

// The first of the three registers for the terms of a sigma. Those of a big sigma are free
// between rounds, those of a small sigma between words of the schedule.
const firstOfBigSigma, firstOfSmallSigma = 8, 11

// rotateThrice returns the terms of a big sigma: x rotated right by n0, n1 and n2.
func (v avx512) rotateThrice(x operand.Op, n0, n1, n2 uint8) (a, b, c reg.VecPhysical) {
	a, b, c = v.regs[firstOfBigSigma], v.regs[firstOfBigSigma+1], v.regs[firstOfBigSigma+2]
	v.VPRORD(operand.U8(n0), x, a)
	v.VPRORD(operand.U8(n1), x, b)
	v.VPRORD(operand.U8(n2), x, c)
	return a, b, c
}

// rotateTwiceAndShift returns the terms of a small sigma: x rotated right by n0 and n1, and
// shifted right by n2.
func (v avx512) rotateTwiceAndShift(x operand.Op, n0, n1, n2 uint8) (a, b, c reg.VecPhysical) {
	a, b, c = v.regs[firstOfSmallSigma], v.regs[firstOfSmallSigma+1], v.regs[firstOfSmallSigma+2]
	v.VPRORD(operand.U8(n0), x, a)
	v.VPRORD(operand.U8(n1), x, b)
	v.VPSRLD(operand.U8(n2), x, c)
	return a, b, c
}

// xor returns a ^ b ^ c in a.
func (v avx512) xor(a, b, c reg.VecPhysical) reg.VecPhysical {
	v.VPTERNLOGD(xorTable, c, b, a)
	return a
}

func (v avx512) choose(x, y, z reg.VecPhysical) reg.VecPhysical {
	return v.logic(chooseTable, x, y, z, v.regs[14])
}

func (v avx512) majority(_ int, x, y, z reg.VecPhysical) reg.VecPhysical {
	return v.logic(majorityTable, x, y, z, v.regs[15])
}

func (v avx512) logic(table operand.U8, x, y, z, result reg.VecPhysical) reg.VecPhysical {
	v.VMOVDQA32(x, result)
	v.VPTERNLOGD(table, z, y, result)
	return result
}

func (avx512) enter(int, reg.VecPhysical, reg.VecPhysical) {}

func (v avx512) load(words, index, n reg.GPVirtual) reg.VecPhysical {
	v.Comment("Set K1 to the lanes that have a nonce.")
	valid := v.GP32()
	v.MOVL(operand.U32(1<<v.lanes()-1), valid)
	left := reg.RCX
	v.MOVQ(n, left)
	v.SUBQ(index, left)
	v.CMPQ(left, operand.U8(v.lanes()))
	v.JGE(operand.LabelRef("whole"))
	v.MOVL(operand.U32(1), valid)
	v.SHLL(reg.CL, valid)
	v.DECL(valid)
	v.Label("whole")
	v.KMOVW(valid, reg.K1)
	v.VMOVDQU32_Z(operand.Mem{Base: words, Index: index, Scale: 4}, reg.K1, v.regs[8])
	return v.regs[8]
}

func (v avx512) whole() {
	ones := v.GP32()
	v.MOVL(operand.U32(1<<v.lanes()-1), ones)
	v.KMOVW(ones, reg.K1)
}

func (v avx512) get(m operand.Mem, x reg.VecPhysical) { v.VMOVDQU32(m, x) }
func (v avx512) put(x reg.VecPhysical, m operand.Mem) { v.VMOVDQU32(x, m) }

func (v avx512) hits(mask operand.Mem, x reg.VecPhysical) reg.GPVirtual {
	v.VPTESTNMD_BCST(mask, x, reg.K1, reg.K2)
	hits := v.GP64()
	v.KMOVW(reg.K2, hits.As32())
	return hits
}
