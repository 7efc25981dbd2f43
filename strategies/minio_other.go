//go:build !amd64 || !gc || noasm || appengine

package strategies

import (
	"context"

	"github.com/gkpow/gkpow/solver"
)

func (minioAVX512) Missing() string { return "AVX512F" }

func (m minioAVX512) Search(context.Context, solver.Puzzle, Range, func(nonce uint64) bool) (uint64, error) {
	return 0, missingError(m)
}
