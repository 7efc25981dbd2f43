package metrics

import (
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	asksForText = "text/plain"
	asksForOpen = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1" // as Prometheus does
)

func scrape(r *Registry, accept string) (contentType, body string) {
	request := httptest.NewRequest("GET", "/metrics", nil)
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, request)
	return answer.Header().Get("Content-Type"), answer.Body.String()
}

func scrapeReference(r *prometheus.Registry, accept string) (contentType, body string) {
	request := httptest.NewRequest("GET", "/metrics", nil)
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(answer, request)
	contentType, _, _ = strings.Cut(answer.Header().Get("Content-Type"), "; escaping")
	return contentType, answer.Body.String()
}

// The reference implementation writes the same bytes for the same metrics, in both formats.
func TestAgainstReference(t *testing.T) {
	ours, reference := &Registry{}, prometheus.NewRegistry()
	numbers := []float64{0, 1, -1, 0.1, 1e21, 123456789, 1.795744571e+09, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxUint64, 5e-324}
	strange := []string{"", "plain", `a"b\c` + "\n{}", "ä€😀", "\x00\x7f", "two words"}

	gauges := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "g", Help: "Quotes \", backslashes \\ and\nlines."}, []string{"z", "a"})
	ourGauges := ours.GaugeVec("g", "Quotes \", backslashes \\ and\nlines.", "z", "a")
	for i, n := range numbers {
		for _, label := range strange {
			gauges.WithLabelValues(label, fmt.Sprint(i)).Set(n)
			ourGauges.With(label, fmt.Sprint(i)).Set(n)
		}
	}
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "c_total", Help: "Counts."})
	ourCounter := ours.Counter("c_total", "Counts.")
	odd := prometheus.NewCounter(prometheus.CounterOpts{Name: "odd_count", Help: "A name that OpenMetrics does not allow for counters."})
	ours.Counter("odd_count", "A name that OpenMetrics does not allow for counters.")
	function := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "f_total", Help: "F.", ConstLabels: prometheus.Labels{"service": "x", "a": "b"}}, func() float64 { return 7 })
	ours.CounterFunc("f_total", "F.", func() float64 { return 7 }, "service", "x", "a", "b")
	bounds := prometheus.ExponentialBuckets(0.25, 2, 5) // 1 and 2 among them, which the formats write differently
	histogram := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "h_seconds", Help: "H.", Buckets: bounds}, []string{"k"})
	ourHistogram := ours.HistogramVec("h_seconds", "H.", ExponentialBounds(0.25, 2, 5), "k")
	reference.MustRegister(gauges, counter, odd, function, histogram,
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "empty_total", Help: "No series, so not written."}, []string{"k"}))
	ours.CounterVec("empty_total", "No series, so not written.", "k")

	for range 3 {
		counter.Inc()
		ourCounter.Inc()
		counter.Add(0.5)
		ourCounter.Add(0.5)
		for _, n := range []float64{-1, 0, 0.25, 0.26, 1, 2, 4, 4.1, math.Inf(1)} {
			histogram.WithLabelValues("v").Observe(n)
			ourHistogram.With("v").Observe(n)
		}
		histogram.WithLabelValues("a\\").Observe(1e-3)
		ourHistogram.With("a\\").Observe(1e-3)
		for _, accept := range []string{asksForText, asksForOpen} {
			wantType, want := scrapeReference(reference, accept)
			gotType, got := scrape(ours, accept)
			require.Equal(t, want, got)
			require.Equal(t, wantType, gotType)
		}
	}
}

// The metrics of the process and the runtime have the names, types and help of the reference.
func TestCollectProcess(t *testing.T) {
	ours, reference := &Registry{}, prometheus.NewRegistry()
	ours.CollectProcess()
	reference.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	_, want := scrapeReference(reference, asksForText)
	_, got := scrape(ours, asksForText)
	shape := func(text string) (lines []string) {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "#") { // the value differs
				line = line[:strings.LastIndexByte(line, ' ')]
			}
			lines = append(lines, strings.TrimSpace(line))
		}
		return lines
	}
	require.Equal(t, shape(want), shape(got))

	// Limits are equal. The reference's value of a counter lies between two readings of ours.
	for _, name := range []string{"go_info{version", "go_gc_gogc_percent", "go_gc_gomemlimit_bytes", "go_sched_gomaxprocs_threads", "process_max_fds",
		"process_virtual_memory_max_bytes"} {
		if strings.Contains(want, "\n"+name) { // otherwise this system does not have it
			require.Equal(t, valueOf(t, want, name), valueOf(t, got, name), name)
		}
	}
	_, before := scrape(ours, asksForText)
	_, want = scrapeReference(reference, asksForText)
	_, after := scrape(ours, asksForText)
	for line := range strings.Lines(want) {
		name, ok := strings.CutSuffix(line, " counter\n")
		if name, found := strings.CutPrefix(name, "# TYPE "); ok && found {
			w := valueOf(t, want, name+" ")
			require.GreaterOrEqual(t, w, valueOf(t, before, name+" ")-0.02, name) // the kernel rounds CPU time
			require.LessOrEqual(t, w, valueOf(t, after, name+" ")+0.02, name)
		}
	}
	// Gauges agree within half of their value, unless a garbage collection comes between the two
	// readings: then read again.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, want := scrapeReference(reference, asksForText)
		_, got := scrape(ours, asksForText)
		for _, name := range []string{"go_memstats_sys_bytes", "go_memstats_heap_sys_bytes", "go_memstats_stack_sys_bytes", "go_memstats_gc_sys_bytes",
			"go_goroutines", "go_threads", "process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds", "process_virtual_memory_bytes"} {
			if strings.Contains(want, "\n"+name+" ") {
				w := valueOf(t, want, name+" ")
				assert.InDelta(c, w, valueOf(t, got, name+" "), max(w/2, 3), name)
			}
		}
	}, time.Minute, time.Millisecond)
}

// valueOf returns the value of the sample whose line begins with a name.
func valueOf(t *testing.T, text, name string) (v float64) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name) {
			fields := strings.Fields(line)
			_, err := fmt.Sscan(fields[len(fields)-1], &v)
			require.NoError(t, err)
			return v
		}
	}
	require.Fail(t, "no "+name, text)
	return 0
}

func TestCollectGOGC(t *testing.T) {
	for value, want := range map[string]float64{"": 100, "off": math.MaxUint64, "50": 50, "nonsense": 100, "-1": math.MaxUint64} {
		t.Setenv("GOGC", value)
		require.Equal(t, want, gcPercent(), value)
	}
}

// promlint is what "promtool check metrics" reports.
func TestLint(t *testing.T) {
	r := &Registry{}
	r.CollectProcess()
	_, text := scrape(r, asksForText)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

// In OpenMetrics two families cannot share a name, so that the counter
// go_memstats_alloc_bytes_total beside the gauge go_memstats_alloc_bytes keeps its own.
func TestOpenMetricsNames(t *testing.T) {
	r := &Registry{}
	r.CollectProcess()
	_, text := scrape(r, asksForOpen)
	require.True(t, strings.HasSuffix(text, "\n# EOF\n"))
	var names []string
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ = strings.Cut(name, " ")
			names = append(names, name)
		}
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names))
	require.Contains(t, text, "# TYPE go_memstats_alloc_bytes gauge\n")
	require.Contains(t, text, "# TYPE go_memstats_alloc_bytes_total unknown\ngo_memstats_alloc_bytes_total ")
	require.Contains(t, text, "# TYPE go_memstats_frees counter\ngo_memstats_frees_total ")
}

func TestNegotiation(t *testing.T) {
	for accept, open := range map[string]bool{
		"":                             false,
		"*/*":                          false,
		"text/plain":                   false,
		"text/*;q=.2":                  false,
		"application/openmetrics-text": true,
		"application/openmetrics-text; version=1.0.0":          true,
		"application/openmetrics-text; version=2.0.0":          false,
		"application/openmetrics-text;q=0":                     false,
		"application/openmetrics-text;q=0.2, text/plain;q=0.3": false,
		"text/plain;q=0.3,application/openmetrics-text;q=0.3":  true,
		"application/openmetrics-text;q=x":                     false,
		"application/openmetrics-text;;=, text/html":           false,
		asksForOpen: true,
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily":    false,
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8": false,
	} {
		contentType, _ := scrape(&Registry{}, accept)
		require.Equal(t, open, strings.HasPrefix(contentType, "application/openmetrics-text; version=1.0.0"), accept)
	}
}

func TestInvalidLabelValue(t *testing.T) {
	r := &Registry{}
	r.Gauge("g", "G.", "l", "a\xffb").Set(1)
	_, text := scrape(r, asksForText)
	require.Contains(t, text, "g{l=\"a\uFFFDb\"} 1\n")
}

func TestMistakes(t *testing.T) {
	odd := []string{"a"} // a name without a value
	for name, mistake := range map[string]func(*Registry){
		"twice":             func(r *Registry) { r.Counter("c", "C."); r.Counter("c", "C.") },
		"same labels":       func(r *Registry) { r.Counter("c", "C.", "a", "1", "b", "2"); r.Counter("c", "C.", "b", "2", "a", "1") },
		"other type":        func(r *Registry) { r.Counter("c", "C."); r.Gauge("c", "C.", "a", "b") },
		"other help":        func(r *Registry) { r.Counter("c", "C."); r.Counter("c", "D.", "a", "b") },
		"no value":          func(r *Registry) { r.Counter("c", "C.", odd...) },
		"decrease":          func(r *Registry) { r.Counter("c", "C.").Add(-1) },
		"bounds":            func(r *Registry) { r.Histogram("h", "H.", []float64{1, 1}) },
		"bounds of vectors": func(r *Registry) { r.HistogramVec("h", "H.", []float64{2, 1}) },
		"too few values":    func(r *Registry) { r.CounterVec("c", "C.", "a", "b").With("1") },
	} {
		t.Run(name, func(t *testing.T) { require.Panics(t, func() { mistake(&Registry{}) }) })
	}
}

// Many goroutines can use a metric and read its registry at once without losing anything.
func TestConcurrency(t *testing.T) {
	const goroutines, each = 8, 500
	r := &Registry{}
	r.CollectProcess()
	counters := r.CounterVec("c_total", "C.", "k")
	gauge, histogram := r.Gauge("g", "G."), r.Histogram("h", "H.", []float64{1})
	var wait sync.WaitGroup
	for range goroutines {
		wait.Go(func() {
			for i := range each {
				counters.With(fmt.Sprint(i % 3)).Inc()
				gauge.Add(1)
				histogram.Observe(float64(i % 3))
				if i%100 == 0 {
					scrape(r, asksForText)
				}
			}
		})
	}
	wait.Wait()
	_, text := scrape(r, asksForText)
	total := 0.0
	for k := range 3 {
		total += valueOf(t, text, fmt.Sprintf(`c_total{k="%d"}`, k))
	}
	require.Equal(t, float64(goroutines*each), total)
	require.Equal(t, float64(goroutines*each), valueOf(t, text, "g "))
	require.Equal(t, float64(goroutines*each), valueOf(t, text, "h_count"))
	require.Equal(t, float64(goroutines*each), valueOf(t, text, `h_bucket{le="+Inf"}`))
}
