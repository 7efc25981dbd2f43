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
		t.Errorf("Measure returned %v Hz after the context ended; want 0", hz)
	}
}

// x is the operand of multiplications, which the compiler cannot know.
var x atomic.Uint64

// multiplications executes ten multiplications in each round, each of which waits for the one
// before. Neither a compiler nor a CPU can combine two of them.
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

// A multiplication takes three cycles on every amd64 CPU of the last fifteen years except Zen 1,
// where it takes four. If the measured clock rate were off by a factor of two, it would seem to
// take 6 or 8 cycles, or 1.5 or 2.
func TestMeasureAgreesWithMultiplications(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the latency of a multiplication is known for amd64 only")
	}
	const rounds = 10_000
	shortest, clock := math.Inf(1), 0.0
	cycles := 0.0
	for range 20 { // other load may disturb either measurement
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
	t.Errorf("at a clock rate of %.3g Hz a multiplication takes %.2f cycles; want 3, or 4 on Zen 1", clock, cycles)
}

// The clock rate must not exceed the CPU's maximum according to Linux. Where a hypervisor hides
// the maximum, the limit is twice the frequency of the time-stamp counter, which is the nominal
// frequency: current CPUs exceed it by a fifth to two thirds.
func TestMeasureIsPlausible(t *testing.T) {
	limit, source := 1.1*kernelMaximum(), "the maximum of cpufreq plus 10 %"
	if limit == 0 {
		limit, source = 2*timeStampCounter(t), "twice the frequency of the time-stamp counter"
	}
	if limit == 0 {
		t.Skip("Linux reports neither a maximum frequency nor that of the time-stamp counter")
	}
	hz := Measure(t.Context())
	t.Logf("measured %.3g Hz; the limit is %.3g Hz, %s", hz, limit, source)
	if hz > limit {
		t.Errorf("measured %.3g Hz; want at most %.3g Hz, %s", hz, limit, source)
	}
}

// kernelMaximum returns the maximum frequency according to cpufreq, in Hz, or 0.
func kernelMaximum() float64 {
	khz, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
	if err != nil {
		return 0
	}
	max, _ := strconv.ParseFloat(strings.TrimSpace(string(khz)), 64)
	return 1e3 * max
}

// timeStampCounter returns the frequency of the time-stamp counter in Hz, or 0. It derives it from
// the bogomips in /proc/cpuinfo, which are twice the frequency in MHz.
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
