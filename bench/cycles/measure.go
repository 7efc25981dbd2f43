package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
	"github.com/gkpow/gkpow/solver/asm/cpuclock"
)

// burst is the approximate time that a part runs at a stretch, so short that most bursts are not
// interrupted.
const burst = 40 * time.Microsecond

// none is a mask that practically no hash meets: all bits of its first word would have to be zero.
const none = ^uint32(0)

// The kinds of parts.
const (
	scan   = "scan"
	grid   = "grid"
	tails  = "tails"
	shared = "shared"
)

// A part is a function of a kernel for one word, counter, number of tails or number of chunks.
type part struct {
	kernel     asm.Kernel
	kind       string
	number     int           // word that varies, counter, number of tails, or number of chunks
	operations float64       // per hash
	rounds     float64       // SHA256RNDS2 per hash
	prepare    func() runner // creates the data for bursts
}

// A runner runs a part once, which computes the given number of hashes.
type runner struct {
	run    func()
	hashes int
}

// partsOf returns the parts of the named kernels, separated by commas. Without names, it returns
// the parts of all kernels that the CPU can run, and the kernels that it cannot run.
func partsOf(names string) (parts []part, lacking []missing, err error) {
	wanted := strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' })
	var known []string
	for _, k := range asm.Kernels() {
		known = append(known, k.Name)
		switch {
		case len(wanted) > 0 && !slices.Contains(wanted, k.Name):
		case k.Missing == "":
			parts = append(parts, partsOfKernel(k)...)
		case len(wanted) > 0:
			return nil, nil, fmt.Errorf("-kernels: this CPU cannot run %s, which needs %s", k.Name, k.Missing)
		default:
			lacking = append(lacking, missing{k.Name, k.Missing})
		}
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, nil, fmt.Errorf("-kernels: no kernel %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return parts, lacking, nil
}

func partsOfKernel(k asm.Kernel) (parts []part) {
	lanes := float64(k.Lanes)
	for word := range 16 {
		operations, rounds := float64(k.Ops.Scan[word])/lanes, float64(k.Rounds.Scan[word])/lanes
		parts = append(parts, part{k, scan, word, operations, rounds,
			func() runner { return runScan(k, word) }})
	}
	for counter, operations := range k.Ops.Grid {
		if operations > 0 {
			perHash := func(n int) float64 { return float64(n) / asm.GridLanes }
			parts = append(parts, part{k, grid, counter, perHash(operations), perHash(k.Rounds.Grid[counter]),
				func() runner { return runGrid(k, counter) }})
		}
	}
	for _, n := range []int{1, 10, 100, 1000} {
		perHash := func(o asm.Ops) float64 { return float64(o.Hash[tailsWord]/n+o.Tail) / asm.MaxStates }
		parts = append(parts, part{k, tails, n, perHash(k.Ops), perHash(k.Rounds),
			func() runner { return runTails(k, n) }})
	}
	perHash := func(o asm.Ops) float64 { return float64(o.Shared) / asm.MaxStates }
	return append(parts, part{k, shared, asm.SharedStates, perHash(k.Ops), perHash(k.Rounds),
		func() runner { return runShared(k) }})
}

// tailsWord is the word that varies in the first block before tails.
const tailsWord = 13

func random(rng *rand.Rand) (words [16]uint32) {
	for i := range words {
		words[i] = rng.Uint32()
	}
	return words
}

func randomBlock(rng *rand.Rand, vary int) *asm.Block {
	words := random(rng)
	b := &asm.Block{State: [8]uint32(words[:]), Words: random(rng), Vary: vary, Mask: none}
	b.Words[vary] = 0
	b.Prepare(0)
	return b
}

func randomWords(rng *rand.Rand, n int) []uint32 {
	words := make([]uint32, n)
	for i := range words {
		words[i] = rng.Uint32()
	}
	return words
}

func runScan(k asm.Kernel, word int) runner {
	rng := rand.New(rand.NewPCG(1, uint64(word)))
	b, words := randomBlock(rng, word), randomWords(rng, min(k.MaxScan, 1000)/k.Lanes*k.Lanes)
	return runner{func() { k.Scan(b, words) }, len(words)}.within(k.Lanes, func(n int) func() {
		return func() { k.Scan(b, words[:n]) }
	})
}

func runGrid(k asm.Kernel, counter int) runner {
	rng := rand.New(rand.NewPCG(2, uint64(counter)))
	g := &asm.Grid{Words: random(rng), Vary: counter, Mask: none}
	g.State = [8]uint32(randomWords(rng, 8))
	g.Words[counter-1], g.Words[counter] = 0, 0
	g.Lanes = random(rng)
	g.Prepare()
	words := randomWords(rng, 1000)
	r := runner{func() { k.ScanGrid(g, words) }, len(words)}.within(k.Lanes, func(n int) func() {
		return func() { k.ScanGrid(g, words[:n]) }
	})
	r.hashes *= asm.GridLanes
	return r
}

// runTails runs Hash for the largest number of values that a call takes, or for fewer if there are
// many tails, and then ScanTails.
func runTails(k asm.Kernel, n int) runner {
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	values := asm.MaxHash
	if n >= 100 {
		values = asm.MaxStates
	}
	b, words, states := randomBlock(rng, tailsWord), randomWords(rng, values), make([]asm.States, values/asm.MaxStates)
	table := make([]asm.Tail, n)
	for i := range table {
		block := random(rng)
		table[i].Set(&block)
	}
	return runner{func() {
		k.Hash(b, words, states)
		for i := range states {
			k.ScanTails(&states[i], table, none)
		}
	}, n * values}
}

func runShared(k asm.Kernel) runner {
	rng := rand.New(rand.NewPCG(4, 0))
	s := &asm.Shared{Words: random(rng), Mask: none}
	for i := range s.States {
		s.States[i] = [8]uint32(randomWords(rng, 8))
	}
	s.Words[0] = 0
	words := randomWords(rng, 1000)
	r := runner{func() { k.ScanShared(s, words) }, len(words)}.within(k.Lanes, func(n int) func() {
		return func() { k.ScanShared(s, words[:n]) }
	})
	r.hashes *= asm.SharedStates
	return r
}

// within returns a runner that takes about as long as a burst. It runs part for a multiple of
// lanes, up to the number of hashes of r.
func (r runner) within(lanes int, part func(n int) func()) runner {
	few := part(lanes)
	few()
	start := time.Now()
	few()
	each := time.Since(start)
	n := min(r.hashes, max(lanes, int(burst/max(each, 1))*lanes))
	return runner{part(n), n}
}

// measured holds the bursts of all parts, in one process or several.
type measured struct {
	Hz      float64     // highest clock
	Seconds [][]float64 // per hash, by part and burst
}

// add adds the bursts of another process.
func (m *measured) add(other measured) {
	m.Hz = max(m.Hz, other.Hz)
	if m.Seconds == nil {
		m.Seconds = make([][]float64, len(other.Seconds))
	}
	for i, seconds := range other.Seconds {
		m.Seconds[i] = append(m.Seconds[i], seconds...)
	}
}

// measure runs the parts in turn, and measures the CPU's clock before each round.
func measure(ctx context.Context, parts []part, rounds int) measured {
	m := measured{Seconds: make([][]float64, len(parts))}
	runners := make([]runner, len(parts))
	for i, p := range parts {
		runners[i] = p.prepare()
	}
	for range rounds {
		m.Hz = max(m.Hz, cpuclock.Measure(ctx))
		for i, r := range runners {
			best := math.Inf(1)
			for range 2 { // the first run has cold caches
				start := time.Now()
				r.run()
				best = min(best, time.Since(start).Seconds())
			}
			m.Seconds[i] = append(m.Seconds[i], best/float64(r.hashes))
		}
	}
	return m
}
