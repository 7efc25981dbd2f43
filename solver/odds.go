package solver

import "math"

// odds does the arithmetic of a search in which each hash solves the puzzle
// with the probability 2^-bits.
type odds struct{ bits int }

// found returns the chance that n hashes hold a solution.
func (o odds) found(n float64) float64 {
	if n == 0 {
		return 0
	}
	return -math.Expm1(n * math.Log1p(-math.Ldexp(1, -o.bits)))
}

// missed returns the chance that n hashes hold no solution. It is exact where
// that is next to nothing.
func (o odds) missed(n float64) float64 {
	if n == 0 {
		return 1
	}
	return math.Exp(n * math.Log1p(-math.Ldexp(1, -o.bits)))
}

// expected returns how many hashes it takes, on average, to find a solution or
// to try n of them.
func (o odds) expected(n float64) float64 {
	return o.found(n) * math.Ldexp(1, o.bits)
}
