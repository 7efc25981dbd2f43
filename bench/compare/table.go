package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// A machine describes where the figures were measured.
type machine struct {
	cpu     string
	clock   float64 // current clock of the CPU in Hz
	threads int
	system  string
	load    string // one-minute load average
	date    string
	source  string // the version of gkpow
}

func newMachine(ctx context.Context) machine {
	m := machine{
		cpu:     strings.TrimSpace(cpuid.CPU.BrandName),
		clock:   strategies.CPUClock(ctx),
		threads: runtime.GOMAXPROCS(0),
		system:  runtime.GOOS + "/" + runtime.GOARCH + ", " + runtime.Version(),
		date:    time.Now().UTC().Format(time.DateOnly),
		load:    "unknown",
		source:  "unknown",
	}
	if averages, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load, _, _ = strings.Cut(string(averages), " ")
	}
	if out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output(); err == nil {
		m.source = strings.TrimSpace(string(out))
	}
	return m
}

// median returns the middle number, or the mean of the middle two.
func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// each returns a figure for every run.
func each(runs []cost, figure func(cost) float64) (x []float64) {
	for _, t := range runs {
		x = append(x, figure(t))
	}
	return x
}

// The service's challenges: gkCAPTCHA M2M API, "1. Request a Challenge".
const (
	difficulty = 6  // leading zero hex digits
	lifetime   = 60 // seconds
)

// printTable prints one row for each rival, slowest first.
func printTable(out io.Writer, m machine, o options, rivals []*rival) {
	fmt.Fprintf(out, "%s at %.2f GHz, %d threads, %s, gkpow %s, %s, load %s before the run. Salts of %d characters, seed %d; median and range of %d rounds, in which the searches take turns.\n\n",
		m.cpu, m.clock/1e9, m.threads, m.system, m.source, m.date, m.load, o.saltLength, o.seed, o.rounds)
	rate := func(r *rival) float64 {
		if len(r.runs) == 0 || r.err != nil {
			return 0
		}
		return median(each(r.runs, cost.rate))
	}
	rivals = slices.Clone(rivals)
	slices.SortStableFunc(rivals, func(a, b *rival) int { return cmp.Compare(rate(a), rate(b)) })

	fmt.Fprintf(out, "| search | threads | MH/s | range | start | difficulty %d, mean | not in %d s | what |\n", difficulty, lifetime)
	fmt.Fprintf(out, "|---|--:|--:|--:|--:|--:|--:|---|\n")
	for _, r := range rivals {
		switch {
		case r.missing != "":
			fmt.Fprintf(out, "| %s | | | | | | | %s |\n", r.name, r.missing)
			continue
		case r.err != nil:
			fmt.Fprintf(out, "| %s | | FAIL | | | | | %s |\n", r.name, strings.ReplaceAll(r.err.Error(), "\n", " "))
			continue
		}
		rates := each(r.runs, cost.rate)
		begin, started := median(each(r.runs, func(t cost) float64 { return t.start })), ""
		if begin > 0 {
			started = fmt.Sprintf("%.0f ms", 1e3*begin)
		}
		hashes := math.Ldexp(1, 4*difficulty)
		fmt.Fprintf(out, "| %s | %d | %s | %s–%s | %s | %s | %s | %s |\n",
			r.name, r.threads, mega(rate(r)), mega(slices.Min(rates)), mega(slices.Max(rates)),
			started, seconds(begin+hashes/rate(r)), percent(math.Exp(-(lifetime-begin)*rate(r)/hashes)), r.what)
	}
}

// mega formats hashes per second as MH/s.
func mega(rate float64) string {
	if rate >= 10e6 {
		return fmt.Sprintf("%.1f", rate/1e6)
	}
	return fmt.Sprintf("%.2f", rate/1e6)
}

// seconds formats a time with about two digits.
func seconds(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.1f µs", 1e6*s)
	case s < 0.1:
		return fmt.Sprintf("%.1f ms", 1e3*s)
	case s < 1:
		return fmt.Sprintf("%.2g s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

// percent formats a chance.
func percent(chance float64) string {
	if chance < 1e-6 {
		return "never"
	}
	return fmt.Sprintf("%.2g%%", 100*chance)
}

// printSmall compares the engine with a simple but efficient loop on easy puzzles.
func printSmall(ctx context.Context, out io.Writer, o options) error {
	const puzzles = 300
	loop, err := strategies.Named("append")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nMedian time to solve easy puzzles, over %d salts, in this process:\n\n", puzzles)
	fmt.Fprintf(out, "| difficulty | append | gkpow |\n|--:|--:|--:|\n")
	for difficulty := range 5 {
		var times [2][]float64
		for i := range puzzles {
			p := puzzle{salt: newSalt(o, i), difficulty: difficulty}.solverPuzzle()
			for j, search := range []func() error{
				func() error {
					_, err := loop.Search(ctx, p, strategies.Range{First: 0, Last: solver.MaxSafeInteger}, func(uint64) bool { return false })
					return err
				},
				func() error {
					_, err := solver.Solve(ctx, p)
					return err
				},
			} {
				start := time.Now()
				if err := search(); err != nil {
					return err
				}
				times[j] = append(times[j], time.Since(start).Seconds())
			}
		}
		fmt.Fprintf(out, "| %d | %s | %s |\n", difficulty, seconds(median(times[0])), seconds(median(times[1])))
	}
	return nil
}
