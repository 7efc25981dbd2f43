package solver

import "math"

// odds computes the probabilities of a search in which each hash solves the puzzle with probability
// 2^-bits.
type odds struct{ bits int }

// found returns the probability that n hashes include a solution.
func (o odds) found(n float64) float64 {
	if n == 0 {
		return 0
	}
	return -math.Expm1(n * math.Log1p(-math.Ldexp(1, -o.bits)))
}

// missed returns the probability that n hashes include no solution. It stays accurate when the
// result is close to 0.
func (o odds) missed(n float64) float64 {
	if n == 0 {
		return 1
	}
	return math.Exp(n * math.Log1p(-math.Ldexp(1, -o.bits)))
}

// expected returns the average number of hashes until a solution is found or n have been tried.
func (o odds) expected(n float64) float64 {
	return o.found(n) * math.Ldexp(1, o.bits)
}
