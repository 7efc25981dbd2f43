package bench

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// confidence is the level of all confidence intervals.
const confidence = 0.95

// An Estimate is the median of some values, in their unit, with a confidence interval that
// assumes nothing about their distribution (golang.org/x/perf/benchmath). Fewer than six
// values have no interval: Low, High and Confidence are then 0.
type Estimate struct {
	Median     float64 `json:"median"`               // the middle value, in the unit of the values
	Low        float64 `json:"low,omitempty"`        // lower end of the interval, in the same unit
	High       float64 `json:"high,omitempty"`       // upper end of the interval, in the same unit
	Confidence float64 `json:"confidence,omitempty"` // actual level of the interval, at least 0.95, where 1 is certainty
	Min        float64 `json:"min"`                  // smallest value, in the same unit
	Max        float64 `json:"max"`                  // largest value, in the same unit
	Outliers   int     `json:"outliers"`             // values outside Tukey's outer fences
	Count      int     `json:"count"`                // number of values
}

// estimate summarises values, which may be in any order.
func estimate(values []float64) Estimate {
	if len(values) == 0 {
		return Estimate{}
	}
	sample := newSample(values)
	sorted := sample.Values
	e := Estimate{
		Median:   sorted[len(sorted)/2],
		Min:      sorted[0],
		Max:      sorted[len(sorted)-1],
		Outliers: outliers(sorted),
		Count:    len(sorted),
	}
	if len(sorted) == 1 {
		return e
	}
	s := benchmath.AssumeNothing.Summary(sample, confidence)
	e.Median = s.Center
	if !math.IsInf(s.Lo, 0) && !math.IsInf(s.Hi, 0) {
		e.Low, e.High, e.Confidence = s.Lo, s.Hi, s.Confidence
	}
	return e
}

func newSample(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}

// known reports whether there is a confidence interval.
func (e Estimate) known() bool { return e.Confidence > 0 }

// spread returns the wider half of the interval as a fraction of the median.
func (e Estimate) spread() float64 {
	if !e.known() || e.Median == 0 {
		return 0
	}
	return max(e.High-e.Median, e.Median-e.Low) / e.Median
}

// under returns the estimate of numerator ÷ value. It uses the figures of e, so that the two
// estimates agree: the median of an even number of quotients may differ.
func (e Estimate) under(numerator float64) Estimate {
	u := e
	u.Median, u.Min, u.Max = numerator/e.Median, numerator/e.Max, numerator/e.Min
	if e.known() {
		u.Low, u.High = numerator/e.High, numerator/e.Low
	}
	return u
}

// fence is how far outside the quartiles a value may lie, in interquartile ranges, before it
// counts as an outlier: Tukey's outer fences.
const fence = 3

// outliers counts the values outside the fences. Fewer than five values are too few for
// fences and count as none.
func outliers(sorted []float64) (count int) {
	if len(sorted) < 5 {
		return 0
	}
	q1, q3 := quantile(sorted, 0.25), quantile(sorted, 0.75)
	low, high := q1-fence*(q3-q1), q3+fence*(q3-q1)
	for _, v := range sorted {
		if v < low || v > high {
			count++
		}
	}
	return count
}

// quantile interpolates between the order statistics around q, 0 to 1.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// A Ratio compares the medians of two samples. Low and High are quotients of the ends of
// the two confidence intervals, so the true ratio lies outside them only if one of the true
// medians lies outside its interval. They are 0 if either sample has no interval.
type Ratio struct {
	Ratio       float64 `json:"ratio"`          // second median ÷ first
	Low         float64 `json:"low,omitempty"`  // lower bound of second median ÷ first
	High        float64 `json:"high,omitempty"` // upper bound of second median ÷ first
	P           float64 `json:"p"`              // chance, 0 to 1, of a difference at least this large if nothing changed (Mann-Whitney U test)
	Significant bool    `json:"significant"`    // whether P is below 0.05
}

// ratio compares two samples, neither of which may be empty.
func ratio(before, after []float64) Ratio {
	a, b := estimate(before), estimate(after)
	c := benchmath.AssumeNothing.Compare(newSample(before), newSample(after))
	r := Ratio{Ratio: b.Median / a.Median, P: c.P, Significant: c.P < c.Alpha}
	if a.known() && b.known() && a.Low > 0 {
		r.Low, r.High = b.Low/a.High, b.High/a.Low
	}
	return r
}
