package asm

import "math/bits"

// The functions and constants of FIPS 180-4, sections 4.1.2 and 4.2.2.

func choose(x, y, z uint32) uint32   { return z ^ x&(y^z) }
func majority(x, y, z uint32) uint32 { return x&y | (x|y)&z }

func bigSigma0(x uint32) uint32 {
	return bits.RotateLeft32(x, -2) ^ bits.RotateLeft32(x, -13) ^ bits.RotateLeft32(x, -22)
}

func bigSigma1(x uint32) uint32 {
	return bits.RotateLeft32(x, -6) ^ bits.RotateLeft32(x, -11) ^ bits.RotateLeft32(x, -25)
}

func smallSigma0(x uint32) uint32 {
	return bits.RotateLeft32(x, -7) ^ bits.RotateLeft32(x, -18) ^ x>>3
}

func smallSigma1(x uint32) uint32 {
	return bits.RotateLeft32(x, -17) ^ bits.RotateLeft32(x, -19) ^ x>>10
}

// IV is the initial hash value, FIPS 180-4 section 5.3.3.
var IV = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

// k holds the round constants.
var k = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

// round does one round on the working variables a to h, where kw is K[t] + W[t]. It returns
// e and a of the next round; the other six are the old a, b, c, e, f and g. The caller stores
// the results in d and h and renames the variables instead of moving them.
func round(a, b, c, d, e, f, g, h, kw uint32) (newE, newA uint32) {
	t1 := h + bigSigma1(e) + choose(e, f, g) + kw
	return d + t1, t1 + bigSigma0(a) + majority(a, b, c)
}

// The functions marked go:norace use only arrays that their caller owns, so they cannot race.
// With the race detector's instrumentation, tests of this package and of programs that use it
// would take six times as long.

// rounds does all 64 rounds on the working variables s, in place. kw is the message schedule
// with the round constants added. After eight rounds each variable is back in its place, so a
// loop of eight needs no moves.
//
//go:norace
func rounds(s *[8]uint32, kw *[64]uint32) {
	a, b, c, d, e, f, g, h := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
	for t := 0; t < 64; t += 8 {
		w := (*[8]uint32)(kw[t:])
		d, h = round(a, b, c, d, e, f, g, h, w[0])
		c, g = round(h, a, b, c, d, e, f, g, w[1])
		b, f = round(g, h, a, b, c, d, e, f, w[2])
		a, e = round(f, g, h, a, b, c, d, e, w[3])
		h, d = round(e, f, g, h, a, b, c, d, w[4])
		g, c = round(d, e, f, g, h, a, b, c, w[5])
		f, b = round(c, d, e, f, g, h, a, b, w[6])
		e, a = round(b, c, d, e, f, g, h, a, w[7])
	}
	*s = [8]uint32{a, b, c, d, e, f, g, h}
}

// finish does the rounds from the given one to 63 on the working variables s, in place. It
// computes the message schedule as it goes: w is a window of sixteen words, where W[t]
// replaces W[t-16]. Its constant offsets make this a third faster than a schedule computed
// before the rounds.
//
//go:norace
func finish(s *[8]uint32, w *[16]uint32, from int) {
	a, b, c, d, e, f, g, h := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
	for t := from; t < 16; t++ {
		newE, newA := round(a, b, c, d, e, f, g, h, k[t]+w[t])
		a, b, c, d, e, f, g, h = newA, a, b, c, newE, e, f, g
	}
	for t := 16; t < 64; t += 16 {
		k := (*[16]uint32)(k[t:])
		w[0] += smallSigma1(w[14]) + w[9] + smallSigma0(w[1])
		d, h = round(a, b, c, d, e, f, g, h, k[0]+w[0])
		w[1] += smallSigma1(w[15]) + w[10] + smallSigma0(w[2])
		c, g = round(h, a, b, c, d, e, f, g, k[1]+w[1])
		w[2] += smallSigma1(w[0]) + w[11] + smallSigma0(w[3])
		b, f = round(g, h, a, b, c, d, e, f, k[2]+w[2])
		w[3] += smallSigma1(w[1]) + w[12] + smallSigma0(w[4])
		a, e = round(f, g, h, a, b, c, d, e, k[3]+w[3])
		w[4] += smallSigma1(w[2]) + w[13] + smallSigma0(w[5])
		h, d = round(e, f, g, h, a, b, c, d, k[4]+w[4])
		w[5] += smallSigma1(w[3]) + w[14] + smallSigma0(w[6])
		g, c = round(d, e, f, g, h, a, b, c, k[5]+w[5])
		w[6] += smallSigma1(w[4]) + w[15] + smallSigma0(w[7])
		f, b = round(c, d, e, f, g, h, a, b, k[6]+w[6])
		w[7] += smallSigma1(w[5]) + w[0] + smallSigma0(w[8])
		e, a = round(b, c, d, e, f, g, h, a, k[7]+w[7])
		w[8] += smallSigma1(w[6]) + w[1] + smallSigma0(w[9])
		d, h = round(a, b, c, d, e, f, g, h, k[8]+w[8])
		w[9] += smallSigma1(w[7]) + w[2] + smallSigma0(w[10])
		c, g = round(h, a, b, c, d, e, f, g, k[9]+w[9])
		w[10] += smallSigma1(w[8]) + w[3] + smallSigma0(w[11])
		b, f = round(g, h, a, b, c, d, e, f, k[10]+w[10])
		w[11] += smallSigma1(w[9]) + w[4] + smallSigma0(w[12])
		a, e = round(f, g, h, a, b, c, d, e, k[11]+w[11])
		w[12] += smallSigma1(w[10]) + w[5] + smallSigma0(w[13])
		h, d = round(e, f, g, h, a, b, c, d, k[12]+w[12])
		w[13] += smallSigma1(w[11]) + w[6] + smallSigma0(w[14])
		g, c = round(d, e, f, g, h, a, b, c, k[13]+w[13])
		w[14] += smallSigma1(w[12]) + w[7] + smallSigma0(w[15])
		f, b = round(c, d, e, f, g, h, a, b, k[14]+w[14])
		w[15] += smallSigma1(w[13]) + w[8] + smallSigma0(w[0])
		e, a = round(b, c, d, e, f, g, h, a, k[15]+w[15])
	}
	*s = [8]uint32{a, b, c, d, e, f, g, h}
}

// expand sets kw[t] to K[t] + W[t] for the message schedule of a block. Like finish it keeps a
// window of sixteen words, but in variables: with an array it would take twice as long, since each
// word would wait for the store of an earlier one. The sums add the newest word last.
//
//go:norace
func expand(kw *[64]uint32, block *[16]uint32) {
	w0, w1, w2, w3 := block[0], block[1], block[2], block[3]
	w4, w5, w6, w7 := block[4], block[5], block[6], block[7]
	w8, w9, w10, w11 := block[8], block[9], block[10], block[11]
	w12, w13, w14, w15 := block[12], block[13], block[14], block[15]
	for t, w := range block {
		kw[t] = k[t] + w
	}
	for t := 16; t < 64; t += 16 {
		kw, k := (*[16]uint32)(kw[t:]), (*[16]uint32)(k[t:])
		w0 += smallSigma0(w1) + w9 + smallSigma1(w14)
		kw[0] = k[0] + w0
		w1 += smallSigma0(w2) + w10 + smallSigma1(w15)
		kw[1] = k[1] + w1
		w2 += smallSigma0(w3) + w11 + smallSigma1(w0)
		kw[2] = k[2] + w2
		w3 += smallSigma0(w4) + w12 + smallSigma1(w1)
		kw[3] = k[3] + w3
		w4 += smallSigma0(w5) + w13 + smallSigma1(w2)
		kw[4] = k[4] + w4
		w5 += smallSigma0(w6) + w14 + smallSigma1(w3)
		kw[5] = k[5] + w5
		w6 += smallSigma0(w7) + w15 + smallSigma1(w4)
		kw[6] = k[6] + w6
		w7 += smallSigma0(w8) + w0 + smallSigma1(w5)
		kw[7] = k[7] + w7
		w8 += smallSigma0(w9) + w1 + smallSigma1(w6)
		kw[8] = k[8] + w8
		w9 += smallSigma0(w10) + w2 + smallSigma1(w7)
		kw[9] = k[9] + w9
		w10 += smallSigma0(w11) + w3 + smallSigma1(w8)
		kw[10] = k[10] + w10
		w11 += smallSigma0(w12) + w4 + smallSigma1(w9)
		kw[11] = k[11] + w11
		w12 += smallSigma0(w13) + w5 + smallSigma1(w10)
		kw[12] = k[12] + w12
		w13 += smallSigma0(w14) + w6 + smallSigma1(w11)
		kw[13] = k[13] + w13
		w14 += smallSigma0(w15) + w7 + smallSigma1(w12)
		kw[14] = k[14] + w14
		w15 += smallSigma0(w0) + w8 + smallSigma1(w13)
		kw[15] = k[15] + w15
	}
}

// Compress returns the hash value after a message block, given the hash value before it, as
// in FIPS 180-4 section 6.2.2.
func Compress(state *[8]uint32, block *[16]uint32) [8]uint32 {
	s, w := *state, *block
	finish(&s, &w, 0)
	for i := range s {
		s[i] += state[i]
	}
	return s
}
