package bench

import (
	"math"
	"strconv"
)

// A bars is a chart of horizontal bars in groups, one bar for each rate, with its value.
type bars struct {
	title     string // above the labels of the groups
	groups    []barGroup
	reference float64 // a rate to compare with, in hashes per second; 0 for none
}

// A barGroup is a label with its bars.
type barGroup struct {
	label string
	bars  []bar
	ideal float64 // a rate to mark beside the bars, in hashes per second; 0 for none
}

// A bar shows a rate in hashes per second, with its confidence interval as a whisker.
type bar struct {
	class string
	rate  Estimate
	note  string // after the value
}

// label returns the value and the note, which is shortened to fit the width.
func (b *bar) label(width float64) string {
	value := megahashes(b.rate.Median)
	if b.note == "" {
		return value
	}
	return value + " " + elided(b.note, width-room(value+" "))
}

const (
	barHeight = 14
	groupGap  = 9
	textGap   = 6 // between a text and what it belongs to
	axisRoom  = 40
)

// draw draws the bars. Labels end where the bars begin, and values begin where the whiskers
// end, so neither can overlap a bar in any font. Long names are shortened.
func (b *bars) draw(d *drawing) {
	most := 0.4 * d.width // of a label, or of a value with its note
	labels, values := []string{}, []string{}
	highest, top, height := b.reference, 8.0, 0.0
	for _, g := range b.groups {
		labels = append(labels, elided(g.label, most))
		highest = max(highest, g.ideal)
		height += float64(len(g.bars))*barHeight + groupGap
		for _, bar := range g.bars {
			values = append(values, bar.label(most))
			highest = max(highest, bar.rate.Median, bar.rate.High)
		}
	}
	if b.title != "" {
		top += 18
		d.text(anchorStart, 0, 14, b.title)
	}
	left := room(labels...) + textGap
	right := d.width - textGap - room(values...)
	bottom := top + height
	d.height = bottom + axisRoom
	x := func(rate float64) float64 { return left + (right-left)*rate/highest }
	for _, t := range roundTicks(highest/1e6, int((right-left)/45)) {
		d.line("grid", x(t*1e6), top, x(t*1e6), bottom)
		d.text(anchorMiddle, x(t*1e6), bottom+16, formatTick(t))
	}
	d.text(anchorMiddle, (left+right)/2, bottom+34, "MH/s")
	if b.reference > 0 {
		d.line("reference", x(b.reference), top, x(b.reference), bottom)
	}
	y := top + groupGap/2.0
	for i, g := range b.groups {
		d.text(anchorEnd, left-textGap, y+float64(len(g.bars))*barHeight/2+4, labels[i])
		if g.ideal > 0 {
			d.line("ideal", x(g.ideal), y-2, x(g.ideal), y+float64(len(g.bars))*barHeight)
		}
		for _, bar := range g.bars {
			e := bar.rate
			d.rect(bar.class, left, y, max(x(e.Median)-left, 1), barHeight-2)
			end := max(x(e.Median), x(g.ideal))
			if e.known() {
				end = max(end, x(e.High))
				middle := y + barHeight/2 - 1
				d.line("halo", x(e.Low), middle, x(e.High), middle) // sets the whisker off from a dark bar
				d.line("whisker", x(e.Low), middle, x(e.High), middle)
			}
			d.text(anchorStart, end+textGap, y+barHeight-4, bar.label(most))
			y += barHeight
		}
		y += groupGap
	}
	d.line("axis", left, top, left, bottom)
}

// A plot is a drawing with two axes.
type plot struct {
	*drawing
	left, right, top, bottom float64 // of the area between the axes
	xs, ys                   span
}

// A span is the range of values on an axis.
type span struct {
	low, high   float64
	logarithmic bool
}

// part returns the position of a value on the axis, from 0 to 1.
func (s span) part(v float64) float64 {
	if s.logarithmic {
		return math.Log(v/s.low) / math.Log(s.high/s.low)
	}
	return (v - s.low) / (s.high - s.low)
}

func newPlot(d *drawing, xs, ys span) *plot {
	p := &plot{drawing: d, left: 56, right: d.width - 14, top: 26, bottom: d.height - axisRoom, xs: xs, ys: ys}
	p.line("axis", p.left, p.bottom, p.right, p.bottom)
	return p
}

func (p *plot) x(v float64) float64 { return p.left + (p.right-p.left)*p.xs.part(v) }
func (p *plot) y(v float64) float64 { return p.bottom - (p.bottom-p.top)*p.ys.part(v) }

// labels names the axes.
func (p *plot) labels(x, y string) {
	p.text(anchorMiddle, (p.left+p.right)/2, p.height-4, x)
	p.text(anchorStart, 0, 14, y)
}

func (p *plot) xTick(v float64, label string) {
	p.line("axis", p.x(v), p.bottom, p.x(v), p.bottom+4)
	p.text(anchorMiddle, p.x(v), p.bottom+18, label)
}

func (p *plot) yTick(v float64, label string) {
	p.line("grid", p.left, p.y(v), p.right, p.y(v))
	p.text(anchorEnd, p.left-textGap, p.y(v)+4, label)
}

// roundTicks returns evenly spaced round numbers from 0 to high: as many as possible up to
// most, but at least two.
func roundTicks(high float64, most int) (ticks []float64) {
	step := math.Pow(10, math.Floor(math.Log10(high)))
	for _, m := range []float64{5, 2, 1, 0.5, 0.2} {
		if n := int(high / (m * step)); n < max(most, 2) {
			ticks = ticks[:0]
			for i := range n + 1 {
				ticks = append(ticks, float64(i)*m*step)
			}
		}
	}
	return ticks
}

func formatTick(v float64) string {
	if v >= 1e6 {
		return grouped(v)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// timeTicks returns powers of ten, in seconds, between two times: all of them, or every
// second one, or fewer, depending on the room.
func timeTicks(low, high float64, narrow bool) (ticks []float64) {
	from, to := int(math.Ceil(math.Log10(low))), int(math.Floor(math.Log10(high)))
	most := 8
	if narrow {
		most = 5
	}
	every := (to-from)/most + 1
	for e := from; e <= to; e += every {
		ticks = append(ticks, math.Pow(10, float64(e)))
	}
	return ticks
}

// tickSeconds formats a power of ten, in seconds.
func tickSeconds(s float64) string {
	switch {
	case s < 0.9e-6:
		return formatTick(s*1e9) + " ns"
	case s < 0.9e-3:
		return formatTick(s*1e6) + " µs"
	case s < 0.9:
		return formatTick(s*1e3) + " ms"
	}
	return formatTick(s) + " s"
}
