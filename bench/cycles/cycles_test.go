package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/bench"
	"github.com/gkpow/gkpow/solver/asm"
)

// The command runs copies of its own binary, which is the test binary here.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-worker") {
		main()
		return
	}
	os.Exit(m.Run())
}

// fakeParts returns parts of a kernel with the given numbers of operations per hash.
func fakeParts(name, kind string, operations ...float64) (parts []part) {
	for i, o := range operations {
		parts = append(parts, part{kernel: asm.Kernel{Name: name, Lanes: 8}, kind: kind, number: i, operations: o})
	}
	return parts
}

// inCycles returns the bursts of a copy, by part, given in cycles at 1 GHz.
func inCycles(bursts ...[]float64) measured {
	m := measured{Hz: 1e9}
	for _, list := range bursts {
		var seconds []float64
		for _, cycles := range list {
			seconds = append(seconds, cycles/1e9)
		}
		m.Seconds = append(m.Seconds, seconds)
	}
	return m
}

func standouts(r report) map[int]float64 {
	found := map[int]float64{}
	for i, f := range r.Parts {
		if f.Standout > 0 {
			found[i] = f.Standout
		}
	}
	return found
}

func TestLeastAndMedianOfTheFasterCopy(t *testing.T) {
	slow := inCycles([]float64{60, 61, 62})
	fast := inCycles([]float64{90, 50, 55})
	fast.Hz = 0.9e9 // a slower clock, which the report ignores
	r := newReport(fakeParts("a", scan, 200), []measured{slow, fast}, bench.Ports{Vector256: 8})
	require.Equal(t, 1e9, r.Hz)
	f := r.Parts[0]
	require.InDelta(t, 50, f.Cycles, 1e-9)
	require.InDelta(t, 55, f.Median, 1e-9)
	require.InDelta(t, 25, f.Bound, 1e-9)
	require.InDelta(t, 0.5, f.Share, 1e-9)
}

func TestPartsThatStandOut(t *testing.T) {
	// flat returns bursts of a copy that measured each part once.
	flat := func(cycles ...float64) measured {
		var bursts [][]float64
		for _, c := range cycles {
			bursts = append(bursts, []float64{c})
		}
		return inCycles(bursts...)
	}
	for _, test := range []struct {
		name   string
		parts  []part
		copies []measured
		want   map[int]float64
	}{
		{"equal", fakeParts("a", scan, 100, 100, 100),
			[]measured{flat(50, 50, 50)}, map[int]float64{}},
		{"in proportion to operations", fakeParts("a", scan, 100, 120, 140),
			[]measured{flat(50, 60, 70)}, map[int]float64{}},
		{"4 % does not stand out", fakeParts("a", scan, 100, 100, 100),
			[]measured{flat(50, 52, 50)}, map[int]float64{}},
		{"6 % stands out", fakeParts("a", scan, 100, 100, 100),
			[]measured{flat(50, 53, 50)}, map[int]float64{1: 1.06}},
		{"at the end", fakeParts("a", scan, 100, 100, 100),
			[]measured{flat(50, 50, 60)}, map[int]float64{2: 1.2}},
		{"in one copy only", fakeParts("a", scan, 100, 100, 100),
			[]measured{flat(50, 90, 50), flat(50, 50, 90)}, map[int]float64{}},
		{"in both copies", fakeParts("a", grid, 100, 100, 100),
			[]measured{flat(50, 75, 50), flat(50, 80, 50)}, map[int]float64{1: 1.5}},
		{"numbers of tails", fakeParts("a", tails, 100, 100, 100),
			[]measured{flat(50, 90, 50)}, map[int]float64{}},
		{"another kernel", append(fakeParts("a", scan, 100), fakeParts("b", scan, 100)...),
			[]measured{flat(50, 90)}, map[int]float64{}},
		{"another kind", append(fakeParts("a", scan, 100), fakeParts("a", grid, 100)...),
			[]measured{flat(50, 90)}, map[int]float64{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := standouts(newReport(test.parts, test.copies, bench.Ports{}))
			require.Len(t, got, len(test.want))
			for i, factor := range test.want {
				require.InDelta(t, factor, got[i], 1e-9)
			}
		})
	}
}

func TestPrint(t *testing.T) {
	copies := []measured{inCycles([]float64{50}, []float64{60}, []float64{50})}
	r := newReport(fakeParts("a", scan, 100, 100, 100), copies, bench.Ports{})
	r.Missing = []missing{{"wide", "AVX512F"}}
	var out bytes.Buffer
	require.NoError(t, r.print(&out))
	require.Contains(t, out.String(), "a scan 1 takes 20 % longer than its neighbours\n")
	require.Contains(t, out.String(), "not measured: wide, since this CPU has no AVX512F\n")

	r = newReport(fakeParts("a", scan, 100), []measured{inCycles([]float64{50})}, bench.Ports{})
	out.Reset()
	require.NoError(t, r.print(&out))
	require.Contains(t, out.String(), "no part takes over 5 % longer than its neighbours\n")
}

// Every kernel has parts for sixteen words, for the counters for which it has code, for four numbers
// of tails, and for the four chunks of ScanShared.
func TestParts(t *testing.T) {
	counters := map[string]int{"avx512": 13, "mixed512": 13, "mixed256": 13}
	for _, k := range asm.Kernels() {
		found := map[string][]int{}
		for _, p := range partsOfKernel(k) {
			found[p.kind] = append(found[p.kind], p.number)
			require.Positive(t, p.operations, "%s %s %d", k.Name, p.kind, p.number)
		}
		require.Len(t, found[scan], 16, k.Name)
		require.Len(t, found[grid], counters[k.Name], k.Name)
		require.Equal(t, []int{1, 10, 100, 1000}, found[tails], k.Name)
		require.Equal(t, []int{4}, found[shared], k.Name)
	}
}

// A short run measures a real kernel. The test accepts any figures, since they depend on the
// machine.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-kernels", "generic", "-rounds", "3", "-json"}, &out))
	var r report
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&r))
	require.Len(t, r.Parts, 16+4+1)
	require.Empty(t, r.Missing)
	for _, f := range r.Parts {
		require.Equal(t, "generic", f.Kernel)
		require.Positive(t, f.Cycles)
		require.GreaterOrEqual(t, f.Median, f.Cycles)
	}

	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-kernels", "generic", "-rounds", "3"}, &out))
	require.Contains(t, out.String(), "GHz")
	require.Equal(t, 16+4+1, strings.Count(out.String(), " generic "), out.String())
}

// The command names the kernels that this CPU cannot run and the features that they need.
func TestMissingKernels(t *testing.T) {
	_, lacking, err := partsOf("")
	require.NoError(t, err)
	var want []missing
	for _, k := range asm.Kernels() {
		if k.Missing == "" {
			continue
		}
		want = append(want, missing{k.Name, k.Missing})
		_, _, err := partsOf(k.Name)
		require.EqualError(t, err, "-kernels: this CPU cannot run "+k.Name+", which needs "+k.Missing)
	}
	require.Equal(t, want, lacking)
}

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"-kernels", "nope"}, `no kernel "nope"; there are `},
		{[]string{"-rounds", "2"}, "-rounds 2: it must be at least 3"},
		{[]string{"all"}, `unknown argument "all"`},
	} {
		require.ErrorContains(t, run(t.Context(), test.arguments, new(bytes.Buffer)), test.want)
	}
}
