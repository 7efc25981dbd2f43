// Package metrics keeps counters, gauges and histograms, and serves them in the text
// formats of Prometheus and OpenMetrics.
//
// It exists because a command-line tool starts often and serves metrics rarely:
// initializing github.com/prometheus/client_golang and the packages below it takes longer
// than all the rest of "gkpow version". The tests use that library as the reference, and
// expect the same bytes from both.
package metrics

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A kind is the type of a family, as the formats name it.
type kind string

const (
	counterKind   kind = "counter"
	gaugeKind     kind = "gauge"
	histogramKind kind = "histogram"
	summaryKind   kind = "summary"
)

// A Registry is a set of metrics and an http.Handler that serves them. Its methods register
// metrics. They panic if the name is already registered with another type or help, or with
// the same labels. The zero value is an empty set. A Registry is safe for concurrent use.
type Registry struct {
	mu       sync.Mutex // guards the fields below
	families map[string]*family
	collect  []func(*batch)
}

// A family is all the metrics of one name.
type family struct {
	name, help string
	kind       kind

	mu     sync.Mutex // guards series
	series []series   // sorted
}

// A series is one metric of a family: its labels, and a function that writes its samples.
type series struct {
	labels []label
	write  func(*writer, []label)
}

type label struct{ name, value string }

// labels converts alternating names and values to labels, sorted by name.
func labels(pairs []string) []label {
	if len(pairs)%2 != 0 {
		panic(fmt.Sprintf("metrics: label %q has no value", pairs[len(pairs)-1]))
	}
	var list []label
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, label{pairs[i], pairs[i+1]})
	}
	slices.SortFunc(list, func(a, b label) int { return cmp.Compare(a.name, b.name) })
	return list
}

// compare orders series by the values of their labels, and then by the names.
func compare(a, b []label) int {
	return cmp.Or(
		slices.CompareFunc(a, b, func(a, b label) int { return cmp.Compare(a.value, b.value) }),
		slices.CompareFunc(a, b, func(a, b label) int { return cmp.Compare(a.name, b.name) }),
	)
}

// family returns the family with the given name, and creates it if necessary.
func (r *Registry) family(kind kind, name, help string) *family {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.families[name]
	if f == nil {
		f = &family{name: name, help: help, kind: kind}
		if r.families == nil {
			r.families = map[string]*family{}
		}
		r.families[name] = f
	}
	if f.kind != kind || f.help != help {
		panic("metrics: " + name + " is registered with another type or help")
	}
	return f
}

// add registers a series.
func (f *family) add(labels []label, write func(*writer, []label)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, found := slices.BinarySearchFunc(f.series, labels, func(s series, labels []label) int { return compare(s.labels, labels) })
	if found {
		panic("metrics: " + f.name + " is registered twice with the same labels")
	}
	f.series = slices.Insert(f.series, i, series{labels, write})
}

// list returns the series in the order in which they are written.
func (f *family) list() []series {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.series)
}

// A Counter is a number that only grows. It is safe for concurrent use.
type Counter struct{ value float }

// Counter registers a counter. labelPairs are alternating label names and values.
func (r *Registry) Counter(name, help string, labelPairs ...string) *Counter {
	c := &Counter{}
	r.CounterFunc(name, help, c.value.load, labelPairs...)
	return c
}

// CounterFunc registers a counter that a function reads. The function must be safe for
// concurrent use.
func (r *Registry) CounterFunc(name, help string, value func() float64, labelPairs ...string) {
	r.family(counterKind, name, help).add(labels(labelPairs), sample(value))
}

// Inc adds 1.
func (c *Counter) Inc() { c.Add(1) }

// Add adds n. It panics if n is negative.
func (c *Counter) Add(n float64) {
	if n < 0 {
		panic("metrics: a counter cannot decrease")
	}
	c.value.add(n)
}

// A Gauge is a number that goes up and down. It is safe for concurrent use.
type Gauge struct{ value float }

// Gauge registers a gauge. labelPairs are alternating label names and values.
func (r *Registry) Gauge(name, help string, labelPairs ...string) *Gauge {
	g := &Gauge{}
	r.GaugeFunc(name, help, g.value.load, labelPairs...)
	return g
}

// GaugeFunc registers a gauge that a function reads. The function must be safe for
// concurrent use.
func (r *Registry) GaugeFunc(name, help string, value func() float64, labelPairs ...string) {
	r.family(gaugeKind, name, help).add(labels(labelPairs), sample(value))
}

// Set sets the gauge to v.
func (g *Gauge) Set(v float64) { g.value.store(v) }

// Add adds n, which may be negative.
func (g *Gauge) Add(n float64) { g.value.add(n) }

// A Histogram counts observations in buckets. It is safe for concurrent use.
type Histogram struct {
	bounds []float64 // inclusive upper bounds of the buckets, except the last, which is +Inf

	mu     sync.Mutex // guards the fields below
	counts []uint64   // number of observations in each bucket
	sum    float64
}

// Histogram registers a histogram. labelPairs are alternating label names and values. The
// bounds are the inclusive upper bounds of the buckets, in increasing order; Histogram adds a
// bucket for larger values.
func (r *Registry) Histogram(name, help string, bounds []float64, labelPairs ...string) *Histogram {
	h := newHistogram(bounds)
	r.family(histogramKind, name, help).add(labels(labelPairs), h.write)
	return h
}

func newHistogram(bounds []float64) *Histogram {
	for i := range bounds[min(1, len(bounds)):] {
		if bounds[i] >= bounds[i+1] {
			panic("metrics: the bounds of the buckets do not increase")
		}
	}
	return &Histogram{bounds: slices.Clone(bounds), counts: make([]uint64, len(bounds)+1)}
}

// Observe counts v.
func (h *Histogram) Observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[i]++
	h.sum += v
}

func (h *Histogram) write(w *writer, labels []label) {
	h.mu.Lock()
	counts, sum := slices.Clone(h.counts), h.sum
	h.mu.Unlock()
	total := uint64(0)
	for i, count := range counts {
		total += count
		bound := math.Inf(1)
		if i < len(h.bounds) {
			bound = h.bounds[i]
		}
		w.count("_bucket", labels, &bounded{"le", bound}, total)
	}
	w.float("_sum", labels, nil, sum)
	w.count("_count", labels, nil, total)
}

// ExponentialBounds returns the bounds of n buckets: first, and then each one factor times
// the previous one.
func ExponentialBounds(first, factor float64, n int) []float64 {
	bounds := make([]float64, n)
	for i := range bounds {
		bounds[i] = first
		first *= factor
	}
	return bounds
}

// A Vec is a family of metrics with the same label names. It is safe for concurrent use.
type Vec[M any] struct {
	names    []string
	register func(labelPairs []string) M

	mu   sync.Mutex // guards made
	made map[string]M
}

func newVec[M any](names []string, register func(labelPairs []string) M) *Vec[M] {
	return &Vec[M]{names: names, register: register, made: map[string]M{}}
}

// CounterVec registers a family of counters with the given label names.
func (r *Registry) CounterVec(name, help string, labelNames ...string) *Vec[*Counter] {
	r.family(counterKind, name, help)
	return newVec(labelNames, func(pairs []string) *Counter { return r.Counter(name, help, pairs...) })
}

// GaugeVec registers a family of gauges with the given label names.
func (r *Registry) GaugeVec(name, help string, labelNames ...string) *Vec[*Gauge] {
	r.family(gaugeKind, name, help)
	return newVec(labelNames, func(pairs []string) *Gauge { return r.Gauge(name, help, pairs...) })
}

// HistogramVec registers a family of histograms with the given label names. The bounds are as
// for Registry.Histogram.
func (r *Registry) HistogramVec(name, help string, bounds []float64, labelNames ...string) *Vec[*Histogram] {
	r.family(histogramKind, name, help)
	newHistogram(bounds) // panics now if the bounds are invalid
	return newVec(labelNames, func(pairs []string) *Histogram { return r.Histogram(name, help, bounds, pairs...) })
}

// With returns the metric with the given label values, in the order of the names. The first
// call with these values creates the metric, which is served from then on.
func (v *Vec[M]) With(values ...string) M {
	if len(values) != len(v.names) {
		panic(fmt.Sprintf("metrics: %d values for the labels %v", len(values), v.names))
	}
	k := strings.Join(values, "\xff")
	v.mu.Lock()
	defer v.mu.Unlock()
	m, ok := v.made[k]
	if !ok {
		var pairs []string
		for i, name := range v.names {
			pairs = append(pairs, name, values[i])
		}
		m = v.register(pairs)
		v.made[k] = m
	}
	return m
}

// A float is a number that several goroutines can add to.
type float struct{ bits atomic.Uint64 }

func (f *float) load() float64   { return math.Float64frombits(f.bits.Load()) }
func (f *float) store(v float64) { f.bits.Store(math.Float64bits(v)) }

func (f *float) add(n float64) {
	for {
		old := f.bits.Load()
		if f.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+n)) {
			return
		}
	}
}
