package bench

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A chart is a drawing, in words too, and with its data.
type chart struct {
	ID          string
	Title       string
	Description string // what is to be seen
	Legend      []legendEntry
	Wide        template.HTML
	Narrow      template.HTML // for phones
	Data        table
}

// A legendEntry names what has a colour.
type legendEntry struct {
	Class int // of ink
	Name  string
	Shape string // class of the swatch: "bar", "line", "dashes"
}

// charts draws the charts of a report: those that there is data for.
func (r *Report) charts() (list []chart, err error) {
	for _, c := range []func() (chart, func(*canvas) error){r.ratesChart, r.saltsChart, r.scalingChart, r.solveChart} {
		chart, draw := c()
		if draw == nil {
			continue
		}
		for _, narrow := range []bool{false, true} {
			canvas := newCanvas(narrow)
			if err := draw(canvas); err != nil {
				return nil, fmt.Errorf("bench: chart %s: %w", chart.ID, err)
			}
			svg, err := canvas.svg(chart.ID, chart.Title, chart.Description)
			if err != nil {
				return nil, err
			}
			if narrow {
				chart.Narrow = svg
			} else {
				chart.Wide = svg
			}
		}
		list = append(list, chart)
	}
	return list, nil
}

// ratesChart shows the rate of every strategy with one thread and with all, for
// one salt length.
func (r *Report) ratesChart() (chart, func(*canvas) error) {
	salt := r.Settings.mainSalt()
	threads := r.Settings.Threads
	if len(threads) > 2 {
		threads = []int{threads[0], threads[len(threads)-1]}
	}
	var names []string
	for _, name := range r.Settings.Strategies {
		for _, n := range threads {
			if row := r.row(name, salt, n); row != nil && row.Status == Measured {
				names = append(names, name)
				break
			}
		}
	}
	if len(names) == 0 {
		return chart{}, nil
	}
	most := threads[len(threads)-1]
	rate := func(name string, threads int) (e Estimate) {
		if row := r.row(name, salt, threads); row != nil && row.Status == Measured {
			e = *row.Rate
		}
		return e
	}
	slices.SortStableFunc(names, func(a, b string) int {
		x, y := rate(a, most).Median, rate(b, most).Median
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	best := names[len(names)-1]
	c := chart{
		ID:    "rates",
		Title: "Throughput by kernel and strategy",
		Description: fmt.Sprintf("Bars of the median rate in million hashes a second for a salt of %s, the fastest at the top. %s is the fastest with %s MH/s on %s, %s the slowest with %s.",
			plural(salt, "character", "characters"), best, megahashes(rate(best, most).Median), plural(most, "thread", "threads"),
			names[0], megahashes(rate(names[0], most).Median)),
		Data: r.throughput(salt, most),
	}
	for i := range threads {
		n := threads[len(threads)-1-i]
		c.Legend = append(c.Legend, legendEntry{i, plural(n, "thread", "threads"), "bar"})
	}
	return c, func(p *canvas) error {
		height := vg.Length(11)
		p.height = vg.Length(len(names))*(vg.Length(len(threads))*height+9) + 50
		p.NominalY(names...)
		p.X.Label.Text, p.X.Tick.Marker = "MH/s", rateTicks{}
		p.Y.LineStyle.Width, p.Y.Tick.Length = 0, 0
		p.Add(grid(true))
		highest := 0.0
		for i := range threads {
			n := threads[len(threads)-1-i]
			values := make(plotter.Values, len(names))
			labels := plotter.XYLabels{}
			for j, name := range names {
				e := rate(name, n)
				values[j] = e.Median / 1e6
				highest = max(highest, values[j])
				labels.XYs = append(labels.XYs, plotter.XY{X: values[j], Y: float64(j)})
				labels.Labels = append(labels.Labels, megahashes(e.Median))
			}
			offset := (vg.Length(len(threads)-1)/2 - vg.Length(i)) * height
			if err := addBars(p, values, height, offset, i, true); err != nil {
				return err
			}
			texts, err := plotter.NewLabels(labels)
			if err != nil {
				return err
			}
			for j := range texts.TextStyle {
				texts.TextStyle[j] = textStyle(0, -0.4)
			}
			texts.Offset = vg.Point{X: 5, Y: offset}
			p.Add(texts)
		}
		p.X.Min, p.X.Max = 0, highest*1.12
		if p.narrow {
			p.X.Max = highest * 1.25
		}
		return nil
	}
}

// addBars adds the bars of a series.
func addBars(p *canvas, values plotter.Values, width, offset vg.Length, series int, horizontal bool) error {
	bars, err := plotter.NewBarChart(values, width-1)
	if err != nil {
		return err
	}
	bars.Horizontal, bars.Offset = horizontal, offset
	bars.Color, bars.LineStyle.Width = ink(series), 0
	p.Add(bars)
	return nil
}

// grid returns lines across the bars or points.
func grid(vertical bool) *plotter.Grid {
	g := plotter.NewGrid()
	g.Vertical = draw.LineStyle{}
	g.Horizontal = draw.LineStyle{Color: ink(inkGrid), Width: 0.75}
	if vertical {
		g.Vertical, g.Horizontal = g.Horizontal, g.Vertical
	}
	return g
}

// saltsChart shows the rate on one thread by the length of the salt: of the
// engine's kernels and of the fastest of the others, if there is room.
func (r *Report) saltsChart() (chart, func(*canvas) error) {
	lengths, threads := r.Settings.SaltLengths, r.Settings.Threads[0]
	if len(lengths) < 2 {
		return chart{}, nil
	}
	series := r.saltSeries(threads)
	if len(series) == 0 {
		return chart{}, nil
	}
	c := chart{
		ID:    "salts",
		Title: fmt.Sprintf("Throughput by length of the salt, %s", plural(threads, "thread", "threads")),
		Data:  r.bySalt(threads),
	}
	var words []string
	for i, name := range series {
		c.Legend = append(c.Legend, legendEntry{i, name, "bar"})
		low, high := math.Inf(1), math.Inf(-1)
		for _, length := range lengths {
			if row := r.row(name, length, threads); row != nil && row.Status == Measured {
				low, high = min(low, row.Rate.Median), max(high, row.Rate.Median)
			}
		}
		words = append(words, fmt.Sprintf("%s %s to %s", name, megahashes(low), megahashes(high)))
	}
	c.Description = fmt.Sprintf("Bars of the median rate in million hashes a second for salts of %s characters: %s.",
		listOf(lengths), strings.Join(words, ", "))
	return c, func(p *canvas) error {
		var names []string
		for _, length := range lengths {
			names = append(names, strconv.Itoa(length))
		}
		p.NominalX(names...)
		p.X.Label.Text, p.Y.Label.Text = "characters of the salt", "MH/s"
		p.Y.Tick.Marker = rateTicks{}
		p.X.LineStyle.Width, p.X.Tick.Length, p.X.Tick.LineStyle.Width = 0.75, 4, 0
		p.Add(grid(false))
		room := (p.width - 60) / vg.Length(len(lengths))
		width := min(room*0.8/vg.Length(len(series)), 40)
		highest := 0.0
		for i, name := range series {
			values := make(plotter.Values, len(lengths))
			for j, length := range lengths {
				if row := r.row(name, length, threads); row != nil && row.Status == Measured {
					values[j] = row.Rate.Median / 1e6
				}
				highest = max(highest, values[j])
			}
			offset := (vg.Length(i) - vg.Length(len(series)-1)/2) * width
			if err := addBars(p, values, width, offset, i, false); err != nil {
				return err
			}
		}
		p.Y.Min, p.Y.Max = 0, highest*1.05
		p.X.Min, p.X.Max = -0.5, float64(len(lengths))-0.5
		return nil
	}
}

// saltSeries returns the strategies in the chart by salt length: the kernels, the
// fastest first, and then others while there is room.
func (r *Report) saltSeries(threads int) (names []string) {
	var rows []*Row
	for _, name := range r.Settings.Strategies {
		if row := r.row(name, r.Settings.mainSalt(), threads); row != nil && row.Status == Measured {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b *Row) int {
		if (a.Backend == "") != (b.Backend == "") {
			return strings.Compare(b.Backend, a.Backend)
		}
		return int(math.Copysign(1, b.Rate.Median-a.Rate.Median))
	})
	for _, row := range rows[:min(len(rows), maxSeries)] {
		names = append(names, row.Strategy)
	}
	return names
}

func listOf(numbers []int) string {
	var words []string
	for _, n := range numbers {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ", ")
}

// scalingChart shows the rate by the number of threads, beside what it would be if
// each did what the first one does.
func (r *Report) scalingChart() (chart, func(*canvas) error) {
	if r.Scaling == nil {
		return chart{}, nil
	}
	var points plotter.XYs
	var bounds plotter.YErrors
	for i := range r.Scaling.Points {
		p := &r.Scaling.Points[i]
		if p.Rate == nil {
			continue
		}
		points = append(points, plotter.XY{X: float64(p.Threads), Y: p.Rate.Median / 1e6})
		bound := struct{ Low, High float64 }{}
		if p.Rate.known() {
			bound.Low, bound.High = (p.Rate.Median-p.Rate.Low)/1e6, (p.Rate.High-p.Rate.Median)/1e6
		}
		bounds = append(bounds, bound)
	}
	if len(points) < 2 {
		return chart{}, nil
	}
	first, last := points[0], points[len(points)-1]
	c := chart{
		ID:    "scaling",
		Title: fmt.Sprintf("Scaling by threads: %s", r.Scaling.Strategy),
		Description: fmt.Sprintf("A line of the median rate by threads, with its confidence interval, under a dashed line of what it would be in proportion. From %s to %s the rate goes from %s to %s MH/s, %s times; the proportion would be %s times.",
			plural(int(first.X), "thread", "threads"), plural(int(last.X), "thread", "threads"), figure(first.Y), figure(last.Y),
			figure(last.Y/first.Y), figure(last.X/first.X)),
		Legend: []legendEntry{{0, "measured", "line"}, {inkReference, "in proportion to the threads", "dashes"}},
		Data:   r.Scaling.table(),
	}
	return c, func(p *canvas) error {
		p.X.Label.Text, p.Y.Label.Text = "threads", "MH/s"
		p.Y.Tick.Marker = rateTicks{}
		p.Add(grid(false))
		ideal, err := plotter.NewLine(plotter.XYs{first, {X: last.X, Y: first.Y * last.X / first.X}})
		if err != nil {
			return err
		}
		ideal.LineStyle = draw.LineStyle{Color: ink(inkReference), Width: 1.5, Dashes: []vg.Length{5, 4}}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.LineStyle = draw.LineStyle{Color: ink(0), Width: 2}
		dots.GlyphStyle = draw.GlyphStyle{Color: ink(0), Radius: 4, Shape: draw.CircleGlyph{}}
		bars, err := plotter.NewYErrorBars(struct {
			plotter.XYs
			plotter.YErrors
		}{points, bounds})
		if err != nil {
			return err
		}
		bars.LineStyle = draw.LineStyle{Color: ink(0), Width: 1.25}
		bars.CapWidth = 9
		p.Add(ideal, line, bars, dots)
		var ticks []plot.Tick
		for _, point := range points {
			ticks = append(ticks, plot.Tick{Value: point.X, Label: strconv.Itoa(int(point.X))})
		}
		p.X.Tick.Marker = plot.ConstantTicks(ticks)
		p.Y.Min = 0
		p.Y.Max = max(ideal.XYs[1].Y, last.Y) * 1.08
		margin := (last.X - first.X) * 0.06
		p.X.Min, p.X.Max = first.X-margin, last.X+margin
		return nil
	}
}

// solveChart shows the distribution of the time to solution beside the deadline.
func (r *Report) solveChart() (chart, func(*canvas) error) {
	s := r.Solve
	if s == nil || len(s.Curve) < 2 {
		return chart{}, nil
	}
	c := chart{
		ID:    "solve",
		Title: fmt.Sprintf("Time to solution at difficulty %d: %s, %s", s.Difficulty, s.Strategy, plural(s.Threads, "thread", "threads")),
		Description: fmt.Sprintf("The chance of a solution within a time, on a logarithmic scale. Half of all searches take less than %s, 99 of 100 less than %s, and a challenge lives %s: the chance of missing that is %s.",
			formatSeconds(s.Predicted.P50), formatSeconds(s.Predicted.P99), formatSeconds(s.Deadline), formatChance(s.Missed)),
		Legend: []legendEntry{{0, "predicted from the rate", "line"}},
		Data:   s.table(),
	}
	if len(s.Times) > 0 {
		c.Description += fmt.Sprintf(" Steps show %s that were solved.", plural(len(s.Times), "puzzle", "puzzles"))
		c.Legend = append(c.Legend, legendEntry{1, fmt.Sprintf("measured, %s", plural(len(s.Times), "puzzle", "puzzles")), "line"})
	}
	c.Legend = append(c.Legend, legendEntry{inkDeadline, fmt.Sprintf("a challenge lives %s", formatSeconds(s.Deadline)), "dashes"})
	return c, func(p *canvas) error {
		var curve plotter.XYs
		for _, point := range s.Curve {
			curve = append(curve, plotter.XY{X: point.Seconds, Y: 100 * point.Chance})
		}
		low, high := curve[0].X, max(curve[len(curve)-1].X, s.Deadline)
		sorted := slices.Sorted(slices.Values(s.Times))
		if len(sorted) > 0 {
			low, high = min(low, sorted[0]), max(high, sorted[len(sorted)-1])
		}
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, timeTicks{p.narrow}
		p.X.Min, p.X.Max = low/1.3, high*1.6
		p.Y.Min, p.Y.Max = 0, 104
		p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0 %"}, {Value: 25, Label: "25 %"}, {Value: 50, Label: "50 %"},
			{Value: 75, Label: "75 %"}, {Value: 100, Label: "100 %"}}
		p.X.Label.Text, p.Y.Label.Text = "time", "chance of a solution by then"
		p.Add(grid(false))
		curve = append(curve, plotter.XY{X: p.X.Max, Y: curve[len(curve)-1].Y})
		line, err := plotter.NewLine(curve)
		if err != nil {
			return err
		}
		line.LineStyle = draw.LineStyle{Color: ink(0), Width: 2.25}
		p.Add(line)
		if len(sorted) > 0 {
			steps := plotter.XYs{{X: p.X.Min, Y: 0}}
			for i, t := range sorted {
				steps = append(steps, plotter.XY{X: t, Y: 100 * float64(i) / float64(len(sorted))},
					plotter.XY{X: t, Y: 100 * float64(i+1) / float64(len(sorted))})
			}
			measured, err := plotter.NewLine(append(steps, plotter.XY{X: p.X.Max, Y: 100}))
			if err != nil {
				return err
			}
			measured.LineStyle = draw.LineStyle{Color: ink(1), Width: 1.5}
			p.Add(measured)
		}
		deadline, err := plotter.NewLine(plotter.XYs{{X: s.Deadline, Y: 0}, {X: s.Deadline, Y: p.Y.Max}})
		if err != nil {
			return err
		}
		deadline.LineStyle = draw.LineStyle{Color: ink(inkDeadline), Width: 1.75, Dashes: []vg.Length{6, 4}}
		p.Add(deadline)
		return nil
	}
}

// rateTicks marks round numbers.
type rateTicks struct{}

func (rateTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/2)))
	for _, m := range []float64{5, 2, 1, 0.5, 0.2} { // as many as there can be, up to seven
		if n := (high - low) / (m * step); n <= 7 || m == 5 {
			ticks = ticks[:0]
			for i := math.Ceil(low / (m * step)); i*m*step <= high; i++ {
				ticks = append(ticks, plot.Tick{Value: i * m * step, Label: strconv.FormatFloat(i*m*step, 'g', 6, 64)})
			}
		}
	}
	return ticks
}

// timeTicks marks times on a logarithmic axis: powers of ten and, where there is
// room, what lies between.
type timeTicks struct{ few bool }

func (t timeTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	from, to := int(math.Floor(math.Log10(low))), int(math.Ceil(math.Log10(high)))
	every := 1
	if most := 7; to-from > most || t.few && to-from > 5 {
		every = (to-from)/5 + 1
	}
	for e := from; e <= to; e++ {
		v := math.Pow(10, float64(e))
		label := ""
		if (e-from)%every == 0 {
			label = tickSeconds(v)
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: label})
		if every == 1 {
			for _, m := range []float64{2, 5} {
				ticks = append(ticks, plot.Tick{Value: m * v})
			}
		}
	}
	return slices.DeleteFunc(ticks, func(t plot.Tick) bool { return t.Value < low || t.Value > high })
}

// tickSeconds shows a power of ten seconds.
func tickSeconds(s float64) string {
	switch {
	case s < 0.9e-6:
		return strconv.FormatFloat(s*1e9, 'g', 3, 64) + " ns"
	case s < 0.9e-3:
		return strconv.FormatFloat(s*1e6, 'g', 3, 64) + " µs"
	case s < 0.9:
		return strconv.FormatFloat(s*1e3, 'g', 3, 64) + " ms"
	}
	return strconv.FormatFloat(s, 'g', 6, 64) + " s"
}
