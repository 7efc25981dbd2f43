package bench

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// confidence is the level of the intervals that are reported.
const confidence = 0.95

// An Estimate is the median of a sample and how far it can be trusted. The
// statistics are those of golang.org/x/perf/benchmath, which assume nothing about
// how the values are distributed.
type Estimate struct {
	Median float64 `json:"median"`
	// Low and High are the confidence interval of the median. They are absent,
	// which is 0, if there are fewer than six values: then there is none.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
	// Confidence is the actual level of the interval, at least 0.95.
	Confidence float64 `json:"confidence,omitempty"`
	Min        float64 `json:"min"`
	Max        float64 `json:"max"`
	Outliers   int     `json:"outliers"` // values outside of Tukey's outer fences
	Count      int     `json:"count"`    // values
}

// estimate summarises values, in any order.
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

// spread returns the wider half of the interval, as a part of the median.
func (e Estimate) spread() float64 {
	if !e.known() || e.Median == 0 {
		return 0
	}
	return max(e.High-e.Median, e.Median-e.Low) / e.Median
}

// fence is how many times the distance between the quartiles a value may lie
// outside of them: Tukey's outer fences.
const fence = 3

// outliers counts the values outside of the fences. Among fewer than five there
// is no telling.
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

// A Ratio compares two samples: how many times as large the second one is.
type Ratio struct {
	Ratio float64 `json:"ratio"` // of the medians
	// Low and High bound the ratio: they are those of the ends of the two
	// confidence intervals, so a true ratio outside is less likely than one
	// outside of either interval. They are absent if an interval is.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
	// P is the chance of samples at least this different if nothing has changed,
	// by the Mann-Whitney U test.
	P float64 `json:"p"`
	// Significant is whether P is below 0.05.
	Significant bool `json:"significant"`
}

// ratio compares samples, neither of them empty.
func ratio(before, after []float64) Ratio {
	a, b := estimate(before), estimate(after)
	c := benchmath.AssumeNothing.Compare(newSample(before), newSample(after))
	r := Ratio{Ratio: b.Median / a.Median, P: c.P, Significant: c.P < c.Alpha}
	if a.known() && b.known() && a.Low > 0 {
		r.Low, r.High = b.Low/a.High, b.High/a.Low
	}
	return r
}
