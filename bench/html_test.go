package bench

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An element holds the parts of a page's element that the tests need.
type element struct {
	name       string
	attributes map[string]string
}

// elements parses a page strictly and returns its elements.
func elements(t *testing.T, page string) (list []element) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Strict = false
	decoder.AutoClose = xml.HTMLAutoClose
	decoder.Entity = xml.HTMLEntity
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return list
		}
		require.NoError(t, err)
		if start, ok := token.(xml.StartElement); ok {
			e := element{start.Name.Local, map[string]string{}}
			for _, a := range start.Attr {
				e.attributes[a.Name.Local] = a.Value
			}
			list = append(list, e)
		}
	}
}

func TestHTML(t *testing.T) {
	r := failedReport(t)
	r.Comparison = Compare(fakeReport(t), r)
	page := written(t, r.WriteHTML)
	ids := map[string]bool{}
	count := map[string]int{}
	var labels []string
	for _, e := range elements(t, page) {
		count[e.name]++
		for name, value := range e.attributes {
			require.False(t, strings.HasPrefix(name, "on"), "a handler: %s=%s", name, value)
			require.NotContains(t, []string{"src", "href", "style", "action", "srcset", "data"}, name, "it loads something or needs an inline style: %s", value)
		}
		if id := e.attributes["id"]; id != "" {
			require.False(t, ids[id], "id %s appears twice", id)
			ids[id] = true
		}
		if e.name == "svg" && e.attributes["role"] == "img" {
			labels = append(labels, strings.Fields(e.attributes["aria-labelledby"])...)
			require.Regexp(t, `^0 0 [0-9]+ [0-9]+$`, e.attributes["viewBox"])
			require.NotContains(t, e.attributes, "width", "it takes the width it is given")
		}
	}
	for _, id := range labels {
		require.True(t, ids[id], "no element has the id %s", id)
	}
	require.Equal(t, 5, count["figure"])
	require.Equal(t, 5, count["figcaption"])
	require.Equal(t, 20, len(labels), "each chart has two drawings, each with a title and a description")
	require.Zero(t, count["script"]+count["link"]+count["img"]+count["iframe"])
	require.GreaterOrEqual(t, count["table"], 7)
	require.Regexp(t, `<title id="solve-title">Time to solution at difficulty 2: fast, 2 threads</title>`, page)
	require.Contains(t, page, `Half of all searches take less than 8.90 ms`)
	require.Contains(t, page, `<meta name="viewport" content="width=device-width, initial-scale=1">`)
	require.Contains(t, page, "prefers-color-scheme: dark")

	// The policy allows exactly this style sheet, and nothing else.
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)[1]
	sum := sha256.Sum256([]byte(style))
	require.Contains(t, strings.ReplaceAll(page, "&#39;", "'"), "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"+
		strings.ReplaceAll(base64.StdEncoding.EncodeToString(sum[:]), "+", "&#43;")+"'")

	// Failures are visible.
	require.Contains(t, page, `<span class="verdict fail">FAIL</span>`)
	require.Contains(t, page, `<td class="words fail" colspan="7">FAIL: missed 1 of 2 solutions | the first *7*</td>`)
	require.Contains(t, page, "<strong>busy</strong>: others used 1.0 CPUs.")
	// All colours come from the page's style sheet.
	require.NotRegexp(t, `(fill|stroke)="#[0-9A-F]{6}"`, page)
	require.NotContains(t, page, "NaN")
}

// Text from a report never becomes markup.
func TestHTMLHostile(t *testing.T) {
	w, clock := fakeEnvironment()
	const hostile = `<script>alert(1)</script>"'&`
	r := mustRun(t, fakeOptions(&fakeStrategy{name: hostile, rate: 1e4, clock: clock}, &fakeStrategy{name: "b", rate: 1e4, clock: clock}), w)
	r.Machine.CPU = `</title></style><img src=x onerror=alert(1)>`
	r.Settings.Arguments = []string{hostile}
	r.Warnings = []Warning{{hostile, hostile, hostile}}
	r.Row0(hostile)
	page := written(t, r.WriteHTML)
	for _, e := range elements(t, page) {
		require.NotContains(t, []string{"script", "img"}, e.name)
	}
	require.Contains(t, page, "&lt;script&gt;")
}

// Row0 marks the first row as failed for the given reason.
func (r *Report) Row0(reason string) {
	r.Rows[0].Status, r.Rows[0].Reason = Failed, reason
}

// A report without figures gives a page without charts.
func TestHTMLEmpty(t *testing.T) {
	w, clock := fakeEnvironment()
	r := mustRun(t, fakeOptions(&fakeStrategy{name: "absent", clock: clock, missing: "ABACUS"}), w)
	require.Equal(t, "Nothing could be measured here.", r.Summary)
	page := written(t, r.WriteHTML)
	require.NotContains(t, page, "<figure>")
	require.Contains(t, page, "this CPU has no ABACUS")
}

// When only easier puzzles were solved, the chart shows them beside their own prediction.
func TestHTMLEasier(t *testing.T) {
	r := fakeReport(t)
	easier := *r.Solve
	require.NotEmpty(t, easier.Times)
	easier.Difficulty--
	r.Solve.Easier, r.Solve.Times = &easier, nil
	page := written(t, r.WriteHTML)
	require.Contains(t, page, `<h2 id="solve">`)
	require.Contains(t, page, "predicted at difficulty 1")
	require.Regexp(t, `measured at difficulty 1, [0-9]+ puzzles</li>`, page)
	for _, class := range []string{"s0", "s1", "s2"} {
		require.Regexp(t, `<path class="curve `+class+`" d="M[0-9.]+ [0-9.]+L`, page)
	}
}

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		high float64
		most int
		want []float64
	}{
		{66, 7, []float64{0, 10, 20, 30, 40, 50, 60}},
		{8.3, 7, []float64{0, 2, 4, 6, 8}},
		{0.021, 7, []float64{0, 0.005, 0.01, 0.015, 0.02}},
		{134, 7, []float64{0, 20, 40, 60, 80, 100, 120}},
		{134, 3, []float64{0, 50, 100}},
		{99, 2, []float64{0, 50}},
		{1, 7, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{25_000, 7, []float64{0, 5000, 10000, 15000, 20000, 25000}},
	} {
		require.InDeltaSlice(t, test.want, roundTicks(test.high, test.most), 1e-9, "%v", test.high)
	}
	times := func(low, high float64, narrow bool) (labels []string) {
		for _, s := range timeTicks(low, high, narrow) {
			labels = append(labels, tickSeconds(s))
		}
		return labels
	}
	require.Equal(t, []string{"10 ms", "100 ms", "1 s", "10 s"}, times(0.005, 90, false))
	require.Equal(t, []string{"10 ns", "1 µs", "100 µs", "10 ms", "1 s"}, times(2e-9, 90, true))
	require.LessOrEqual(t, len(times(1e-9, 1e12, false)), 8)
	require.Equal(t, []string{"0.3", "1,000,000"}, []string{formatTick(0.1 * 3), formatTick(1e6)})
}

// add escapes values of any type, except those that are HTML already.
func TestMarkup(t *testing.T) {
	m := &markup{}
	m.add("<p a=\"%s\">%s %s 100%%", `"'<>&`, 1, literal("<b>"))
	m.add("%s%s", vector("<svg/>"), errors.New("</p>"))
	require.Equal(t, `<p a="&#34;&#39;&lt;&gt;&amp;">1 <b> 100%<svg/>&lt;/p&gt;`, m.String())
}

// However long the names and however many the rows, all texts of bar charts stay within the
// drawing, with room for a wide font, and beside the bars.
func TestChartsFit(t *testing.T) {
	long := func(s string) string { return s + strings.Repeat("x", 60-2*len(s)) + s }
	for name, o := range map[string]Options{
		"one row":       {Threads: []int{1}, SaltLengths: []int{32}},
		"many threads":  {Threads: []int{1, 2, 3, 5, 8, 16, 32, 64, 100, 200, 400, 1000}, SaltLengths: []int{32}},
		"many salts":    {Threads: []int{1, 2}, SaltLengths: []int{0, 1, 32, 48, 1000, 1 << 20}},
		"many and long": {Threads: []int{1, 128}, SaltLengths: []int{32, 64}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Report{Settings: Settings{Threads: o.Threads, SaltLengths: o.SaltLengths}}
			names := []string{"textbook"}
			for i := range map[bool]int{true: 40, false: 1}[strings.Contains(name, "long")] {
				names = append(names, long("strategy-"+strconv.Itoa(i)))
			}
			for _, s := range names {
				for _, salt := range o.SaltLengths {
					for _, threads := range o.Threads {
						row := Row{Strategy: s, Backend: s, SaltLength: salt, Threads: threads, Status: NotMeasured}
						for i := range uint64(7) {
							row.Samples = append(row.Samples, Sample{Hashes: uint64(threads) * 100_000 * (7 + i), Seconds: 0.01})
						}
						row.fill(row.Samples)
						r.Rows = append(r.Rows, row)
					}
				}
			}
			r.Settings.Strategies = names
			if len(o.Threads) > 1 {
				r.Scaling = &Scaling{Strategy: names[1], SaltLength: 32}
				for _, n := range o.Threads {
					r.Scaling.Points = append(r.Scaling.Points, ScalingPoint{Threads: n, Samples: r.row(names[1], 32, n).Samples})
				}
				r.Scaling.fill()
			}
			r.Comparison = Compare(r, r)
			drawn := 0
			for _, c := range r.charts() {
				for width, svg := range map[float64]vector{720: c.Wide, 360: c.Narrow} {
					bars := regexp.MustCompile(`<rect class="[a-z0-9]+" x="([0-9.]+)"`).FindStringSubmatch(string(svg))
					require.NotNil(t, bars, c.ID)
					left, err := strconv.ParseFloat(bars[1], 64)
					require.NoError(t, err)
					for _, text := range regexp.MustCompile(`<text text-anchor="(start|end)" x="([0-9.-]+)" y="[0-9.]+">(.*?)</text>`).FindAllStringSubmatch(string(svg), -1) {
						x, err := strconv.ParseFloat(text[2], 64)
						require.NoError(t, err)
						if text[1] == "end" {
							require.GreaterOrEqual(t, x-room(text[3]), 0.0, "%s: %s", c.ID, text[3])
							require.Less(t, x, left, "%s: %s", c.ID, text[3])
						} else {
							require.LessOrEqual(t, x+room(text[3]), width, "%s: %s", c.ID, text[3])
						}
						drawn++
					}
				}
			}
			require.Greater(t, drawn, 4)
		})
	}
}

func TestElided(t *testing.T) {
	for _, test := range []struct {
		s     string
		width float64
		want  string
	}{
		{"mixed512", 60, "mixed512"}, {"mixed512", 59, "mix…512"}, {"µ-edition", 30, "µ-…n"}, {"ab", 0, "…"}, {"ab", -9, "…"}, {"", 0, ""},
	} {
		require.Equal(t, test.want, elided(test.s, test.width))
	}
}

func TestFormatP(t *testing.T) {
	for p, want := range map[float64]string{0: "<0.001", 4e-4: "<0.001", 0.00058: "0.001", 0.05: "0.050", 1: "1.000"} {
		require.Equal(t, want, formatP(p))
	}
}
