package asm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gkpow/gkpow/solver/asm/cpuclock"
)

// BenchmarkScan gives the rate of each kernel by the word that varies.
func BenchmarkScan(b *testing.B) {
	for _, k := range Kernels() {
		for _, vary := range []int{0, 3, 8, 10, 13} {
			b.Run("kernel="+k.Name+"/vary="+strconv.Itoa(vary), func(b *testing.B) {
				if k.Missing != "" {
					b.Skipf("this CPU has no %s", k.Missing)
				}
				s := newSample(rand.New(rand.NewPCG(5, 0)), vary, k.MaxScan, 0)
				s.block.Mask = ^uint32(0)
				for b.Loop() {
					k.Scan(&s.block, s.words)
				}
				b.ReportMetric(float64(b.N)*float64(k.MaxScan)/b.Elapsed().Seconds(), "hashes/s")
			})
		}
	}
}

// BenchmarkCycles compares the kernels fairly on a machine that others use too:
// each iteration is a round in which all take their turn, and so does the measurement
// of the clock. The medians over the rounds are
// what counts; ask for an odd number of them, with -benchtime 15x or so.
func BenchmarkCycles(b *testing.B) {
	type entrant struct {
		kernel  string
		name    string
		hashes  int // in a scan
		scan    func()
		seconds []float64 // for each hash
	}
	var entrants []*entrant
	for _, k := range Kernels() {
		if k.Missing != "" {
			continue
		}
		for _, vary := range []int{0, 3, 8, 10, 11, 12} {
			s := newSample(rand.New(rand.NewPCG(6, 0)), vary, min(k.MaxScan, 1000), 0)
			s.block.Mask = ^uint32(0)
			entrants = append(entrants, &entrant{kernel: k.Name, name: strconv.Itoa(vary), hashes: len(s.words),
				scan: func() { k.Scan(&s.block, s.words) }})
		}
		for _, vary := range []int{3, 8, 10, 12} {
			if k.Ops.Grid[1] == 0 {
				break
			}
			s := newGridSample(rand.New(rand.NewPCG(6, 0)), vary, 1000)
			s.grid.Mask = ^uint32(0)
			entrants = append(entrants, &entrant{kernel: k.Name, name: fmt.Sprintf("grid %d", vary), hashes: GridLanes * len(s.words),
				scan: func() {
					s.grid.Prepare()
					k.ScanGrid(&s.grid, s.words)
				}})
		}
		for _, tails := range []int{1, 10, 100} {
			s := newSample(rand.New(rand.NewPCG(6, 0)), 13, MaxHash, tails)
			states := make([]States, MaxHash/MaxStates)
			entrants = append(entrants, &entrant{kernel: k.Name, name: strconv.Itoa(tails) + " tails", hashes: tails * MaxHash,
				scan: func() {
					k.Hash(&s.block, s.words, states)
					for i := range states {
						k.ScanTails(&states[i], s.tails, ^uint32(0))
					}
				}})
		}
	}
	var clocks []float64 // cycles per second
	for b.Loop() {
		clocks = append(clocks, cpuclock.Measure(b.Context()))
		for _, e := range entrants {
			start, scans := time.Now(), 0
			for ; time.Since(start) < 2*time.Millisecond; scans++ {
				e.scan()
			}
			e.seconds = append(e.seconds, time.Since(start).Seconds()/float64(scans*e.hashes))
		}
	}
	hz := median(clocks)
	b.ReportMetric(hz/1e9, "GHz")
	// A benchmark's log is cut after ten lines: one for each kernel.
	lines := map[string]string{}
	for _, e := range entrants {
		seconds := median(e.seconds)
		lines[e.kernel] += fmt.Sprintf("  %s: %.1f (%.1f MH/s)", e.name, seconds*hz, 1e-6/seconds)
	}
	for name, line := range lines {
		b.Logf("%s cycles/hash by word that varies%s", name, line)
	}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
