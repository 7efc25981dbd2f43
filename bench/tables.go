package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A table is a part of a report, independent of the output format.
type table struct {
	title string
	note  string   // lines to show below the table
	head  []string // the first column holds names, the others numbers
	wide  []int    // columns to show only on request
	rows  [][]string
	bars  []float64 // length of each row's bar, 0 to 1; nil for a table without bars
}

// tables returns the tables of a report.
func (r *Report) tables() (list []table) {
	s := &r.Settings
	for _, threads := range s.Threads {
		list = append(list, r.throughput(s.mainSalt(), threads))
	}
	if len(s.SaltLengths) > 1 {
		for _, threads := range s.Threads {
			if t := r.bySalt(threads); len(t.rows) > 0 {
				list = append(list, t)
			}
		}
	}
	if r.Scaling != nil {
		list = append(list, r.Scaling.table())
	}
	if r.Solve != nil {
		list = append(list, r.Solve.table())
	}
	if r.Comparison != nil {
		list = append(list, r.Comparison.table())
	}
	return list
}

// chosenMark precedes the name of the kernel that the engine chooses.
const chosenMark = "> "

// throughput returns the table of all strategies for one salt length, fastest first.
func (r *Report) throughput(saltLength, threads int) table {
	t := table{
		title: fmt.Sprintf("Salt of %s, %s", plural(saltLength, "character", "characters"), plural(threads, "thread", "threads")),
		head:  []string{"strategy", "MH/s", "±", "× textbook", "ns/hash", "cycles/hash", "ops", "of bound"},
		wide:  []int{6, 7},
	}
	highest := r.highest(saltLength, threads)
	loop := r.measured(sampleLoop, saltLength, threads)
	marked := slices.Contains(r.Settings.Strategies, r.Chosen)
	for _, name := range r.byRate(saltLength, threads) {
		row := r.row(name, saltLength, threads)
		if marked && name == r.Chosen {
			name = chosenMark + name
			t.note = chosenMark + "is the kernel that gkpow chooses here."
		} else if marked {
			name = strings.Repeat(" ", len(chosenMark)) + name
		}
		cells := []string{name}
		bar := 0.0
		if row.Status != Measured {
			text := string(row.Status)
			if row.Reason != "" {
				text += ": " + row.Reason
			}
			cells = append(cells, text)
		} else {
			bar = row.Rate.Median / highest
			times := ""
			if loop != nil {
				times = timesFigure(row.Rate.Median / loop.Median)
			}
			cells = append(cells, megahashes(row.Rate.Median), plusMinus(*row.Rate), times, figure(row.Nanoseconds.Median),
				estimateFigure(row.Cycles), figure(row.Operations), percent(row.BoundShare))
		}
		t.rows, t.bars = append(t.rows, cells), append(t.bars, bar)
	}
	return t
}

// byRate returns the names of the strategies that have a row, fastest first; those without
// a rate come last.
func (r *Report) byRate(saltLength, threads int) (names []string) {
	rates := map[string]float64{}
	for _, name := range r.Settings.Strategies {
		if r.row(name, saltLength, threads) == nil {
			continue
		}
		names = append(names, name)
		if e := r.measured(name, saltLength, threads); e != nil {
			rates[name] = e.Median
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rates[b], rates[a]) })
	return names
}

// highest returns the highest median rate in a throughput table.
func (r *Report) highest(saltLength, threads int) (highest float64) {
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Status == Measured && row.SaltLength == saltLength && row.Threads == threads {
			highest = max(highest, row.Rate.Median)
		}
	}
	return highest
}

// bySalt returns the table of rates by salt length.
func (r *Report) bySalt(threads int) table {
	t := table{
		title: fmt.Sprintf("MH/s by salt length, %s", plural(threads, "thread", "threads")),
		head:  []string{"strategy"},
	}
	for _, length := range r.Settings.SaltLengths {
		t.head = append(t.head, strconv.Itoa(length))
	}
	for _, name := range r.byRate(r.Settings.mainSalt(), threads) {
		cells, any := []string{name}, false
		for _, length := range r.Settings.SaltLengths {
			row := r.row(name, length, threads)
			switch {
			case row == nil:
				cells = append(cells, "")
			case row.Status == Measured:
				cells = append(cells, megahashes(row.Rate.Median))
				any = true
			case row.Status == Failed:
				cells = append(cells, string(Failed))
				any = true
			default:
				cells = append(cells, "")
			}
		}
		if any {
			t.rows = append(t.rows, cells)
		}
	}
	return t
}

func (s *Scaling) table() table {
	t := table{
		title: fmt.Sprintf("Scaling: %s, salt of %s", s.Strategy, plural(s.SaltLength, "character", "characters")),
		head:  []string{"threads", "MH/s", "±", "times", "efficiency"},
	}
	highest := 0.0
	for i := range s.Points {
		if p := &s.Points[i]; p.Rate != nil {
			highest = max(highest, p.Rate.Median)
		}
	}
	for i := range s.Points {
		p := &s.Points[i]
		if p.Rate == nil {
			continue
		}
		t.rows = append(t.rows, []string{strconv.Itoa(p.Threads), megahashes(p.Rate.Median), plusMinus(*p.Rate),
			figure(p.Speedup), percent(p.Efficiency)})
		t.bars = append(t.bars, p.Rate.Median/highest)
	}
	return t
}

func (s *Solve) table() table {
	t := table{
		title: fmt.Sprintf("Time to solution at difficulty %d: %s, %s, salt of %s", s.Difficulty, s.Strategy,
			plural(s.Threads, "thread", "threads"), plural(s.SaltLength, "character", "characters")),
		head: []string{"", "puzzles", "mean", "p50", "p95", "p99"},
	}
	row := func(name, puzzles string, q Quantiles) {
		t.rows = append(t.rows, []string{name, puzzles, formatSeconds(q.Mean), formatSeconds(q.P50), formatSeconds(q.P95), formatSeconds(q.P99)})
	}
	row("predicted from the rate", "", s.Predicted)
	tested := s.tested()
	at := ""
	if tested != s {
		at = fmt.Sprintf(" at difficulty %d", tested.Difficulty)
		row("predicted"+at, "", tested.Predicted)
	}
	if len(tested.Times) > 0 {
		row("measured"+at, grouped(float64(len(tested.Times))), tested.Measured)
	}
	t.note = fmt.Sprintf("Chance of missing the %s deadline: %s.", formatSeconds(s.Deadline), formatChance(s.Missed))
	if tested.MeanLow > 0 {
		verdict := "agrees with"
		if !tested.agrees() {
			verdict = "contradicts"
		}
		prediction := ""
		if low, high := tested.predictedInterval(); low < high {
			prediction = fmt.Sprintf(" of %s to %s", formatSeconds(low), formatSeconds(high))
		}
		t.note += fmt.Sprintf("\nThe measured times put the true mean%s at %s to %s (95 %% confidence), which %s the prediction%s.",
			at, formatSeconds(tested.MeanLow), formatSeconds(tested.MeanHigh), verdict, prediction)
	}
	if tested.Note != "" {
		t.note += "\nNote: " + tested.Note + "."
	}
	return t
}
