package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/gkpow/gkpow/solver"
)

// A puzzle is a salt, a difficulty, and the smallest nonce that solves it. A search that
// counts from 0 finds exactly this nonce, after nonce+1 hashes.
type puzzle struct {
	salt       string
	difficulty int
	nonce      uint64
}

// solverPuzzle returns the puzzle for package solver.
func (p puzzle) solverPuzzle() solver.Puzzle {
	s, err := solver.NewPuzzle(p.salt, p.difficulty)
	if err != nil {
		panic(err) // the difficulties are our own
	}
	return s
}

// newPuzzles returns puzzles that take about 0.1, 0.5, 4 and 25 million hashes, or with
// -quick a single one that takes a few thousand.
func newPuzzles(ctx context.Context, o options) (puzzles []puzzle, err error) {
	sizes := []struct {
		difficulty  int
		least, most uint64
	}{
		{4, 80_000, 120_000},
		{5, 400_000, 700_000},
		{6, 3_000_000, 6_000_000},
		{6, 20_000_000, 30_000_000},
	}
	if o.quick {
		sizes = sizes[:1]
		sizes[0].difficulty, sizes[0].least, sizes[0].most = 3, 1_000, 5_000
	}
	number := 0
	for _, size := range sizes {
		s, err := solver.New(solver.Options{Sequential: true, MaxNonce: size.most})
		if err != nil {
			return nil, err
		}
		for {
			p := puzzle{salt: newSalt(o, number), difficulty: size.difficulty}
			number++
			solution, err := s.Solve(ctx, p.solverPuzzle())
			if errors.Is(err, solver.ErrExhausted) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if p.nonce = solution.Nonce; p.nonce >= size.least {
				puzzles = append(puzzles, p)
				break
			}
		}
	}
	return puzzles, nil
}

// newSalt returns the salt with the given number, in hex digits as the service sends it.
func newSalt(o options, number int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d", o.seed, number))
	return hex.EncodeToString(sum[:])[:o.saltLength]
}
