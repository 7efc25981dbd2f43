package strategies

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gkpow/gkpow/solver"
)

// A Split is a way to divide a range of nonces among workers. See Search, in
// workers.go, for what is measured.
type Split struct {
	name        string
	description string
	// deal returns the function that gives each worker, counted from 0, its
	// nonces, as ranges in the order in which it searches them.
	deal func(p solver.Puzzle, b blocks, workers int) func(worker int) iter.Seq[Range]
}

// SplitBlock is how many nonces a block has, but for the first and the last of a
// range: those that differ in the last four digits only. That is 0.2 ms of work
// for the fastest kernel and 5 ms for the textbook loop.
const SplitBlock = 10_000

// Name is a word for flags and benchmark names, such as "counter".
func (s Split) Name() string { return s.name }

// Description says in one line what the split does.
func (s Split) Description() string { return s.description }

// Splits lists the ways to split. That of package solver is the first.
func Splits() []Split { return slices.Clone(splits) }

// SplitNamed returns the split of that name. The error for one that does not
// exist lists those that do.
func SplitNamed(name string) (Split, error) {
	var names []string
	for _, s := range splits {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	return Split{}, fmt.Errorf("strategies: no split %q; there are %s", name, strings.Join(names, ", "))
}

var splits = []Split{
	{
		name:        "counter",
		description: "each worker takes the next block from a counter that all share",
		deal: func(_ solver.Puzzle, b blocks, _ int) func(int) iter.Seq[Range] {
			var next atomic.Uint64
			return func(int) iter.Seq[Range] {
				return b.each(func(uint64) (uint64, bool) {
					i := next.Add(1) - 1
					return i, i < b.count()
				})
			}
		},
	},
	{
		name:        "static",
		description: "each worker has one part of the range; the parts are equal but for a block",
		deal: func(_ solver.Puzzle, b blocks, workers int) func(int) iter.Seq[Range] {
			bound := func(i int) uint64 { return b.count() * uint64(i) / uint64(workers) }
			return func(worker int) iter.Seq[Range] {
				return func(yield func(Range) bool) {
					if from, to := bound(worker), bound(worker+1); from < to {
						yield(Range{b.at(from).First, b.at(to - 1).Last})
					}
				}
			}
		},
	},
	{
		name:        "stride",
		description: "of n workers, each takes every n-th block",
		deal: func(_ solver.Puzzle, b blocks, workers int) func(int) iter.Seq[Range] {
			return func(worker int) iter.Seq[Range] {
				return b.each(func(turn uint64) (uint64, bool) {
					i := turn*uint64(workers) + uint64(worker)
					return i, i < b.count()
				})
			}
		},
	},
	{
		name: "random",
		description: "each worker begins at a block drawn for it, and goes round; nobody knows what the others have tried. " +
			"The draw depends on the prefix only",
		deal: func(p solver.Puzzle, b blocks, _ int) func(int) iter.Seq[Range] {
			seed := sha256.Sum256(p.Prefix)
			return func(worker int) iter.Seq[Range] {
				rng := rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:]), uint64(worker)))
				start := rng.Uint64N(b.count())
				return b.each(func(turn uint64) (uint64, bool) {
					return (start + turn) % b.count(), turn < b.count()
				})
			}
		},
	},
}

// Blocks are a range cut at the multiples of SplitBlock.
type blocks Range

// count is how many there are.
func (b blocks) count() uint64 { return b.Last/SplitBlock - b.First/SplitBlock + 1 }

// at returns a block, counted from 0.
func (b blocks) at(i uint64) Range {
	first := (b.First/SplitBlock + i) * SplitBlock
	return Range{max(first, b.First), first + min(SplitBlock-1, b.Last-first)}
}

// each yields, turn by turn, the blocks that pick says, until ok is false.
func (b blocks) each(pick func(turn uint64) (i uint64, ok bool)) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for turn := uint64(0); ; turn++ {
			if i, ok := pick(turn); !ok || !yield(b.at(i)) {
				return
			}
		}
	}
}
