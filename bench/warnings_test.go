package bench

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWarnings(t *testing.T) {
	base := written(t, fakeReport(t).WriteJSON)
	quiet := []usage{{known: true}, {known: true, busy: 20, own: 19.9, idle: 20}}
	for _, test := range []struct {
		name    string
		want    string // name of the only warning, or ""
		message string
		hint    string
		used    []usage // before and after
		clocks  []float64
		change  func(*Report)
	}{
		{name: "none"},
		{name: "nothing known", used: []usage{{}, {}}},
		{name: "busy", want: WarningBusy, message: "used 0.8 CPUs", used: []usage{{known: true, busy: 5, own: 1}, {known: true, busy: 20, own: 8, idle: 20}}},
		{name: "steal", want: WarningSteal, message: "took 5.0 %", used: []usage{{known: true, steal: 1}, {known: true, busy: 10, own: 10, idle: 9, steal: 2}}},
		{name: "throttled", want: WarningThrottled, message: "7 times", used: []usage{{known: true, throttled: 3}, {known: true, throttled: 10}}},
		{name: "frequency", want: WarningFrequency, message: "from 2.00 to 3.00 GHz", clocks: []float64{3e9, 3e9, 3e9, 2e9, 2e9, 2e9}},
		{name: "one slow measurement of the clock", clocks: []float64{3e9, 3e9, 3e9, 3e9, 3e9, 1e9, 3e9, 3e9, 3e9, 3e9, 3e9, 3e9}},
		{name: "one run", want: WarningOneRun, message: "no interval for 8 rows of 8: one sample", hint: "--count", change: func(r *Report) { keepSamples(r, 1) }},
		{name: "stopped early", want: WarningOneRun, message: "one sample", hint: "to its end", change: func(r *Report) {
			keepSamples(r, 1)
			r.Complete = false
		}},
		{name: "few rounds", want: WarningFewRounds, message: "no interval for 8 rows of 8: few samples", change: func(r *Report) { keepSamples(r, 5) }},
		{name: "few rounds of one row", want: WarningFewRounds, message: "for 1 row of 8: few", change: func(r *Report) { r.Rows[3].fill(r.Rows[3].Samples[:5]) }},
		{name: "six rounds", change: func(r *Report) { keepSamples(r, 6) }},
		{name: "short samples", want: WarningShortSamples, message: "400 µs", change: func(r *Report) { r.Settings.Slice = 0.0004 }},
		{name: "more threads", want: WarningFewerCPUs, message: "2 threads share 1 CPU", change: func(r *Report) { r.Machine.CPUs = 1 }},
		{name: "container", want: WarningFewerCPUs, message: "2 threads share 1.5 CPUs", change: func(r *Report) { r.Machine.CgroupLimit = 1.5 }},
		{name: "wide container", change: func(r *Report) { r.Machine.CgroupLimit = 64 }},
		{name: "outliers", want: WarningOutliers, message: "8 of 56 samples", change: func(r *Report) {
			for i := range r.Rows {
				r.Rows[i].Rate.Outliers = 1
			}
		}},
		{name: "few outliers", change: func(r *Report) { r.Rows[0].Rate.Outliers = 2 }},
		{name: "virtual machine", want: WarningVirtualMachine, message: "KVM", change: func(r *Report) { r.Machine.Hypervisor = "KVM" }},
		{name: "powersave", want: WarningGovernor, message: "is powersave", change: func(r *Report) { r.Machine.Governor = "powersave (acpi-cpufreq)" }},
		{name: "powersave of intel_pstate", change: func(r *Report) { r.Machine.Governor = "powersave (intel_pstate)" }},
		{name: "performance", change: func(r *Report) { r.Machine.Governor = "performance (acpi-cpufreq)" }},
		{name: "few solves", want: WarningFewSolves, message: "solved only 1 puzzle of difficulty 2", change: func(r *Report) { r.Solve.Times = r.Solve.Times[:1] }},
		{name: "no solves", want: WarningFewSolves, message: "no puzzle of difficulty 2 was solved", change: func(r *Report) { r.Solve.Times = nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := Load(strings.NewReader(base))
			require.NoError(t, err)
			r.Machine.CPUs, r.Machine.CgroupLimit, r.Machine.Hypervisor, r.Machine.Governor = 2, 0, "", ""
			r.Seconds = 10
			if test.change != nil {
				test.change(r)
			}
			used := test.used
			if used == nil {
				used = quiet
			}
			var names []string
			for _, d := range warnings(r, test.clocks, used[0], used[1]) {
				names = append(names, d.Name)
				require.Contains(t, d.Message, test.message)
				require.NotEmpty(t, d.Hint)
				require.Contains(t, d.Hint, test.hint)
			}
			if test.want == "" {
				require.Empty(t, names)
			} else {
				require.Equal(t, []string{test.want}, names)
			}
		})
	}
}

// keepSamples keeps only the first n samples of each row.
func keepSamples(r *Report, n int) {
	for i := range r.Rows {
		r.Rows[i].fill(r.Rows[i].Samples[:n])
	}
}

// form replaces what may differ between two messages of the same warning: numbers, units of time,
// and plurals.
func form(message string) string {
	message = regexp.MustCompile(`[0-9][0-9.,]*( [nµm]?s\b)?`).ReplaceAllString(message, "N")
	return regexp.MustCompile(`\b(CPU|puzzle|row|sample|time)s\b`).ReplaceAllString(message, "$1")
}

// docs/troubleshooting.md quotes every warning as bench prints it, with advice that begins as the
// hint does. docs/benchmarks.md names them all.
func TestWarningsDocuments(t *testing.T) {
	troubleshooting, err := os.ReadFile("../docs/troubleshooting.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(troubleshooting), "\n## Warnings of gkpow bench\n")
	section, _, _ = strings.Cut(section, "\n## ")
	quoted, name := map[string]string{}, "" // the advice, by name and message
	for _, row := range regexp.MustCompile("(?m)^\\| (?:`(.+?)` )?\\| `(.+)` \\| (.+) \\|$").FindAllStringSubmatch(section, -1) {
		if row[1] != "" {
			name = row[1]
		}
		quoted[name+": "+form(row[2])] = strings.ReplaceAll(row[3], "`", "")
	}
	benchmarks, err := os.ReadFile("../docs/benchmarks.md")
	require.NoError(t, err)

	printed := map[string]bool{}
	for _, w := range everyWarning(t) {
		key := w.Name + ": " + form(w.Message)
		printed[key] = true
		require.Contains(t, quoted, key)
		require.True(t, strings.HasPrefix(quoted[key], w.Hint), "%s: %q does not begin with %q", key, quoted[key], w.Hint)
		require.Regexp(t, `(?m)^\| ([a-z-]+, )?`+w.Name+`(, [a-z-]+)? \| `, string(benchmarks))
	}
	for key := range quoted {
		require.True(t, printed[key], "bench never prints %q", key)
	}
}
