package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A chart is a drawing with a description in words and a table of its data.
type chart struct {
	ID          string
	Title       string
	Description string // what it shows, also for readers who cannot see it
	Legend      []legendEntry
	Wide        vector
	Narrow      vector // for phones
	Data        table

	draw func(*drawing)
}

// A legendEntry explains a colour.
type legendEntry struct {
	Class string // of the swatch
	Name  string
	Shape string // of the swatch: "bar" or "line"
}

// maxSeries is the number of data colours: the classes s0 to s5.
const maxSeries = 6

func series(i int) string { return "s" + strconv.Itoa(i) }

// charts draws every chart that has data.
func (r *Report) charts() (list []chart) {
	for _, c := range []*chart{r.ratesChart(), r.comparisonChart(), r.saltsChart(), r.scalingChart(), r.solveChart()} {
		if c == nil {
			continue
		}
		for _, narrow := range []bool{false, true} {
			d := newDrawing(narrow)
			c.draw(d)
			svg := d.svg(c.ID, c.Title, c.Description)
			if narrow {
				c.Narrow = svg
			} else {
				c.Wide = svg
			}
		}
		list = append(list, *c)
	}
	return list
}

// measured returns the rate of a row, or nil if it has none.
func (r *Report) measured(strategy string, saltLength, threads int) *Estimate {
	if row := r.row(strategy, saltLength, threads); row != nil && row.Status == Measured {
		return row.Rate
	}
	return nil
}

// sampleLoop is the strategy that works like the service's sample code.
const sampleLoop = "textbook"

// sampleRate returns the rate of the service's sample loop, which uses one thread, in
// hashes per second, and its legend entry. The rate is 0 if it was not measured.
func (r *Report) sampleRate() (rate float64, entry []legendEntry) {
	e := r.measured(sampleLoop, r.Settings.mainSalt(), 1)
	if e == nil {
		return 0, nil
	}
	name := fmt.Sprintf("the service's sample loop, 1 thread: %s MH/s", megahashes(e.Median))
	return e.Median, []legendEntry{{"reference", name, "line"}}
}

// ratesChart shows the rate of every strategy with the fewest and the most threads, for
// the main salt length, fastest first.
func (r *Report) ratesChart() *chart {
	salt := r.Settings.mainSalt()
	threads := r.Settings.Threads
	if len(threads) > 2 {
		threads = []int{threads[0], threads[len(threads)-1]}
	}
	most := threads[len(threads)-1]
	c := &chart{ID: "rates", Title: "Throughput by kernel and strategy", Data: r.throughput(salt, most)}
	b := bars{}
	for _, name := range r.byRate(salt, most) {
		group := barGroup{label: name}
		for i, n := range slices.Backward(threads) {
			if e := r.measured(name, salt, n); e != nil {
				group.bars = append(group.bars, bar{class: series(len(threads) - 1 - i), rate: *e})
			}
		}
		if group.bars != nil {
			b.groups = append(b.groups, group)
		}
	}
	if b.groups == nil {
		return nil
	}
	for i, n := range slices.Backward(threads) {
		c.Legend = append(c.Legend, legendEntry{series(len(threads) - 1 - i), plural(n, "thread", "threads"), "bar"})
	}
	var entry []legendEntry
	b.reference, entry = r.sampleRate()
	c.Legend = append(c.Legend, entry...)
	fastest, slowest := b.groups[0], b.groups[len(b.groups)-1]
	c.Description = fmt.Sprintf("Median rates in million hashes a second (MH/s) for a salt of %s. "+
		"The highest is that of %s, %s MH/s on %s, and the lowest that of %s, %s MH/s.",
		plural(salt, "character", "characters"), fastest.label, megahashes(fastest.bars[0].rate.Median),
		plural(most, "thread", "threads"), slowest.label, megahashes(slowest.bars[0].rate.Median))
	c.draw = b.draw
	return c
}

// comparisonChart compares this report's rates with the earlier report's, for the main salt
// length and the most threads.
func (r *Report) comparisonChart() *chart {
	if r.Comparison == nil {
		return nil
	}
	salt, threads := r.Settings.mainSalt(), slices.Max(r.Settings.Threads)
	c := &chart{
		ID:     "comparison",
		Title:  fmt.Sprintf("Before and now, %s", plural(threads, "thread", "threads")),
		Legend: []legendEntry{{"before", "before", "bar"}, {series(0), "now, with the ratio now ÷ before", "bar"}},
		Data:   r.Comparison.table(),
	}
	b := bars{}
	for _, row := range r.Comparison.Rows {
		if row.SaltLength != salt || row.Threads != threads {
			continue
		}
		note := fmt.Sprintf("×%.2f", row.Ratio.Ratio)
		if !row.Ratio.Significant {
			note += " ~"
		}
		b.groups = append(b.groups, barGroup{label: row.Strategy, bars: []bar{
			{class: "before", rate: row.Before}, {class: series(0), rate: row.After, note: note},
		}})
	}
	if b.groups == nil {
		return nil
	}
	slices.SortStableFunc(b.groups, func(x, y barGroup) int {
		return cmp.Compare(y.bars[1].rate.Median, x.bars[1].rate.Median)
	})
	c.Description = fmt.Sprintf("Median rates in million hashes a second (MH/s) for a salt of %s, "+
		"in the earlier report and in this one. A ratio marked ~ may be due to chance.", plural(salt, "character", "characters"))
	c.draw = b.draw
	return c
}

// saltsChart shows the rate by salt length, with the fewest threads.
func (r *Report) saltsChart() *chart {
	lengths, threads := r.Settings.SaltLengths, r.Settings.Threads[0]
	names := r.saltSeries(threads)
	if len(lengths) < 2 || len(names) == 0 {
		return nil
	}
	c := &chart{
		ID:    "salts",
		Title: fmt.Sprintf("Throughput by salt length, %s", plural(threads, "thread", "threads")),
		Data:  r.bySalt(threads),
	}
	b := bars{}
	var words []string
	for i, name := range names {
		c.Legend = append(c.Legend, legendEntry{series(i), name, "bar"})
		low, high := math.Inf(1), math.Inf(-1)
		for _, length := range lengths {
			if e := r.measured(name, length, threads); e != nil {
				low, high = min(low, e.Median), max(high, e.Median)
			}
		}
		words = append(words, fmt.Sprintf("%s %s to %s", name, megahashes(low), megahashes(high)))
	}
	for _, length := range lengths {
		group := barGroup{label: strconv.Itoa(length)}
		for i, name := range names {
			if e := r.measured(name, length, threads); e != nil {
				group.bars = append(group.bars, bar{class: series(i), rate: *e, note: name})
			}
		}
		b.groups = append(b.groups, group)
	}
	b.title = "characters of the salt"
	c.Description = fmt.Sprintf("Median rates in million hashes a second (MH/s) for salts of %s characters: %s.",
		listOf(lengths), strings.Join(words, ", "))
	if threads == 1 {
		var entry []legendEntry
		b.reference, entry = r.sampleRate()
		c.Legend = append(c.Legend, entry...)
	}
	c.draw = b.draw
	return c
}

// saltSeries returns the strategies that saltsChart shows: the engine's kernels, fastest
// first, and then other strategies until the colours run out.
func (r *Report) saltSeries(threads int) (names []string) {
	var rows []*Row
	for _, name := range r.byRate(r.Settings.mainSalt(), threads) {
		if row := r.row(name, r.Settings.mainSalt(), threads); row.Status == Measured {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b *Row) int {
		switch {
		case a.Backend != "" && b.Backend == "":
			return -1
		case a.Backend == "" && b.Backend != "":
			return 1
		}
		return 0
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

// scalingChart shows the rate by number of threads, beside perfect scaling, in which every
// thread is as fast as the first.
func (r *Report) scalingChart() *chart {
	if r.Scaling == nil {
		return nil
	}
	var points []ScalingPoint
	for _, p := range r.Scaling.Points {
		if p.Rate != nil {
			points = append(points, p)
		}
	}
	if len(points) < 2 {
		return nil
	}
	first, last := points[0], points[len(points)-1]
	times := float64(last.Threads) / float64(first.Threads)
	b := bars{title: "threads"}
	for _, p := range points {
		ideal := first.Rate.Median * float64(p.Threads) / float64(first.Threads)
		b.groups = append(b.groups, barGroup{
			strconv.Itoa(p.Threads), []bar{{class: series(0), rate: *p.Rate, note: "(" + percent(p.Efficiency) + ")"}}, ideal,
		})
	}
	var entry []legendEntry
	b.reference, entry = r.sampleRate()
	return &chart{
		ID:    "scaling",
		Title: fmt.Sprintf("Scaling by threads: %s", r.Scaling.Strategy),
		Description: fmt.Sprintf("The median rate in million hashes a second (MH/s) by number of threads, with the efficiency; dashed marks "+
			"are perfect scaling. From %s to %s the rate changes from %s to %s MH/s, by a factor of %s; perfect scaling would be a factor of %s.",
			plural(first.Threads, "thread", "threads"), plural(last.Threads, "thread", "threads"), megahashes(first.Rate.Median),
			megahashes(last.Rate.Median), figure(last.Rate.Median/first.Rate.Median), figure(times)),
		Legend: append([]legendEntry{{series(0), "measured", "bar"}, {"ideal", "perfect scaling", "line"}}, entry...),
		Data:   r.Scaling.table(),
		draw:   b.draw,
	}
}

// solveChart shows the distribution of the time to solution beside the deadline.
func (r *Report) solveChart() *chart {
	s := r.Solve
	if s == nil || len(s.Curve) < 2 {
		return nil
	}
	c := &chart{
		ID:    "solve",
		Title: fmt.Sprintf("Time to solution at difficulty %d: %s, %s", s.Difficulty, s.Strategy, plural(s.Threads, "thread", "threads")),
		Description: fmt.Sprintf("The predicted chance of a solution within a time, on a logarithmic scale. Half of all searches take less than %s, "+
			"99 of 100 less than %s. The chance of missing the %s deadline is %s.",
			formatSeconds(s.Predicted.P50), formatSeconds(s.Predicted.P99), formatSeconds(s.Deadline), formatChance(s.Missed)),
		Legend: []legendEntry{{series(0), "predicted from the rate", "line"}},
		Data:   s.table(),
	}
	tested, at := s.tested(), ""
	if tested != s {
		at = fmt.Sprintf(" at difficulty %d", tested.Difficulty)
		c.Legend = append(c.Legend, legendEntry{series(2), "predicted" + at, "line"})
	}
	if len(tested.Times) > 0 {
		puzzles := plural(len(tested.Times), "puzzle", "puzzles")
		c.Description += fmt.Sprintf(" Steps show %s that gkpow solved%s.", puzzles, at)
		c.Legend = append(c.Legend, legendEntry{series(1), "measured" + at + ", " + puzzles, "line"})
	}
	c.Legend = append(c.Legend, legendEntry{"deadline", fmt.Sprintf("a challenge expires after %s", formatSeconds(s.Deadline)), "line"})
	c.draw = func(d *drawing) {
		low, high := s.Curve[0].Seconds, max(s.Curve[len(s.Curve)-1].Seconds, s.Deadline)
		sorted := slices.Sorted(slices.Values(tested.Times))
		if len(tested.Curve) > 0 {
			low = min(low, tested.Curve[0].Seconds)
		}
		if len(sorted) > 0 {
			low, high = min(low, sorted[0]), max(high, sorted[len(sorted)-1])
		}
		p := newPlot(d, span{low / 1.3, high * 1.6, true}, span{0, 104, false})
		p.labels("time", "chance of a solution by then")
		for _, chance := range []float64{0, 25, 50, 75, 100} {
			p.yTick(chance, fmt.Sprintf("%.0f %%", chance))
		}
		for _, t := range timeTicks(low/1.3, high*1.6, d.narrow) {
			p.xTick(t, tickSeconds(t))
		}
		if len(sorted) > 0 {
			steps := []point{{p.left, p.y(0)}}
			for i, t := range sorted {
				steps = append(steps, point{p.x(t), p.y(100 * float64(i) / float64(len(sorted)))},
					point{p.x(t), p.y(100 * float64(i+1) / float64(len(sorted)))})
			}
			p.path("curve "+series(1), append(steps, point{p.right, p.y(100)}))
		}
		predicted := func(class string, chances []CurvePoint) {
			var curve []point
			for _, c := range chances {
				curve = append(curve, point{p.x(c.Seconds), p.y(100 * c.Chance)})
			}
			p.path(class, append(curve, point{p.right, curve[len(curve)-1].y}))
		}
		if tested != s && len(tested.Curve) > 0 {
			predicted("curve "+series(2), tested.Curve)
		}
		predicted("curve "+series(0), s.Curve)
		p.line("deadline", p.x(s.Deadline), p.top, p.x(s.Deadline), p.bottom)
	}
	return c
}
