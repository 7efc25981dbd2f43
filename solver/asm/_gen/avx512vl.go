package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx512VL is the variant of AVX-512 to run beside SHA-NI: 8 lanes in Y16 to Y31. The SHA
// instructions cannot encode those registers, so dirty upper halves in them cost nothing.
// Sixteen registers are enough for rounds or for a message schedule, but not for both.
//
// It uses two-input logic. On Zen 4 every VPTERNLOGD among the rounds delays a SHA256RNDS2,
// which also has three inputs, by most of a cycle. The two or three instructions that replace
// it are free as long as a vector unit is idle.
type avx512VL struct{ avx512 }

func newAVX512VL(c *build.Context) avx512VL {
	return avx512VL{avx512{c, []reg.VecPhysical{
		reg.Y16, reg.Y17, reg.Y18, reg.Y19, reg.Y20, reg.Y21, reg.Y22, reg.Y23,
		reg.Y24, reg.Y25, reg.Y26, reg.Y27, reg.Y28, reg.Y29, reg.Y30, reg.Y31,
	}}}
}

func (v avx512VL) bigSigma0(x reg.VecPhysical) reg.VecPhysical {
	return v.xor(v.rotateThrice(x, 2, 13, 22))
}

func (v avx512VL) bigSigma1(x reg.VecPhysical) reg.VecPhysical {
	return v.xor(v.rotateThrice(x, 6, 11, 25))
}

func (v avx512VL) smallSigma0(x operand.Op) reg.VecPhysical {
	return v.xor(v.rotateTwiceAndShift(x, 7, 18, 3))
}

func (v avx512VL) smallSigma1(x operand.Op) reg.VecPhysical {
	return v.xor(v.rotateTwiceAndShift(x, 17, 19, 10))
}

// xor returns a ^ b ^ c in a. It adds c before b because c is the shift in a small sigma,
// which is ready a cycle before the rotations.
func (v avx512VL) xor(a, b, c reg.VecPhysical) reg.VecPhysical {
	v.VPXORD(c, a, a)
	v.VPXORD(b, a, a)
	return a
}

// choose is ((y ^ z) & x) ^ z.
func (v avx512VL) choose(x, y, z reg.VecPhysical) reg.VecPhysical {
	result := v.regs[14]
	v.VPXORD(y, z, result)
	v.VPANDD(x, result, result)
	v.VPXORD(z, result, result)
	return result
}

// majority is ((x ^ y) & (y ^ z)) ^ y, where y ^ z is the x ^ y of the round before.
func (v avx512VL) majority(t int, x, y, z reg.VecPhysical) reg.VecPhysical {
	xy, yz := v.difference(t), v.difference(t-1)
	v.VPXORD(x, y, xy)
	v.VPANDD(xy, yz, yz)
	v.VPXORD(y, yz, yz)
	return yz
}

func (v avx512VL) enter(t int, y, z reg.VecPhysical) { v.VPXORD(y, z, v.difference(t-1)) }

// difference returns the register that holds x ^ y of round t.
func (v avx512VL) difference(t int) reg.VecPhysical {
	if t%2 == 0 {
		return v.regs[12]
	}
	return v.regs[15]
}
