package bench

import (
	"fmt"
	"slices"
	"strings"
)

// A Comparison lists how a report differs from an earlier one.
type Comparison struct {
	Differences []string        `json:"differences"` // what else differs, such as "CPU: A, was B"
	Rows        []ComparisonRow `json:"rows"`        // rows that both reports measured
	OnlyBefore  []string        `json:"onlyBefore"`  // rows that only the earlier report measured
	OnlyAfter   []string        `json:"onlyAfter"`   // rows that only this report measured
}

// A ComparisonRow is the rate of a row before and now.
type ComparisonRow struct {
	Strategy   string   `json:"strategy"`   // name
	SaltLength int      `json:"saltLength"` // in characters
	Threads    int      `json:"threads"`    // number of threads
	Before     Estimate `json:"before"`     // hashes per second in the earlier report
	After      Estimate `json:"after"`      // hashes per second in this report
	Ratio      Ratio    `json:"ratio"`      // After ÷ Before: above 1 is faster now
}

// Compare compares two reports row by row.
func Compare(before, after *Report) *Comparison {
	c := &Comparison{Differences: differences(before, after), Rows: []ComparisonRow{}, OnlyBefore: []string{}, OnlyAfter: []string{}}
	for i := range after.Rows {
		now := &after.Rows[i]
		if now.Status != Measured {
			continue
		}
		was := before.row(now.Strategy, now.SaltLength, now.Threads)
		if was == nil || was.Status != Measured {
			c.OnlyAfter = append(c.OnlyAfter, now.name())
			continue
		}
		c.Rows = append(c.Rows, ComparisonRow{
			Strategy: now.Strategy, SaltLength: now.SaltLength, Threads: now.Threads,
			Before: *was.Rate, After: *now.Rate,
			Ratio: ratio(was.rates(), now.rates()),
		})
	}
	for i := range before.Rows {
		was := &before.Rows[i]
		if was.Status != Measured {
			continue
		}
		if now := after.row(was.Strategy, was.SaltLength, was.Threads); now == nil || now.Status != Measured {
			c.OnlyBefore = append(c.OnlyBefore, was.name())
		}
	}
	return c
}

// name names a row as benchfmt does.
func (row *Row) name() string {
	return fmt.Sprintf("strategy=%s/salt=%d/threads=%d", row.Strategy, row.SaltLength, row.Threads)
}

func (row *Row) rates() (rates []float64) {
	for _, s := range row.Samples {
		rates = append(rates, s.rate())
	}
	return rates
}

// differences lists what differs between the reports other than the rates.
func differences(before, after *Report) []string {
	list := []string{}
	differ := func(what string, was, is any) {
		if a, b := fmt.Sprint(was), fmt.Sprint(is); a != b {
			list = append(list, fmt.Sprintf("%s: %s, was %s", what, b, a))
		}
	}
	a, b := &before.Machine, &after.Machine
	differ("CPU", a.CPU, b.CPU)
	differ("CPU model", []int{a.Family, a.Model, a.Stepping}, []int{b.Family, b.Model, b.Stepping})
	if added := missing(b.Features, a.Features); len(added) > 0 {
		list = append(list, "CPU features added: "+strings.Join(added, " "))
	}
	if removed := missing(a.Features, b.Features); len(removed) > 0 {
		list = append(list, "CPU features removed: "+strings.Join(removed, " "))
	}
	differ("CPUs", a.usableCPUs(), b.usableCPUs())
	differ("GOMAXPROCS", a.GOMAXPROCS, b.GOMAXPROCS)
	differ("OS", a.GOOS+"/"+a.GOARCH+" "+a.Kernel, b.GOOS+"/"+b.GOARCH+" "+b.Kernel)
	differ("Go", a.Go, b.Go)
	differ("gkpow", a.Version+" "+a.Revision, b.Version+" "+b.Revision)
	differ("build", a.Build, b.Build)
	s, t := &before.Settings, &after.Settings
	differ("salt lengths", s.SaltLengths, t.SaltLengths)
	differ("threads", s.Threads, t.Threads)
	differ("seed", s.Seed, t.Seed)
	differ("difficulty", s.Difficulty, t.Difficulty)
	differ("time", formatSeconds(s.Budget), formatSeconds(t.Budget))
	differ("rounds", s.Rounds, t.Rounds)
	differ("complete", before.Complete, after.Complete)
	differ("verdict", before.Verdict, after.Verdict)
	return list
}

// missing returns the features that are not in others.
func missing(features, others []string) []string {
	return slices.DeleteFunc(slices.Clone(features), func(f string) bool { return slices.Contains(others, f) })
}

// table shows the comparison.
func (c *Comparison) table() table {
	t := table{
		title: "Before and now, in MH/s",
		head:  []string{"strategy", "salt", "threads", "before", "±", "now", "±", "times", "range", "p"},
		wide:  []int{4, 6},
	}
	for i := range c.Rows {
		row := &c.Rows[i]
		times := fmt.Sprintf("%.3f", row.Ratio.Ratio)
		if !row.Ratio.Significant {
			times = "~ " + times
		}
		bounds := "?"
		if row.Ratio.Low > 0 {
			bounds = fmt.Sprintf("%.3f–%.3f", row.Ratio.Low, row.Ratio.High)
		}
		t.rows = append(t.rows, []string{row.Strategy, fmt.Sprint(row.SaltLength), fmt.Sprint(row.Threads),
			megahashes(row.Before.Median), plusMinus(row.Before), megahashes(row.After.Median), plusMinus(row.After),
			times, bounds, formatP(row.Ratio.P)})
	}
	var notes []string
	if len(c.Rows) == 0 {
		notes = append(notes, "The reports have no row in common.")
	} else {
		notes = append(notes, `TIMES is the rate now ÷ before. "~" marks a difference that may be due to chance (p is 0.05 or more).`)
	}
	for _, d := range c.Differences {
		notes = append(notes, "Different: "+d+".")
	}
	if len(c.OnlyBefore) > 0 {
		notes = append(notes, "Only before: "+some(c.OnlyBefore)+".")
	}
	if len(c.OnlyAfter) > 0 {
		notes = append(notes, "Only now: "+some(c.OnlyAfter)+".")
	}
	t.note = strings.Join(notes, "\n")
	return t
}

// some lists up to six names. If there are more, it lists five and counts the rest.
func some(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
}
