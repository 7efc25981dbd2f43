package strategies

import (
	"fmt"
	"log"
	"strings"
	"testing"

	"github.com/gkpow/gkpow/solver"
)

// saltLengths are likely salt lengths, in bytes.
var saltLengths = []int{16, 24, 32, 40, 48, 64, 128}

// BenchmarkSearch compares the strategies on one thread, on nonces of 8 digits, or 9 in long runs,
// none of which is a solution. An operation is a hash. The benchmark leaves out strategies that
// this CPU cannot run.
func BenchmarkSearch(b *testing.B) {
	for _, s := range All() {
		if missing := s.Missing(); missing != "" {
			log.Printf("strategy %s is left out: this CPU has no %s", s.Name(), missing)
			continue
		}
		for _, length := range saltLengths {
			b.Run(fmt.Sprintf("strategy=%s/salt=%d", s.Name(), length), func(b *testing.B) {
				p := solver.Puzzle{Prefix: []byte(strings.Repeat("7", length) + ":"), Bits: solver.MaxBits}
				const first = 10_000_000
				before := CPUClock(b.Context())
				b.ResetTimer()
				hashes, err := s.Search(b.Context(), p, Range{first, first + uint64(b.N) - 1}, func(uint64) bool { return true })
				b.StopTimer()
				if err != nil || hashes != uint64(b.N) {
					b.Fatalf("%d hashes, %v; want %d", hashes, err, b.N)
				}
				clock := (before + CPUClock(b.Context())) / 2
				perHash := b.Elapsed().Seconds() / float64(hashes)
				b.ReportMetric(1/perHash, "hashes/s")
				b.ReportMetric(1e9*perHash, "ns/hash")
				b.ReportMetric(clock*perHash, "cycles/hash")
				b.ReportMetric(0, "ns/op") // not shown: the same as ns/hash
			})
		}
	}
}

// BenchmarkEasy solves puzzles of a gkCAPTCHA difficulty with the engine and with the plain loop
// that is hardest to beat in short searches. An operation is a puzzle.
func BenchmarkEasy(b *testing.B) {
	engine, err := solver.New(solver.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ways := map[string]func(p solver.Puzzle) error{
		"append": func(p solver.Puzzle) error {
			_, err := appending.Search(b.Context(), p, Range{0, solver.MaxInt32}, func(uint64) bool { return false })
			return err
		},
		"gkpow": func(p solver.Puzzle) error {
			_, err := engine.Solve(b.Context(), p)
			return err
		},
	}
	for difficulty := range solver.ServiceDifficulty + 1 {
		puzzles := make([]solver.Puzzle, 300)
		for i := range puzzles {
			if puzzles[i], err = solver.NewPuzzle(fmt.Sprintf("%032x", i), difficulty); err != nil {
				b.Fatal(err)
			}
		}
		for _, way := range []string{"append", "gkpow"} {
			b.Run(fmt.Sprintf("difficulty=%d/way=%s", difficulty, way), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if err := ways[way](puzzles[i%len(puzzles)]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
