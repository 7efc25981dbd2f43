package solver

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
)

// layoutsVariable is the environment variable that names a file of cases. A copy of the test binary
// measures these cases and writes their rates to the same file.
const layoutsVariable = "GKPOW_TEST_LAYOUTS"

// A layoutCase is a choice that the planner makes, for one prefix length and one limit.
type layoutCase struct {
	Prefix int       // length in bytes
	Limit  uint64    // the largest nonce allowed
	Rates  []float64 // hashes per second of each layout in layoutsOf
}

// BenchmarkLayouts checks asm.Weights. For every prefix length and both default limits it measures
// all layouts of the width that takes most of the search, compares the planner's choice with the
// fastest layout, and lists the choices that are more than 3 % slower.
//
//	go test -run '^$' -bench Layouts -benchtime 1x ./solver
//
// The rate of a layout is that of its third-best short slice, in the best of several copies of the
// test binary. In any one copy some words may be slower in every slice, because code pages clash in
// the instruction cache, depending on their physical addresses (docs/kernels.md).
func BenchmarkLayouts(b *testing.B) {
	const (
		copies   = 3
		attempts = 6 // repeat choices that seem slow: a busy machine makes good ones look bad
		allowed  = 0.03
	)
	for _, k := range processRegistry.usable() {
		b.Run("kernel="+k.Name, func(b *testing.B) {
			if file := os.Getenv(layoutsVariable); file != "" {
				measureLayouts(b, k, file)
				return
			}
			for b.Loop() {
				var cases, slow []*layoutCase
				for prefix := range 64 { // longer prefixes have the same layouts
					for _, limit := range []uint64{MaxInt32, MaxSafeInteger} {
						cases = append(cases, &layoutCase{Prefix: prefix, Limit: limit})
					}
				}
				binaries := copyTestBinary(b, copies)
				slow = cases
				for range attempts {
					for _, binary := range binaries {
						measureInCopy(b, k, binary, slow)
					}
					slow = slices.DeleteFunc(slices.Clone(slow), func(c *layoutCase) bool {
						return c.loss(k) <= allowed
					})
				}
				var losses []float64
				for _, c := range cases {
					losses = append(losses, c.loss(k))
				}
				slices.Sort(losses)
				b.ReportMetric(100*losses[len(losses)/2], "%median-loss")
				b.ReportMetric(100*losses[len(losses)-1], "%worst-loss")
				notes := []string{fmt.Sprintf("%d of %d choices are within 3 %%", len(cases)-len(slow), len(cases))}
				for _, c := range slow {
					notes = append(notes, c.describe(k))
				}
				b.Log(strings.Join(notes, "\n"))
			}
		})
	}
}

// layoutsOf returns the layouts that compete in a case, and the index of the chosen one.
func (c *layoutCase) layoutsOf(k *asm.Kernel) (all []layout, chosen int) {
	o := Options{MaxNonce: c.Limit}
	best := o.plan(o.space(Puzzle{Prefix: make([]byte, c.Prefix), Bits: 24}), allKinds(k)).main().layout
	for l := range layouts(c.Prefix, best.width) {
		if l.gridDigits == 0 || k.Ops.Grid[l.word()] > 0 {
			all = append(all, l)
		}
	}
	return all, slices.Index(all, best)
}

// loss returns the fraction of time that the chosen layout takes beyond the fastest one's.
func (c *layoutCase) loss(k *asm.Kernel) float64 {
	_, chosen := c.layoutsOf(k)
	return slices.Max(c.Rates)/c.Rates[chosen] - 1
}

// describe says how the chosen layout compares with the fastest.
func (c *layoutCase) describe(k *asm.Kernel) string {
	all, chosen := c.layoutsOf(k)
	best := slices.Index(c.Rates, slices.Max(c.Rates))
	return fmt.Sprintf("%d bytes, %d digits: %+v is %.1f %% slower than %+v",
		c.Prefix, all[chosen].width, all[chosen], 100*c.loss(k), all[best])
}

// measureLayouts measures the cases in a file, taking turns between the layouts of each case, and
// writes the rates to the file.
func measureLayouts(b *testing.B, k *asm.Kernel, file string) {
	const (
		rounds = 120
		slice  = 60 * time.Microsecond // so short that most slices are undisturbed
		rank   = 3                     // the third best: the clock may jump during the best slice
	)
	data, err := os.ReadFile(file)
	require.NoError(b, err)
	var cases []*layoutCase
	require.NoError(b, json.Unmarshal(data, &cases))
	for _, c := range cases {
		var meters []*meter
		all, _ := c.layoutsOf(k)
		for _, l := range all {
			meters = append(meters, processRegistry.newMeter(k, l))
		}
		for range rounds {
			for _, m := range meters {
				require.NoError(b, m.slice(b.Context(), slice))
			}
		}
		c.Rates = nil
		for _, m := range meters {
			slices.Sort(m.rates)
			c.Rates = append(c.Rates, m.rates[rounds-rank])
		}
	}
	data, err = json.Marshal(cases)
	require.NoError(b, err)
	require.NoError(b, os.WriteFile(file, data, 0o600))
}

// measureInCopy has a copy of the test binary measure the cases, and keeps the higher of the old
// and new rates.
func measureInCopy(b *testing.B, k *asm.Kernel, binary string, cases []*layoutCase) {
	if len(cases) == 0 {
		return
	}
	file := filepath.Join(b.TempDir(), "cases.json")
	data, err := json.Marshal(cases)
	require.NoError(b, err)
	require.NoError(b, os.WriteFile(file, data, 0o600))
	child := exec.CommandContext(b.Context(), binary, "-test.run", "^$",
		"-test.bench", "^BenchmarkLayouts$/^kernel="+k.Name+"$", "-test.benchtime", "1x")
	child.Env = append(os.Environ(), layoutsVariable+"="+file)
	output, err := child.CombinedOutput()
	require.NoError(b, err, "%s", output)
	data, err = os.ReadFile(file)
	require.NoError(b, err)
	var measured []*layoutCase
	require.NoError(b, json.Unmarshal(data, &measured))
	for i, c := range cases {
		if c.Rates == nil {
			c.Rates = make([]float64, len(measured[i].Rates))
		}
		for j, rate := range measured[i].Rates {
			c.Rates[j] = max(c.Rates[j], rate)
		}
	}
}

// copyTestBinary makes n copies of the running test binary and returns their names.
func copyTestBinary(b *testing.B, n int) (names []string) {
	self, err := os.Executable()
	require.NoError(b, err)
	binary, err := os.ReadFile(self)
	require.NoError(b, err)
	for i := range n {
		name := filepath.Join(b.TempDir(), fmt.Sprintf("copy%d", i))
		require.NoError(b, os.WriteFile(name, binary, 0o700))
		names = append(names, name)
	}
	return names
}
