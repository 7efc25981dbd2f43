package bench

import (
	"fmt"
	"slices"
	"strings"
)

// From where on something is doubtful.
const (
	busyCPUs        = 0.1  // CPUs that others use
	stealShare      = 0.01 // of all CPU time
	frequencyChange = 0.05 // between the slowest and the fastest clock, without the extremes
	outlierShare    = 0.05 // of all samples
	fewRounds       = 6    // fewer have no confidence interval
)

// warnings returns what speaks against the figures of a report.
func warnings(r *Report, clocks []float64, before, after usage) []Warning {
	list := []Warning{}
	warn := func(name, hint, format string, args ...any) {
		list = append(list, Warning{Name: name, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	if before.known && after.known && r.Seconds > 0 {
		busy, steal := after.busy-before.busy, after.steal-before.steal
		others := (busy - (after.own - before.own)) / r.Seconds
		if others > busyCPUs {
			warn(WarningBusy, "stop other programs, or wait until they are done, and measure again",
				"other processes used %.1f CPUs during the run", others)
		}
		if all := busy + steal + after.idle - before.idle; all > 0 && steal/all > stealShare {
			warn(WarningSteal, "measure again when the host is quieter, or on a machine of its own",
				"the hypervisor gave %.1f %% of the CPU time to others", 100*steal/all)
		}
		if n := after.throttled - before.throttled; after.throttled > before.throttled {
			warn(WarningThrottled, "use fewer --threads, or raise the container's CPU limit",
				"the container's CPU limit stopped the process %d times", n)
		}
	}
	if low, high := clockRange(clocks); low > 0 && high/low-1 > frequencyChange {
		warn(WarningFrequency, "compare cycles/hash rather than rates; let the machine cool, or fix its frequency",
			"the CPU's clock went from %.2f to %.2f GHz", low/1e9, high/1e9)
	}
	orFinish := func(hint string) string {
		if !r.Complete {
			return "let it run to its end"
		}
		return hint
	}
	switch rounds := r.samples(); {
	case rounds == 1:
		warn(WarningOneRun, orFinish("raise --count"), "everything was measured once, so nothing is known of the spread")
	case rounds > 1 && rounds < fewRounds:
		warn(WarningFewRounds, orFinish("raise --count to 6 at least, or --time"), "%d rounds are too few for a confidence interval", rounds)
	}
	if slice := r.Settings.Slice; slice > 0 && slice < shortSlice.Seconds() {
		warn(WarningShortSamples, "raise --time, or measure fewer strategies, salt lengths or threads",
			"a sample took %s only, so starting it counts", formatSeconds(slice))
	}
	if cpus, most := r.Machine.usableCPUs(), slices.Max(append(slices.Clone(r.Settings.Threads), 0)); float64(most) > cpus {
		warn(WarningFewerCPUs, "use at most as many --threads as there are CPUs",
			"%d threads share %.4g CPUs", most, cpus)
	}
	if count, all := r.outliers(); all > 0 && float64(count) > outlierShare*float64(all) {
		warn(WarningOutliers, "something disturbs the machine now and then: raise --time, or find out what it is",
			"%d of %d samples lie far from the others", count, all)
	}
	if m := &r.Machine; m.Hypervisor != "" {
		warn(WarningVirtualMachine, "expect other guests of the host to show; measure more than once",
			"this is a virtual machine (%s)", m.Hypervisor)
	}
	if g := r.Machine.Governor; strings.HasPrefix(g, "powersave") && !strings.Contains(g, "pstate") {
		warn(WarningGovernor, "set the governor to performance: cpupower frequency-set -g performance",
			"the CPU frequency governor is %s", g)
	}
	if s := r.Solve; s != nil && len(s.Times) < fewSolves {
		warn(WarningFewSolves, "raise --time, or lower --difficulty; the prediction does not depend on them",
			"%s at difficulty %d", plural(len(s.Times), "puzzle was solved", "puzzles were solved"), s.Difficulty)
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

// clockRange returns the slowest and the fastest clock but for the tenth at either
// end: a measurement that is interrupted shows a slow clock.
func clockRange(clocks []float64) (low, high float64) {
	if len(clocks) < 3 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(clocks))
	return quantile(sorted, 0.1), quantile(sorted, 0.9)
}

// samples returns the most samples that a row has.
func (r *Report) samples() (most int) {
	for i := range r.Rows {
		most = max(most, len(r.Rows[i].Samples))
	}
	return most
}

// outliers counts those of all rows, and all samples.
func (r *Report) outliers() (count, all int) {
	for i := range r.Rows {
		if e := r.Rows[i].Rate; e != nil {
			count += e.Outliers
			all += e.Count
		}
	}
	return count, all
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
