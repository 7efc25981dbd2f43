package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/klauspost/cpuid/v2"

	"github.com/gkpow/gkpow/bench"
)

// standout is a limit: the report names a part that takes more than standout times the cycles that
// its neighbours suggest.
const standout = 1.05

// A report is the result of the command, in the form that -json prints.
type report struct {
	CPU     string    `json:"cpu"`               // brand name
	Go      string    `json:"go"`                // Go version
	Hz      float64   `json:"hz"`                // highest clock measured
	Parts   []figures `json:"parts"`             // in the order of measurement
	Missing []missing `json:"missing,omitempty"` // kernels that this CPU cannot run; empty with -kernels
}

// figures are the measurements of one part.
type figures struct {
	Kernel   string  `json:"kernel"`             // name
	Kind     string  `json:"kind"`               // "scan", "grid", "tails" or "shared"
	Number   int     `json:"number"`             // word that varies, counter, number of tails, or number of chunks
	Cycles   float64 `json:"cycles"`             // per hash, the least of all bursts of the faster copy
	Median   float64 `json:"median"`             // per hash, the median of the same copy's bursts
	Bound    float64 `json:"bound,omitempty"`    // the CPU's minimum cycles per hash; 0 if unknown
	Share    float64 `json:"share,omitempty"`    // Bound ÷ Cycles: 1 is perfect
	Standout float64 `json:"standout,omitempty"` // Cycles ÷ cycles that the neighbours suggest, if above 1.05
}

// missing is a kernel that this CPU cannot run.
type missing struct {
	Kernel  string `json:"kernel"`  // name
	Feature string `json:"feature"` // CPU feature that it needs and this CPU lacks
}

// newReport returns the report on the bursts of all copies. For each part it takes the faster copy.
func newReport(parts []part, copies []measured, ports bench.Ports) report {
	r := report{CPU: cpuid.CPU.BrandName, Go: runtime.Version()}
	for _, m := range copies {
		r.Hz = max(r.Hz, m.Hz)
	}
	for i, p := range parts {
		f := figures{
			Kernel: p.kernel.Name, Kind: p.kind, Number: p.number,
			Bound: ports.Bound(p.kernel.Lanes, p.operations, p.rounds),
		}
		for _, m := range copies {
			seconds := slices.Sorted(slices.Values(m.Seconds[i]))
			if cycles := seconds[0] * r.Hz; f.Cycles == 0 || cycles < f.Cycles {
				f.Cycles, f.Median = cycles, seconds[len(seconds)/2]*r.Hz
			}
		}
		f.Share = f.Bound / f.Cycles
		r.Parts = append(r.Parts, f)
	}
	for i := range r.Parts {
		if factor := r.Parts[i].Cycles / suggested(r.Parts, parts, i); factor > standout {
			r.Parts[i].Standout = factor
		}
	}
	return r
}

// suggested returns the cycles that a part would take if its operations were as fast as those of
// its two nearest neighbours, which are parts of the same kernel and kind. Parts with different
// numbers of tails are not neighbours.
func suggested(all []figures, parts []part, i int) float64 {
	cycles, operations, neighbours := 0.0, 0.0, 0
	for _, j := range []int{i - 1, i + 1, i - 2, i + 2} {
		if 0 <= j && j < len(all) && all[j].Kernel == all[i].Kernel && all[j].Kind == all[i].Kind && neighbours < 2 {
			cycles += all[j].Cycles
			operations += parts[j].operations
			neighbours++
		}
	}
	if neighbours == 0 || all[i].Kind == tails {
		return all[i].Cycles
	}
	return cycles / operations * parts[i].operations
}

// print writes the report as text.
func (r report) print(w io.Writer) error {
	fmt.Fprintf(w, "%s, %.2f GHz, %s\n", r.CPU, r.Hz/1e9, r.Go)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "KERNEL\tPART\tCYCLES\tMEDIAN\tBOUND\tOF BOUND\t")
	var notes []string
	for _, f := range r.Parts {
		bound, share := "", ""
		if f.Bound > 0 {
			bound, share = fmt.Sprintf("%.1f", f.Bound), fmt.Sprintf("%.0f %%", 100*f.Share)
		}
		fmt.Fprintf(t, "%s\t%s %d\t%.1f\t%.1f\t%s\t%s\t\n", f.Kernel, f.Kind, f.Number, f.Cycles, f.Median, bound, share)
		if f.Standout > 0 {
			notes = append(notes, fmt.Sprintf("%s %s %d takes %.0f %% longer than its neighbours",
				f.Kernel, f.Kind, f.Number, 100*(f.Standout-1)))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(notes) == 0 {
		notes = append(notes, fmt.Sprintf("no part takes over %.0f %% longer than its neighbours", 100*(standout-1)))
	}
	for _, m := range r.Missing {
		notes = append(notes, fmt.Sprintf("not measured: %s, since this CPU has no %s", m.Kernel, m.Feature))
	}
	_, err := fmt.Fprintln(w, strings.Join(notes, "\n"))
	return err
}
