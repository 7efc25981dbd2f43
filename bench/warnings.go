package bench

import (
	"fmt"
	"slices"
	"strings"
)

// Limits beyond which a figure causes a warning.
const (
	busyCPUs        = 0.1  // number of CPUs that other processes use
	stealShare      = 0.01 // stolen share of all CPU time
	frequencyChange = 0.05 // relative difference between the slowest and the fastest clock, without the extremes
	outlierShare    = 0.05 // outliers as a share of all samples
	fewRounds       = 6    // fewer samples give no confidence interval
)

// warnings returns a warning for everything that may have disturbed the figures.
func warnings(r *Report, clocks []float64, before, after usage) []Warning {
	list := []Warning{}
	warn := func(name, hint, format string, args ...any) {
		list = append(list, Warning{Name: name, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	if before.known && after.known && r.Seconds > 0 {
		busy, steal := after.busy-before.busy, after.steal-before.steal
		others := (busy - (after.own - before.own)) / r.Seconds
		if others > busyCPUs {
			warn(WarningBusy, "stop them and measure again", "other processes used %.1f CPUs", others)
		}
		if all := busy + steal + after.idle - before.idle; all > 0 && steal/all > stealShare {
			warn(WarningSteal, "measure again later", "other guests took %.1f %% of the CPU time", 100*steal/all)
		}
		if n := after.throttled - before.throttled; after.throttled > before.throttled {
			warn(WarningThrottled, "raise the limit", "the container hit its CPU limit %s", plural(int(n), "time", "times"))
		}
	}
	if low, high := clockRange(clocks); low > 0 && high/low-1 > frequencyChange {
		warn(WarningFrequency, "compare cycles/hash", "clock from %.2f to %.2f GHz", low/1e9, high/1e9)
	}
	orFinish := func(hint string) string {
		if !r.Complete {
			return "let it run to its end"
		}
		return hint
	}
	single, few := r.withoutInterval()
	if single > 0 {
		warn(WarningOneRun, orFinish("raise --count"), "no interval for %s of %d: one sample", plural(single, "row", "rows"), len(r.Rows))
	}
	if few > 0 {
		warn(WarningFewRounds, orFinish("raise --count"), "no interval for %s of %d: few samples", plural(few, "row", "rows"), len(r.Rows))
	}
	if slice := r.Settings.Slice; slice > 0 && slice < shortSlice.Seconds() {
		warn(WarningShortSamples, "raise --time", "each sample took only %s", formatSeconds(slice))
	}
	if n := r.notMeasured(); n > 0 && r.Complete {
		warn(WarningNotMeasured, "raise --time", "there was no time for %s of %d", plural(n, "row", "rows"), len(r.Rows))
	}
	if cpus, most := r.Machine.usableCPUs(), slices.Max(append(slices.Clone(r.Settings.Threads), 0)); float64(most) > cpus {
		word := "CPUs"
		if cpus == 1 {
			word = "CPU"
		}
		warn(WarningFewerCPUs, "lower --threads", "%d threads share %.4g %s", most, cpus, word)
	}
	if count, all := r.outliers(); all > 0 && float64(count) > outlierShare*float64(all) {
		warn(WarningOutliers, "raise --time", "%d of %d samples lie far from the others", count, all)
	}
	if m := &r.Machine; m.Hypervisor != "" {
		warn(WarningVirtualMachine, "measure again", "%s may be running other guests", m.Hypervisor)
	}
	if g := r.Machine.Governor; strings.HasPrefix(g, "powersave") && !strings.Contains(g, "pstate") {
		warn(WarningGovernor, "set it to performance", "the governor is powersave")
	}
	if r.Solve != nil {
		s := r.Solve.tested()
		switch n := len(s.Times); {
		case n == 0:
			warn(WarningFewSolves, orFinish("raise --time"), "no puzzle of difficulty %d was solved", s.Difficulty)
		case n < fewSolves:
			warn(WarningFewSolves, orFinish("raise --time"), "solved only %s of difficulty %d", plural(n, "puzzle", "puzzles"), s.Difficulty)
		}
		if len(s.Times) > 0 && !s.agrees() {
			warn(WarningPrediction, "measure again", "predicted %s, measured %s",
				formatSeconds(s.Predicted.Mean), formatSeconds(s.Measured.Mean))
		}
	}
	return list
}

// usableCPUs returns how many CPUs the process may use.
func (m *Machine) usableCPUs() float64 {
	if m.CgroupLimit > 0 && m.CgroupLimit < float64(m.CPUs) {
		return m.CgroupLimit
	}
	return float64(m.CPUs)
}

// clockRange returns the slowest and the fastest clock, ignoring a tenth of the
// measurements at either end: an interrupted measurement shows too slow a clock.
func clockRange(clocks []float64) (low, high float64) {
	if len(clocks) < 3 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(clocks))
	return quantile(sorted, 0.1), quantile(sorted, 0.9)
}

// samples returns the smallest and the largest number of samples among the rows that have any.
func (r *Report) samples() (fewest, most int) {
	for i := range r.Rows {
		if n := len(r.Rows[i].Samples); n > 0 {
			if fewest == 0 || n < fewest {
				fewest = n
			}
			most = max(most, n)
		}
	}
	return fewest, most
}

// withoutInterval counts the rows that have a single sample, and those that have more, but too few
// for an interval.
func (r *Report) withoutInterval() (single, few int) {
	for i := range r.Rows {
		switch n := len(r.Rows[i].Samples); {
		case n == 1:
			single++
		case n > 1 && n < fewRounds:
			few++
		}
	}
	return single, few
}

// notMeasured counts the rows that were not measured for lack of time.
func (r *Report) notMeasured() (n int) {
	for i := range r.Rows {
		if r.Rows[i].Status == NotMeasured {
			n++
		}
	}
	return n
}

// outliers returns the number of outliers and the number of samples in all rows.
func (r *Report) outliers() (count, all int) {
	for i := range r.Rows {
		if e := r.Rows[i].Rate; e != nil {
			count += e.Outliers
			all += e.Count
		}
	}
	return count, all
}
