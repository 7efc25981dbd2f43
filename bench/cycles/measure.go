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

// burst is about how long a part runs at a time: short enough that most bursts are not interrupted.
const burst = 40 * time.Microsecond

// none is the mask that no hash meets.
const none = ^uint32(0)

// An entrant is a part to be measured.
type entrant struct {
	kernel     asm.Kernel
	kind       string
	number     int
	operations float64       // for one hash
	rounds     float64       // SHA256RNDS2 for one hash
	prepare    func() runner // makes what a burst needs
}

// A runner runs a part once, for so many hashes.
type runner struct {
	run    func()
	hashes int
}

// newEntrants returns the parts of the named kernels, or of all that the CPU can run.
func newEntrants(names string) (entrants []entrant, err error) {
	wanted := strings.FieldsFunc(names, func(r rune) bool { return r == ',' })
	var usable []string
	for _, k := range asm.Kernels() {
		if k.Missing != "" {
			continue
		}
		usable = append(usable, k.Name)
		if len(wanted) == 0 || slices.Contains(wanted, k.Name) {
			entrants = append(entrants, partsOf(k)...)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(usable, name) {
			return nil, fmt.Errorf("no kernel %q; this CPU can run %s", name, strings.Join(usable, ", "))
		}
	}
	return entrants, nil
}

func partsOf(k asm.Kernel) (parts []entrant) {
	lanes := float64(k.Lanes)
	for word := range 16 {
		parts = append(parts, entrant{k, "scan", word, float64(k.Ops.Scan[word]) / lanes, float64(k.Rounds.Scan[word]) / lanes,
			func() runner { return scan(k, word) }})
	}
	for counter, operations := range k.Ops.Grid {
		if operations > 0 {
			parts = append(parts, entrant{k, "grid", counter, float64(operations) / asm.GridLanes, float64(k.Rounds.Grid[counter]) / asm.GridLanes,
				func() runner { return scanGrid(k, counter) }})
		}
	}
	for _, n := range []int{1, 10, 100, 1000} {
		perHash := func(o asm.Ops) float64 { return float64(o.Hash[tailsWord]/n+o.Tail) / asm.MaxStates }
		parts = append(parts, entrant{k, "tails", n, perHash(k.Ops), perHash(k.Rounds),
			func() runner { return scanTails(k, n) }})
	}
	return parts
}

// tailsWord is the word of the first block that varies where others follow.
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

func scan(k asm.Kernel, word int) runner {
	rng := rand.New(rand.NewPCG(1, uint64(word)))
	b, words := randomBlock(rng, word), randomWords(rng, min(k.MaxScan, 1000)/k.Lanes*k.Lanes)
	return runner{func() { k.Scan(b, words) }, len(words)}.within(k.Lanes, func(n int) func() {
		return func() { k.Scan(b, words[:n]) }
	})
}

func scanGrid(k asm.Kernel, counter int) runner {
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

// scanTails hashes as many values as the kernel does at once, or a few if there are many tails.
func scanTails(k asm.Kernel, n int) runner {
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	values := asm.MaxHash
	if n >= 100 {
		values = asm.MaxStates
	}
	b, words, states := randomBlock(rng, tailsWord), randomWords(rng, values), make([]asm.States, values/asm.MaxStates)
	tails := make([]asm.Tail, n)
	for i := range tails {
		block := random(rng)
		tails[i].Set(&block)
	}
	return runner{func() {
		k.Hash(b, words, states)
		for i := range states {
			k.ScanTails(&states[i], tails, none)
		}
	}, n * values}
}

// within returns a runner that takes about as long as a burst, at most all the words and a
// multiple of lanes.
func (r runner) within(lanes int, part func(n int) func()) runner {
	few := part(lanes)
	few()
	start := time.Now()
	few()
	each := time.Since(start)
	n := min(r.hashes, max(lanes, int(burst/max(each, 1))*lanes))
	return runner{part(n), n}
}

// measured are the bursts of all parts, in one process or several.
type measured struct {
	Hz      float64     // the highest clock
	Seconds [][]float64 // for one hash, by part
}

// add adds those of another process.
func (m *measured) add(other measured) {
	m.Hz = max(m.Hz, other.Hz)
	if m.Seconds == nil {
		m.Seconds = make([][]float64, len(other.Seconds))
	}
	for i, seconds := range other.Seconds {
		m.Seconds[i] = append(m.Seconds[i], seconds...)
	}
}

// measure measures the parts in turns, each once a round, with the clock in between.
func measure(entrants []entrant, rounds int) measured {
	m := measured{Seconds: make([][]float64, len(entrants))}
	runners := make([]runner, len(entrants))
	for i, e := range entrants {
		runners[i] = e.prepare()
	}
	for range rounds {
		m.Hz = max(m.Hz, cpuclock.Measure(context.Background()))
		for i, r := range runners {
			best := math.Inf(1)
			for range 2 { // the first has cold caches
				start := time.Now()
				r.run()
				best = min(best, time.Since(start).Seconds())
			}
			m.Seconds[i] = append(m.Seconds[i], best/float64(r.hashes))
		}
	}
	return m
}
