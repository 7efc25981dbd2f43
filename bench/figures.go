package bench

import (
	"fmt"
	"math"
	"strconv"
)

// figure formats a number with three significant digits. 0 means unknown and gives "".
func figure(v float64) string { return figureTo(v, 3) }

// figureTo formats a number with the given number of significant digits, but all digits before the
// decimal point.
func figureTo(v float64, digits int) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	decimals := digits - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	if decimals <= 0 {
		return grouped(math.Round(v))
	}
	return strconv.FormatFloat(v, 'f', min(decimals, 6), 64)
}

// grouped formats a whole number with a comma after every three digits.
func grouped(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func megahashes(rate float64) string { return figure(rate / 1e6) }

// estimateFigure formats the median.
func estimateFigure(e *Estimate) string {
	if e == nil {
		return ""
	}
	return figure(e.Median)
}

// plusMinus formats the wider half of the confidence interval in percent of the median.
func plusMinus(e Estimate) string {
	if !e.known() {
		return "?"
	}
	v := max(100*e.spread(), 0.01)
	if v >= 10 {
		return grouped(math.Round(v)) + " %"
	}
	return fmt.Sprintf("%.2g %%", v)
}

func percent(share float64) string {
	if share == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

// formatSeconds formats a time in a suitable unit. 0 means unknown and gives "–".
func formatSeconds(s float64) string { return secondsTo(s, 3) }

// secondsTo is formatSeconds with another number of significant digits.
func secondsTo(s float64, digits int) string {
	figure := func(v float64) string { return figureTo(v, digits) }
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

// formatChance formats a probability.
func formatChance(p float64) string {
	switch {
	case p < 1e-12:
		return "below 1 in 10¹²"
	case p < 1e-3:
		return "1 in " + roughly(1/p)
	case p > 0.9995 && p < 1:
		return "more than 99.9 %"
	}
	return figure(100*p) + " %"
}

// formatP formats a p value.
func formatP(p float64) string {
	if p < 0.0005 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

// roughly formats a large number with two significant digits.
func roughly(v float64) string {
	switch {
	case v >= 0.9995e9:
		return strconv.FormatFloat(v/1e9, 'f', 0, 64) + " billion"
	case v >= 0.9995e6:
		return strconv.FormatFloat(v/1e6, 'f', 0, 64) + " million"
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return grouped(math.Round(v/unit) * unit)
}

// timesFigure formats a ratio of rates: one decimal below 10, none from there on.
func timesFigure(v float64) string {
	if v >= 10 {
		return grouped(math.Round(v))
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func plural(n int, one, many string) string { return pluralFigure(float64(n), one, many) }

func pluralFigure(n float64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}
