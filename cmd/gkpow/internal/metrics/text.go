package metrics

import (
	"bytes"
	"cmp"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The media types of the two formats.
const (
	textFormat = "text/plain; version=0.0.4; charset=utf-8"                   // https://prometheus.io/docs/instrumenting/exposition_formats/
	openFormat = "application/openmetrics-text; version=1.0.0; charset=utf-8" // https://prometheus.io/docs/specs/om/open_metrics_spec/
)

// ServeHTTP writes all metrics, in the OpenMetrics format if the caller accepts it and in the
// Prometheus format otherwise.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	open := acceptsOpenMetrics(request.Header)
	w.Header().Set("Vary", "Accept")
	w.Header().Set("Content-Type", textFormat)
	if open {
		w.Header().Set("Content-Type", openFormat)
	}
	_, _ = w.Write(r.text(open))
}

// acceptsOpenMetrics reports whether the caller accepts OpenMetrics and does not prefer plain
// text.
func acceptsOpenMetrics(header http.Header) bool {
	open, text := 0.0, 0.0
	for _, accepted := range strings.Split(strings.Join(header.Values("Accept"), ","), ",") {
		name, parameters, err := mime.ParseMediaType(accepted)
		if err != nil {
			continue
		}
		quality := 1.0
		if q, ok := parameters["q"]; ok {
			if quality, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		switch name {
		case "application/openmetrics-text":
			if v := parameters["version"]; v == "" || v == "1.0.0" || v == "0.0.1" {
				open = max(open, quality)
			}
		case "text/plain", "text/*":
			text = max(text, quality)
		}
	}
	return open > 0 && open >= text
}

// text returns all metrics.
func (r *Registry) text(open bool) []byte {
	r.mu.Lock()
	var families []*family
	for _, f := range r.families {
		families = append(families, f)
	}
	collect := slices.Clone(r.collect)
	r.mu.Unlock()
	b := batch{}
	for _, f := range collect {
		f(&b)
	}
	families = append(families, b.families...)
	slices.SortFunc(families, func(a, b *family) int { return cmp.Compare(a.name, b.name) })

	w := &writer{open: open}
	for _, f := range families {
		list := f.list()
		if len(list) == 0 {
			continue
		}
		w.family = f.name
		w.head(f, slices.ContainsFunc(families, func(other *family) bool { return other.name+"_total" == f.name }))
		for _, s := range list {
			s.write(w, s.labels)
		}
	}
	if open {
		w.WriteString("# EOF\n")
	}
	return w.Bytes()
}

// A batch holds families whose values are read together each time the metrics are written.
type batch struct{ families []*family }

func (b *batch) add(kind kind, name, help string, write func(*writer, []label), labelPairs ...string) {
	f := &family{name: name, help: help, kind: kind}
	f.add(labels(labelPairs), write)
	b.families = append(b.families, f)
}

func (b *batch) gauge(name, help string, value float64) {
	b.add(gaugeKind, name, help, sample(func() float64 { return value }))
}

func (b *batch) counter(name, help string, value float64) {
	b.add(counterKind, name, help, sample(func() float64 { return value }))
}

// A writer writes metrics in one of the formats.
type writer struct {
	bytes.Buffer
	open   bool   // whether to write OpenMetrics
	family string // the name of the family that is being written
}

// A bounded is the label with the bound of a bucket or with a quantile.
type bounded struct {
	name  string
	value float64
}

// head writes the lines before the samples of a family. In OpenMetrics, the name of a
// counter's family lacks the suffix _total, unless another family already has the shorter
// name.
func (w *writer) head(f *family, taken bool) {
	name, kind := f.name, string(f.kind)
	if w.open && f.kind == counterKind {
		short, ok := strings.CutSuffix(name, "_total")
		if ok && !taken {
			name = short
		} else {
			kind = "unknown"
		}
	}
	help := strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	if w.open {
		help = labelEscaper
	}
	w.WriteString("# HELP " + name + " " + help.Replace(f.help) + "\n# TYPE " + name + " " + kind + "\n")
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// sample returns a function that writes a single value.
func sample(value func() float64) func(*writer, []label) {
	return func(w *writer, labels []label) { w.float("", labels, nil, value()) }
}

func (w *writer) float(suffix string, labels []label, bound *bounded, value float64) {
	w.name(suffix, labels, bound)
	w.WriteString(w.number(value) + "\n")
}

func (w *writer) count(suffix string, labels []label, bound *bounded, value uint64) {
	w.name(suffix, labels, bound)
	if w.open {
		w.WriteString(strconv.FormatUint(value, 10) + "\n")
		return
	}
	w.WriteString(w.number(float64(value)) + "\n")
}

// name writes the name of a sample with its labels.
func (w *writer) name(suffix string, labels []label, bound *bounded) {
	w.WriteString(w.family + suffix)
	before := "{"
	write := func(name, value string) {
		w.WriteString(before + name + `="` + value + `"`)
		before = ","
	}
	for _, l := range labels {
		write(l.name, labelEscaper.Replace(strings.ToValidUTF8(l.value, "\uFFFD")))
	}
	if bound != nil {
		write(bound.name, w.number(bound.value))
	}
	if before == "," {
		w.WriteByte('}')
	}
	w.WriteByte(' ')
}

// number formats a number. In OpenMetrics, a floating-point number must not look like an
// integer.
func (w *writer) number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case math.IsNaN(v):
		return "NaN"
	}
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if w.open && !strings.ContainsAny(text, "e.") {
		text += ".0"
	}
	return text
}
