package bench

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

// written returns the output of write, and requires that it succeeds.
func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, write(&out))
	return out.String()
}

// text returns the report as WriteText writes it for a wide terminal.
func text(t *testing.T, r *Report) string {
	t.Helper()
	return written(t, func(w io.Writer) error { return r.WriteText(w, TextOptions{Width: 200}) })
}

// failedReport returns a report in which every status occurs.
func failedReport(t *testing.T) *Report {
	r := fakeReport(t)
	for i := range r.Rows {
		switch row := &r.Rows[i]; i {
		case 0:
			row.Status, row.Reason = Failed, "missed 1 of 2 solutions | the first *7*"
		case 1:
			row.Status, row.Samples, row.Rate = NotMeasured, nil, nil
		case 2:
			row.Status, row.Reason, row.Samples, row.Rate = Unavailable, "this CPU has no ABACUS", nil, nil
		}
	}
	r.Verdict = Fail
	r.Summary = r.summary()
	r.Warnings = []Warning{{WarningBusy, "others used 1.0 CPUs", "wait"}}
	return r
}

func TestText(t *testing.T) {
	r := fakeReport(t)
	r.Chosen = "fast"
	r.Summary = r.summary()
	r.Rows[0].Operations, r.Rows[0].Bound = 82.5, 150_000
	r.Rows[0].fill(r.Rows[0].Samples)
	narrow := written(t, func(w io.Writer) error { return r.WriteText(w, TextOptions{}) })
	require.True(t, strings.HasPrefix(narrow, "A challenge of difficulty 2 takes 12.8 ms here on average; fast is chosen, 2.00\n  times as fast as slow.\n\n"), narrow)
	require.Regexp(t, `(?m)^STRATEGY  +MH/s  +±  +× TEXTBOOK  +NS/HASH  +CYCLES/HASH$`, narrow)
	require.Regexp(t, `(?m)^> fast +0\.0200 +0\.01 % +50,000 +150,000 +█+\n  slow +0\.0100 +0\.01 % +100,000 +300,000 +█+$`, narrow)
	require.Contains(t, narrow, "\n> is the kernel that gkpow chooses here.\n")
	require.Regexp(t, `(?m)^STRATEGY +32 +64\nfast +0\.0200 +0\.0200\nslow +0\.0100 +0\.0100$`, narrow)
	require.Regexp(t, `(?m)^THREADS +MH/s .*\n1 +0.0200 .* 1\.00 +100 % `, narrow)
	require.Regexp(t, `(?m)^measured +[0-9]+ +[0-9.]+ ms`, narrow)
	require.Contains(t, narrow, "answers OK: every row found the same ")
	requireWidth(t, narrow, 80)

	wide := written(t, func(w io.Writer) error { return r.WriteText(w, TextOptions{Wide: true}) })
	requireWidth(t, wide, 80)
	require.Regexp(t, `(?m)^STRATEGY .* CYCLES/HASH  OPS  OF BOUND$`, wide)
	require.Regexp(t, `(?m)^  slow .* 82\.5 +50 %`, wide)

	stopped := fakeReport(t)
	stopped.Complete = false
	require.Contains(t, text(t, stopped), "\nanswers OK: every row that was checked found the same ")

	out := text(t, failedReport(t))
	require.True(t, strings.HasPrefix(out, "FAIL: slow is wrong on this machine and must not be used (slow: missed 1 of 2 solutions | the first *7*)\n\n"), out)
	require.Contains(t, out, "\nslow      FAIL: missed 1 of 2 solutions | the first *7*\n")
	require.Contains(t, out, "\nanswers FAIL: not every row found the same ")
	require.Contains(t, out, "\nwarning: busy: others used 1.0 CPUs; wait\n")
}

// requireWidth requires that every line fits the width of a terminal.
func requireWidth(t *testing.T, out string, width int) {
	t.Helper()
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), width, line)
	}
}

// Lines fit the terminal whatever the report holds, and a terminal without UTF-8 gets ASCII.
func TestTextFits(t *testing.T) {
	w, clock := fakeEnvironment()
	o := fakeOptions(&fakeStrategy{name: "minio-avx512", rate: 1e6, clock: clock}, &fakeStrategy{name: "textbook", rate: 1e4, clock: clock})
	o.SaltLengths = []int{0, 1, 2, 16, 24, 32, 40, 48, 56, 64, 128, 256, 512, 1024, 2048, 65536}
	o.Budget = 2 * time.Second
	r := mustRun(t, o, w)
	r.Machine.Hypervisor, r.Machine.OS = "KVM", "Debian GNU/Linux 12 (bookworm), µ-edition"
	r.Rows[5].Status, r.Rows[5].Reason = Failed, strings.Repeat("it is wrong in many words ", 10)
	r.Comparison = Compare(r, r)
	r.Warnings = warnings(r, nil, usage{}, usage{})
	easier := *r.Solve
	r.Solve.Missed, r.Solve.Easier = 0, &easier
	for _, width := range []int{40, 60, 80, 200} {
		for i := range 4 {
			ascii, wide := i&1 != 0, i&2 != 0
			out := written(t, func(w io.Writer) error { return r.WriteText(w, TextOptions{Width: width, ASCII: ascii, Wide: wide}) })
			requireWidth(t, out, width)
			require.NotContains(t, out, "e+")
			for _, length := range o.SaltLengths {
				require.Regexp(t, fmt.Sprintf(`(?m)^STRATEGY.* %d\b`, length), out)
			}
			for _, c := range out {
				require.False(t, ascii && c > 126, "%q in %s", c, out)
			}
			require.NotContains(t, out, fixedSpace)
		}
	}
}

// A number and its unit stay on one line.
func TestWrapped(t *testing.T) {
	require.Equal(t, []string{"52 samples of each", "  row, 8.02 ms long", "  at 3.10 GHz, 95 %."},
		wrapped("52 samples of each row, 8.02 ms long at 3.10 GHz, 95 %.", 21))
	require.Equal(t, []string{"takes 13 to", "  21 ms here,", "  0.5 s, 2 slow"}, wrapped("takes 13 to 21 ms here, 0.5 s, 2 slow", 15))
}

// Bars stand beside the rates that they show, not beside the second part of a split table.
func TestTextParts(t *testing.T) {
	var out strings.Builder
	require.NoError(t, fakeReport(t).WriteText(&out, TextOptions{Width: 44}))
	parts := 0
	for _, part := range strings.Split(out.String(), "\n\n") {
		if head, _, _ := strings.Cut(part, "\n"); strings.Contains(head, "CYCLES/HASH") {
			parts++
			require.NotContains(t, part, "█")
		}
	}
	require.Equal(t, 2, parts, out.String())
}

func TestBar(t *testing.T) {
	w := &textWriter{}
	require.Equal(t, strings.Repeat("█", 20), w.bar(1, 20))
	require.Equal(t, strings.Repeat("█", 10), w.bar(0.5, 20))
	require.Equal(t, "██▌", w.bar(0.125, 20))
	require.Equal(t, "▏", w.bar(1e-9, 20), "a small bar must still be visible")
	require.Empty(t, w.bar(0, 20))
	w.ASCII = true
	require.Equal(t, []string{"####", "#", ""}, []string{w.bar(0.2, 20), w.bar(1e-9, 20), w.bar(0, 20)})
}

// everyWarning returns every warning, in each of its forms.
func everyWarning(t *testing.T) (list []Warning) {
	t.Helper()
	r := fakeReport(t)
	r.Machine.Hypervisor, r.Machine.Governor, r.Machine.CgroupLimit = "KVM", "powersave (acpi-cpufreq)", 1.5
	r.Settings.Slice = 0.0004
	r.Solve.MeanLow, r.Solve.MeanHigh = 1, 2
	r.Seconds = 10
	clocks := []float64{1e9, 1e9, 1e9, 3e9, 3e9, 3e9}
	after := usage{known: true, busy: 99, steal: 20, throttled: 1234, idle: 9}
	for _, n := range []int{5, 1, 0} { // samples of a row, and puzzles solved
		keepSamples(r, max(n, 1))
		r.Rows[0].Status = NotMeasured
		for i := range r.Rows {
			r.Rows[i].Rate.Outliers = 1
		}
		r.Solve.Times = r.Solve.Times[:n]
		list = append(list, warnings(r, clocks, usage{known: true, idle: 1}, after)...)
	}
	names := map[string]bool{}
	for _, w := range list {
		names[w.Name] = true
	}
	require.Len(t, names, 14)
	return list
}

// Every warning fits on one line of a terminal.
func TestWarningLines(t *testing.T) {
	for _, w := range everyWarning(t) {
		require.LessOrEqual(t, len([]rune(w.String())), 80, w.String())
	}
}

func TestCSV(t *testing.T) {
	r := failedReport(t)
	lines, err := csv.NewReader(strings.NewReader(written(t, r.WriteCSV))).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, 1+len(r.Rows))
	require.Equal(t, csvColumns, lines[0])
	require.Equal(t, []string{"slow", "", "32", "1", "FAIL", "missed 1 of 2 solutions | the first *7*"}, lines[1][:6])
	last := lines[len(lines)-1]
	require.Equal(t, []string{"fast", "", "64", "2", "ok", "", "7"}, last[:7])
	rate, err := strconv.ParseFloat(last[7], 64)
	require.NoError(t, err)
	require.InEpsilon(t, 20_000, rate, 1e-6)
}

// All rows of a table have the same number of cells, whatever their content.
func TestMarkdown(t *testing.T) {
	r := failedReport(t)
	r.Comparison = Compare(fakeReport(t), r)
	out := written(t, r.WriteMarkdown)
	require.Contains(t, out, `missed 1 of 2 solutions \| the first \*7\*`)
	require.Contains(t, out, "\n- `gkpow bench --seed=5`\n")
	require.Contains(t, out, "\n- **busy**: others used 1.0 CPUs; wait\n")
	cells, tables := 0, 0
	for line := range strings.Lines(out) {
		n := strings.Count(line, "|") - strings.Count(line, `\|`)
		if strings.HasPrefix(line, "|") {
			if cells == 0 {
				cells = n
				tables++
			}
			require.Equal(t, cells, n, line)
		} else {
			cells = 0
		}
	}
	require.Equal(t, 7, tables)
}

// golang.org/x/perf reads back every sample that WriteBenchfmt writes.
func TestBenchfmt(t *testing.T) {
	r := failedReport(t)
	r.Machine.CPU = "A  CPU\nof two: lines"
	out := written(t, r.WriteBenchfmt)
	reader := benchfmt.NewReader(strings.NewReader(out), "report")
	lines := map[string]int{}
	var values []float64
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			require.NoError(t, record)
		case *benchfmt.Result:
			name := string(record.Name.Full())
			lines[name]++
			require.Equal(t, "A CPU of two: lines", record.GetConfig("cpu"))
			require.Equal(t, "FAIL", record.GetConfig("verdict"))
			require.Equal(t, "5", record.GetConfig("seed"))
			require.Equal(t, "busy", record.GetConfig("warnings"))
			if name == "Search/strategy=fast/salt=64/threads=2" {
				rate, ok := record.Value("hashes/s")
				require.True(t, ok)
				values = append(values, rate)
				s, ok := record.Value("sec/hash")
				require.True(t, ok)
				require.InEpsilon(t, 2/rate, s, 1e-9)
				c, ok := record.Value("cycles/hash")
				require.True(t, ok)
				require.InEpsilon(t, 2*fakeHz/rate, c, 1e-9)
			}
		}
	}
	require.NoError(t, reader.Err())
	for _, u := range []string{"hashes/s", "ns/hash", "cycles/hash"} {
		require.NotZero(t, reader.Units().GetBetter(tidied(u)), u)
	}
	require.Equal(t, 1, reader.Units().GetBetter("hashes/s"))
	require.Equal(t, r.row("fast", 64, 2).rates(), values)
	require.Equal(t, 7, lines["Search/strategy=slow/salt=64/threads=2"])
	require.Zero(t, lines["Search/strategy=slow/salt=32/threads=1"], "a row that failed")
	require.Equal(t, 7, lines["Scaling/strategy=fast/salt=32/threads=2"])
	require.Equal(t, len(r.Solve.Times), lines["Solve/strategy=fast/difficulty=2/salt=32/threads=2"])
}

// tidied returns the unit as the benchfmt reader normalises it.
func tidied(unit string) string { return strings.Replace(unit, "ns/", "sec/", 1) }

func TestJSON(t *testing.T) {
	r := fakeReport(t)
	out := written(t, r.WriteJSON)
	require.Equal(t, 1, strings.Count(out, "\n"))
	loaded, err := Load(strings.NewReader(out))
	require.NoError(t, err)
	require.Equal(t, r, loaded)

	// Other programs rely on these names.
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &fields))
	require.Equal(t, "gkpow-bench", fields["format"])
	require.Equal(t, 2.0, fields["version"])
	require.Equal(t, "OK", fields["verdict"])
	require.Equal(t, true, fields["complete"])
	row := fields["rows"].([]any)[0].(map[string]any)
	require.Equal(t, "slow", row["strategy"])
	require.Equal(t, 32.0, row["saltLength"])
	require.Equal(t, "ok", row["status"])
	require.InEpsilon(t, 10_000.0, row["hashRate"].(map[string]any)["median"], 1e-6)
	for _, name := range []string{"summary", "date", "seconds", "settings", "machine", "clock", "work", "checksum", "scaling", "solve", "warnings"} {
		require.Contains(t, fields, name)
	}
}

// Load still reads reports of version 1.
func TestLoadVersion1(t *testing.T) {
	r := failedReport(t)
	old := strings.NewReplacer(`"version":2`, `"version":1`, `"warnings":`, `"doubts":`).Replace(written(t, r.WriteJSON))
	loaded, err := Load(strings.NewReader(old))
	require.NoError(t, err)
	require.Equal(t, r.Warnings, loaded.Warnings)
	require.Equal(t, Version, loaded.Version)
}

func TestLoadHostile(t *testing.T) {
	good := written(t, fakeReport(t).WriteJSON)
	replaced := func(old, new string) string {
		s := strings.Replace(good, old, new, 1)
		require.NotEqual(t, good, s, "%q is not in the report", old)
		return s
	}
	for _, test := range []struct{ name, content, want string }{
		{"empty", "", "not a report saved by gkpow bench --save"},
		{"text", "Search 1 2 ns/op", "not a report saved by gkpow bench --save"},
		{"cut", good[:len(good)/2], "not a report saved by gkpow bench --save"},
		{"a list", "[1,2]", "not a report saved by gkpow bench --save"},
		{"null", "null", `its format is ""`},
		{"something else", `{"results":[]}`, `its format is ""`},
		{"twice", good + good, "not a report saved by gkpow bench --save"},
		{"newer", replaced(`"version":2`, `"version":3`), "version 3, but this gkpow reads versions up to 2: use a newer gkpow"},
		{"version 0", replaced(`"version":2`, `"version":0`), "invalid version 0"},
		{"wrong types", replaced(`"threads":1`, `"threads":"one"`), "damaged"},
		{"no threads", replaced(`"saltLength":32,"threads":1`, `"saltLength":32,"threads":0`), "has no threads"},
		{"row twice", replaced(`"saltLength":64,"threads":1`, `"saltLength":32,"threads":1`), "appears twice"},
		{"status", replaced(`"status":"ok"`, `"status":"fine"`), `has the unknown status "fine"`},
		{"no samples", replaced(`"samples":[{`, `"samples":[],"x":[{`), "has no samples"},
		{"no time", replaced(`"seconds":0`, `"seconds":-0`), "implausible sample"},
		{"no hashes", replaced(`"samples":[{"hashes":`, `"samples":[{"hashes":0,"x":`), "implausible sample: 0 hashes"},
		{"endless rate", replaced(`"samples":[{"hashes":`, `"samples":[{"seconds":1e-320,"hashes":`), ""},
		{"no rate", replaced(`"seconds":0`, `"seconds":1e308,"x":0`), "implausible sample"},
		{"escapes", replaced(`"status":"ok"`, `"status":"ok","reason":"\u001b[2J"`), "it contains unprintable characters"},
		{"no settings", replaced(`"settings":{`, `"settings":{},"x":{`), "does not say which"},
		{"times", replaced(`"times":[`, `"times":[-1,`), "invalid time to solution: -1 s"},
		{"endless times", replaced(`"times":[`, `"times":[1e308,`), "invalid time to solution"},
		{"no prediction", replaced(`"predicted":{`, `"predicted":{},"x":{`), "it has times to solution, but no predicted one"},
		{"prediction", replaced(`"predicted":{`, `"predicted":{"mean":-1},"x":{`), "invalid predicted time to solution: -1 s"},
		{"curve", replaced(`"curve":[`, `"curve":[{"seconds":-1,"chance":0.5},`), "invalid point of the predicted distribution"},
		{"chance", replaced(`"curve":[`, `"curve":[{"seconds":1,"chance":7},`), "invalid point of the predicted distribution"},
		{"deadline", replaced(`"deadline":60`, `"deadline":0`), "invalid deadline: 0 s"},
		{"no solution", replaced(`"planned":`, `"notFound":2,"planned":`), "invalid chance that no nonce is a solution: 2"},
		{"too large", strings.Repeat(" ", maxReport+1), "larger than 64 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := Load(strings.NewReader(test.content))
			if test.want == "" {
				return // anything but a panic
			}
			require.ErrorContains(t, err, test.want)
			require.Nil(t, r)
		})
	}
	_, err := Load(io.MultiReader(strings.NewReader("{"), brokenReader{}))
	require.ErrorContains(t, err, "the disk is gone")

	// A report that is odd, but plausible, can be shown.
	odd := strings.NewReplacer(`"hashRate":1`, `"hashRate":-1`, `"curve":[`, `"curve":[],"x":[`, `"machine":{`, `"machine":{},"y":{`).Replace(good)
	r, err := Load(strings.NewReader(odd))
	require.NoError(t, err)
	for _, write := range []func(io.Writer) error{func(w io.Writer) error { return r.WriteText(w, TextOptions{}) }, r.WriteMarkdown, r.WriteBenchfmt, r.WriteCSV, r.WriteHTML, r.WriteJSON} {
		require.NoError(t, write(io.Discard))
	}
}

// A report can be loaded however long its searches would take.
func TestLoadLongTimes(t *testing.T) {
	w, clock := fakeEnvironment()
	o := fakeOptions(&fakeStrategy{name: "a", rate: 20_000, clock: clock})
	o.Difficulty = 16
	r := mustRun(t, o, w)
	require.Zero(t, r.Solve.Predicted.Mean, "longer than any time.Duration")
	require.Zero(t, r.Solve.PredictedHigh)
	require.Contains(t, r.Summary, "The chance that a challenge of difficulty 16 has no solution among the allowed nonces is more than 99.9 %.")
	for _, p := range [][3]float64{{}, {9e9, 8e9, 1.2e10}} {
		r.Solve.Predicted.Mean, r.Solve.PredictedLow, r.Solve.PredictedHigh = p[0], p[1], p[2]
		_, err := Load(strings.NewReader(written(t, r.WriteJSON)))
		require.NoError(t, err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, fmt.Errorf("the disk is gone") }

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{
		0: "", 1: "1.00", 2.345: "2.35", 57.94: "57.9", 99.96: "100.0", 123.4: "123", 1234567: "1,234,567", 0.01234: "0.0123", math.Inf(1): "",
	} {
		require.Equal(t, want, figure(v))
	}
	for v, want := range map[float64]string{
		0: "–", 2e-8: "20.0 ns", 3.4e-6: "3.40 µs", 0.012: "12.0 ms", 0.12: "0.120 s", 60: "60 s", 150: "2.50 min", 7300: "2.03 h",
		200_000: "2.31 days", 1e9: "31.7 years",
	} {
		require.Equal(t, want, formatSeconds(v))
	}
	for p, want := range map[float64]string{0: "below 1 in 10¹²", 1e-9: "1 in 1 billion", 4e-7: "1 in 2 million", 7.7e-5: "1 in 13,000", 0.1675: "16.8 %", 0.99999: "more than 99.9 %", 1: "100 %", 0.05: "5.00 %"} {
		require.Equal(t, want, formatChance(p))
	}
}
