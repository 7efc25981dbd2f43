package bench

import (
	"fmt"
	"slices"
	"strings"
)

// summary is the closing sentence.
func (r *Report) summary() string {
	if r.Verdict == Fail {
		return r.failure()
	}
	var parts []string
	if first, second := r.leaders(); first != nil && second != nil {
		parts = append(parts, fmt.Sprintf("%s is %s times as fast as %s here",
			first.short(), figure(first.Rate.Median/second.Rate.Median), second.short()))
	} else if first != nil {
		parts = append(parts, fmt.Sprintf("%s does %s MH/s with %s here",
			first.short(), megahashes(first.Rate.Median), plural(first.Threads, "thread", "threads")))
	}
	if s := r.Solve; s != nil && s.Predicted.P50 > 0 {
		parts = append(parts, fmt.Sprintf("difficulty %d takes %s at the median", s.Difficulty, formatSeconds(s.Predicted.P50)))
	}
	if !r.Complete {
		parts = append([]string{"incomplete: " + r.Stopped}, parts...)
	} else if len(parts) == 0 {
		parts = []string{"nothing could be measured here"}
	}
	return strings.Join(parts, "; ")
}

// failure says which answers were wrong.
func (r *Report) failure() string {
	reasons := map[string][]string{}
	var failed []string
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Status != Failed {
			continue
		}
		if reasons[row.Strategy] == nil {
			failed = append(failed, row.Strategy)
		}
		reasons[row.Strategy] = append(reasons[row.Strategy], row.Reason)
	}
	if len(failed) == 0 && r.Solve != nil { // a solve that failed has a row that did
		failed, reasons[r.Solve.Strategy] = []string{r.Solve.Strategy}, []string{r.Solve.Fault}
	}
	var parts []string
	for _, name := range failed {
		parts = append(parts, name+": "+reasons[name][0])
	}
	verb := "is"
	if len(failed) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("FAIL: %s %s wrong on this machine and must not be used (%s)",
		strings.Join(failed, ", "), verb, strings.Join(parts, "; "))
}

// leaders returns the fastest row for the main salt length and the fewest threads,
// and the next one of another kernel of the engine, or of any strategy if there is
// none.
func (r *Report) leaders() (first, second *Row) {
	var rows []*Row
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Status == Measured && row.SaltLength == r.Settings.mainSalt() && row.Threads == r.Settings.Threads[0] {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b *Row) int {
		switch {
		case a.Rate.Median > b.Rate.Median:
			return -1
		case a.Rate.Median < b.Rate.Median:
			return 1
		}
		return 0
	})
	if len(rows) == 0 {
		return nil, nil
	}
	first = rows[0]
	for _, row := range rows[1:] {
		if row.Backend != "" {
			return first, row
		}
	}
	if len(rows) > 1 {
		second = rows[1]
	}
	return first, second
}

// short is the name of the kernel, or else of the strategy.
func (row *Row) short() string {
	if row.Backend != "" {
		return row.Backend
	}
	return row.Strategy
}
