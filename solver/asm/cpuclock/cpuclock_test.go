package cpuclock

import (
	"context"
	"math"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestMeasureEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if hz := Measure(ctx); hz != 0 {
		t.Errorf("a clock of %v Hz after the context has ended; want 0", hz)
	}
}

// x is what multiplications works on: a number that the compiler does not know.
var x atomic.Uint64

// multiplications executes a chain of ten multiplications in each round. Neither a compiler
// nor a CPU can make one of two.
func multiplications(rounds int) {
	y := x.Load() | 3
	for range rounds {
		y *= y
		y *= y
		y *= y
		y *= y
		y *= y
		y *= y
		y *= y
		y *= y
		y *= y
		y *= y
	}
	x.Store(y)
}

// A multiplication takes three cycles on every amd64 CPU of the last fifteen years but Zen 1,
// where it takes four. If the clock was wrong by a factor of two, it would take 6 or 8 by that
// clock, or 1.5 or 2.
func TestMeasureAgreesWithMultiplications(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the latency of a multiplication is not the same on all CPUs")
	}
	const rounds = 10_000
	shortest, clock := math.Inf(1), 0.0
	cycles := 0.0
	for range 20 { // until neither is disturbed
		clock = max(clock, Measure(t.Context()))
		for range 10 {
			start := time.Now()
			multiplications(rounds)
			shortest = min(shortest, time.Since(start).Seconds())
		}
		if cycles = clock * shortest / (10 * rounds); 2.8 < cycles && cycles < 4.4 {
			return
		}
	}
	t.Errorf("by a clock of %.3g Hz a multiplication takes %.2f cycles; want 3, or 4 on Zen 1", clock, cycles)
}

// The clock is not above what the kernel says the CPU can do: its highest frequency or, where
// a hypervisor hides that, twice that of the time-stamp counter, which is the nominal one. Current
// CPUs exceed the nominal frequency by a fifth to two thirds.
func TestMeasureIsPlausible(t *testing.T) {
	limit, source := 1.1*kernelMaximum(), "the highest that the kernel allows"
	if limit == 0 {
		limit, source = 2*timeStampCounter(t), "twice the time-stamp counter's"
	}
	if limit == 0 {
		t.Skip("the kernel states no frequency")
	}
	hz := Measure(t.Context())
	t.Logf("a clock of %.3g Hz; the limit is %.3g, %s", hz, limit, source)
	if hz > limit {
		t.Errorf("a clock of %.3g Hz; want at most %.3g, %s", hz, limit, source)
	}
}

// kernelMaximum returns the highest frequency that cpufreq states, in Hz, or 0.
func kernelMaximum() float64 {
	khz, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
	if err != nil {
		return 0
	}
	max, _ := strconv.ParseFloat(strings.TrimSpace(string(khz)), 64)
	return 1e3 * max
}

// timeStampCounter returns the frequency of the time-stamp counter that Linux states, in Hz,
// or 0: its bogomips are twice the millions of ticks in a second.
func timeStampCounter(t *testing.T) float64 {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || runtime.GOARCH != "amd64" {
		return 0
	}
	found := regexp.MustCompile(`(?m)^bogomips\s*: ([0-9.]+)$`).FindSubmatch(info)
	if found == nil || !regexp.MustCompile(`(?m)^flags.* constant_tsc `).Match(info) {
		return 0
	}
	bogomips, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return 1e6 * bogomips / 2
}
