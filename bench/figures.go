package bench

import (
	"fmt"
	"math"
	"strconv"
)

// figure shows a number with three digits that count, "" for 0, which is not known.
func figure(v float64) string {
	switch {
	case v == 0 || math.IsNaN(v) || math.IsInf(v, 0):
		return ""
	case v >= 100:
		return grouped(math.Round(v))
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', min(max(digits, 0), 6), 64)
}

// grouped shows a whole number with commas.
func grouped(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func megahashes(rate float64) string { return figure(rate / 1e6) }

// estimateFigure shows the median.
func estimateFigure(e *Estimate) string {
	if e == nil {
		return ""
	}
	return figure(e.Median)
}

// plusMinus shows the half of the confidence interval.
func plusMinus(e Estimate) string {
	if !e.known() {
		return "?"
	}
	return fmt.Sprintf("%.2g %%", max(100*e.spread(), 0.01))
}

func percent(share float64) string {
	if share == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

// formatSeconds shows a time in a unit that suits it, "–" for 0, which is not
// known.
func formatSeconds(s float64) string {
	const minute, hour, day, year = 60, 3600, 86400, 365.25 * 86400
	switch {
	case s == 0:
		return "–"
	case s < 1e-6:
		return figure(s*1e9) + " ns"
	case s < 1e-3:
		return figure(s*1e6) + " µs"
	case s < 0.1:
		return figure(s*1e3) + " ms"
	case s < 2*minute && s >= 10 && s == math.Trunc(s):
		return strconv.FormatFloat(s, 'f', 0, 64) + " s"
	case s < 2*minute:
		return figure(s) + " s"
	case s < 2*hour:
		return figure(s/minute) + " min"
	case s < 2*day:
		return figure(s/hour) + " h"
	case s < 2*year:
		return figure(s/day) + " days"
	}
	return figure(s/year) + " years"
}

// formatChance shows a probability.
func formatChance(p float64) string {
	switch {
	case p < 1e-12:
		return "less than 1 in 1e12"
	case p < 1e-3:
		return fmt.Sprintf("1 in %.2g", 1/p)
	case p > 0.9995 && p < 1:
		return "more than 99.9 %"
	}
	return fmt.Sprintf("%.3g %%", 100*p)
}
