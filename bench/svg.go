package bench

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// A drawing builds an SVG. Its unit is a CSS pixel at full size, and its origin is at the
// top left. Colours and line styles come from classes in the page's style sheet, so a chart
// follows the reader's colour scheme without inline styles.
type drawing struct {
	width, height float64
	narrow        bool // for phones
	body          strings.Builder
}

func newDrawing(narrow bool) *drawing {
	d := &drawing{width: 720, height: 340, narrow: narrow}
	if narrow {
		d.width, d.height = 360, 320
	}
	return d
}

func (d *drawing) rect(class string, x, y, width, height float64) {
	fmt.Fprintf(&d.body, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`+"\n", class, px(x), px(y), px(width), px(height))
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	d.path(class, []point{{x1, y1}, {x2, y2}})
}

// A point is a place in a drawing.
type point struct{ x, y float64 }

// path draws a line through all points.
func (d *drawing) path(class string, points []point) {
	fmt.Fprintf(&d.body, `<path class="%s" d="`, class)
	for i, p := range points {
		command := 'L'
		if i == 0 {
			command = 'M'
		}
		fmt.Fprintf(&d.body, "%c%s %s", command, px(p.x), px(p.y))
	}
	d.body.WriteString("\"/>\n")
}

// An anchor says whether a text starts, is centered or ends at its x. The browser places the
// text, since only the browser knows how wide it is in the reader's font.
type anchor string

const (
	anchorStart  anchor = "start"
	anchorMiddle anchor = "middle"
	anchorEnd    anchor = "end"
)

// text draws a line of text with its baseline at y.
func (d *drawing) text(a anchor, x, y float64, s string) {
	fmt.Fprintf(&d.body, `<text text-anchor="%s" x="%s" y="%s">%s</text>`+"\n", a, px(x), px(y), html.EscapeString(s))
}

// wideLetter is the width to reserve for each letter of a text: more than the average
// letter takes in a wide font such as Verdana.
const wideLetter = 7.5

// room returns the width to reserve for the longest of the texts.
func room(texts ...string) float64 {
	longest := 0
	for _, s := range texts {
		longest = max(longest, utf8.RuneCountInString(s))
	}
	return wideLetter * float64(longest)
}

// elided shortens a text to a width that room would reserve. It leaves out the middle, since names
// often differ at one end.
func elided(s string, width float64) string {
	letters, most := []rune(s), max(int(width/wideLetter), 0)
	if len(letters) <= most {
		return s
	}
	head, tail := most/2, max(most-most/2-1, 0)
	return string(letters[:head]) + "…" + string(letters[len(letters)-tail:])
}

// A vector is an SVG element.
type vector string

// svg returns the element. The title and the description are for screen readers.
func (d *drawing) svg(id, title, description string) vector {
	class := "wide"
	if d.narrow {
		class = "narrow"
		id += "-narrow"
	}
	return vector(fmt.Sprintf(`<svg class="chart %[1]s" viewBox="0 0 %[2]s %[3]s" role="img" aria-labelledby="%[4]s-title %[4]s-desc">
<title id="%[4]s-title">%[5]s</title>
<desc id="%[4]s-desc">%[6]s</desc>
%[7]s</svg>`, class, px(d.width), px(d.height), id, html.EscapeString(title), html.EscapeString(description), d.body.String()))
}

// px formats a length with at most one decimal.
func px(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}
