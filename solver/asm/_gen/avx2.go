package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx2 has 8 lanes and 16 registers. Working variables are in Y0 to Y7, temporary values in
// Y8 to Y15, and the last sixteen words of the schedule on the stack.
type avx2 struct {
	*build.Context
	words operand.Mem   // aligned to 32 bytes, so that no access crosses a cache line
	valid reg.GPVirtual // a mask of the lanes that have a nonce; nil if the kernel does not use it
	apart int           // the words before this one are computed apart from the rounds

	now    int             // the index of the word being computed
	result reg.VecPhysical // of load, hits and the rotations
}

// newAVX2 returns the instruction set for code that computes the words before apart where it does
// no rounds.
func newAVX2(c *build.Context, apart int) isa {
	v := newAVX2Rounds(c)
	v.apart = apart
	v.words = alignedLocal(c, 16*32, 32)
	v.SUBQ(operand.I8(-128), v.words.Base)
	v.words.Disp = -128 // displacements from -128 to 127 save three bytes
	return v
}

// newAVX2Rounds returns the instruction set without memory for a schedule.
func newAVX2Rounds(c *build.Context) *avx2 { return &avx2{Context: c, valid: c.GP32(), result: reg.Y8} }

var ymm = []reg.VecPhysical{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
}

func (*avx2) lanes() int                    { return 8 }
func (*avx2) compact() bool                 { return true }
func (*avx2) working(i int) reg.VecPhysical { return ymm[i] }
func (v *avx2) old(int) operand.Op          { return nil }
func (v *avx2) keep(t int)                  { v.VMOVDQA(v.draft(t), v.stored(t)) }
func (*avx2) temporary() reg.VecPhysical    { return reg.Y12 }

// stored returns the memory of W[t].
func (v *avx2) stored(t int) operand.Mem { return v.words.Offset(32 * (t % 16)) }

// draft and word keep the last two words in registers where there are no rounds, since each word
// depends on the word two before it and has little else to wait for. In the rounds, the majority
// uses two of these registers.
func (v *avx2) draft(t int) reg.VecPhysical {
	v.now = t
	return v.recent(t)
}

func (v *avx2) recent(t int) reg.VecPhysical {
	if t < v.apart {
		return ringWords[t%3]
	}
	return reg.Y13
}

func (v *avx2) word(t int) operand.Op {
	if v.now < v.apart && v.now-t <= 2 {
		return v.recent(t)
	}
	return v.stored(t)
}

// add makes a register below Y8 the first operand, which saves a byte.
func (v *avx2) add(x operand.Op, y, sum reg.VecPhysical) {
	if z, ok := x.(reg.VecPhysical); ok && z.PhysicalIndex() >= 8 && y.PhysicalIndex() < 8 {
		x, y = y, z
	}
	v.VPADDD(x, y, sum)
}

func (v *avx2) addConstant(m operand.Mem, x operand.Op, sum reg.VecPhysical) {
	v.add(x, v.spread(m, x, sum), sum)
}

// spread returns a register with the number at m in all lanes. It is the result's register
// unless that holds x.
func (v *avx2) spread(m operand.Mem, x operand.Op, result reg.VecPhysical) reg.VecPhysical {
	if x == result {
		result = reg.Y12
	}
	v.setConstant(m, result)
	return result
}

func (v *avx2) setConstant(m operand.Mem, x reg.VecPhysical) { v.VPBROADCASTD(m, x) }

func (v *avx2) or(m operand.Mem, x, result reg.VecPhysical) {
	v.VPOR(x, v.spread(m, x, result), result)
}

// rotations returns the exclusive or of x rotated right by each of r and, unless shift is 0,
// x shifted right by shift. It rotates by two shifts and calls left for the left shift.
func (v *avx2) rotations(
	left func(n uint8, x, result reg.VecPhysical), x reg.VecPhysical, shift uint8, r ...uint8,
) reg.VecPhysical {
	result, other, high := v.result, reg.Y9, reg.Y11
	if shift > 0 {
		v.VPSRLD(operand.U8(shift), x, result)
	}
	for i, n := range r {
		low := other
		if i == 0 && shift == 0 {
			low = result
		}
		v.VPSRLD(operand.U8(n), x, low)
		left(32-n, x, high)
		v.VPXOR(high, low, low)
		if low != result {
			v.VPXOR(low, result, result)
		}
	}
	return result
}

func (v *avx2) shiftLeft(n uint8, x, result reg.VecPhysical) { v.VPSLLD(operand.U8(n), x, result) }

// multiplyLeft shifts in the units that multiply, for code that keeps the shift units busy.
func (v *avx2) multiplyLeft(n uint8, x, result reg.VecPhysical) { v.VPMULLD(power(n), x, result) }

func (v *avx2) bigSigma0(x reg.VecPhysical) reg.VecPhysical {
	return v.rotations(v.shiftLeft, x, 0, 2, 13, 22)
}

func (v *avx2) bigSigma1(x reg.VecPhysical) reg.VecPhysical {
	return v.rotations(v.shiftLeft, x, 0, 6, 11, 25)
}

func (v *avx2) smallSigma0(x operand.Op) reg.VecPhysical {
	return v.rotations(v.shiftLeft, v.fetch(x), 3, 7, 18)
}

func (v *avx2) smallSigma1(x operand.Op) reg.VecPhysical {
	return v.rotations(v.shiftLeft, v.fetch(x), 10, 17, 19)
}

// fetch returns a word of the schedule in a register and loads it if necessary.
func (v *avx2) fetch(x operand.Op) reg.VecPhysical {
	if x, ok := x.(reg.VecPhysical); ok {
		return x
	}
	v.VMOVDQA(x, reg.Y10)
	return reg.Y10
}

// choose is ((y ^ z) & x) ^ z.
func (v *avx2) choose(x, y, z reg.VecPhysical) reg.VecPhysical {
	v.VPXOR(y, z, reg.Y11)
	v.VPAND(x, reg.Y11, reg.Y11)
	v.VPXOR(z, reg.Y11, reg.Y11)
	return reg.Y11
}

// majority is ((x ^ y) & (y ^ z)) ^ y, where y ^ z is the x ^ y of the round before.
func (v *avx2) majority(t int, x, y, z reg.VecPhysical) reg.VecPhysical {
	xy, yz := reg.Y14, reg.Y15
	if t%2 == 1 {
		xy, yz = yz, xy
	}
	v.VPXOR(x, y, xy)
	v.VPAND(xy, yz, yz)
	v.VPXOR(y, yz, yz)
	return yz
}

func (v *avx2) enter(t int, y, z reg.VecPhysical) {
	yz := reg.Y15
	if t%2 == 1 {
		yz = reg.Y14
	}
	v.VPXOR(y, z, yz)
}

func (v *avx2) load(words, index, n reg.GPVirtual) reg.VecPhysical {
	if v.valid != nil {
		v.whole()
	}
	left := reg.RCX
	v.MOVQ(n, left)
	v.SUBQ(index, left)
	v.CMPQ(left, operand.U8(8))
	v.JGE(operand.LabelRef("whole"))

	v.Comment("Fewer words than lanes are left: load only those.")
	if v.valid != nil {
		v.MOVL(operand.U32(1), v.valid)
		v.SHLL(reg.CL, v.valid)
		v.DECL(v.valid)
	}
	mask := v.GP64()
	v.LEAQ(operand.NewDataAddr(operand.Symbol{Name: "·firstLanes"}, 32), mask)
	v.SHLQ(operand.U8(2), left)
	v.SUBQ(left, mask)
	v.VMOVDQU(operand.Mem{Base: mask}, reg.Y9)
	v.VPMASKMOVD(operand.Mem{Base: words, Index: index, Scale: 4}, reg.Y9, v.result)
	v.JMP(operand.LabelRef("loaded"))

	v.Label("whole")
	v.VMOVDQU(operand.Mem{Base: words, Index: index, Scale: 4}, v.result)
	v.Label("loaded")
	return v.result
}

func (v *avx2) whole() { v.MOVL(operand.U32(0xff), v.valid) }

func (v *avx2) move(x, y reg.VecPhysical)            { v.VMOVDQA(x, y) }
func (v *avx2) get(m operand.Mem, x reg.VecPhysical) { v.VMOVDQU(m, x) }
func (v *avx2) put(x reg.VecPhysical, m operand.Mem) { v.VMOVDQU(x, m) }

func (v *avx2) hits(mask operand.Mem, x reg.VecPhysical) reg.GPVirtual {
	v.VPBROADCASTD(mask, v.result)
	v.VPAND(x, v.result, v.result)
	v.VPXOR(reg.Y9, reg.Y9, reg.Y9)
	v.VPCMPEQD(reg.Y9, v.result, v.result)
	hits := v.GP64()
	v.VMOVMSKPS(v.result, hits.As32())
	v.ANDL(v.valid, hits.As32())
	return hits
}
