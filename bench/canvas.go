package bench

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The plotting library knows fixed colours only. What is to follow the reader's
// colour scheme gets one of these, which themed turns into a class for the style
// sheet: "ink2" and so on.
const themedColors = 0xC0

// ink returns the colour with the given class number.
func ink(class int) color.Color { return color.RGBA{themedColors, 0, uint8(class), 0xFF} }

// Classes of colours. Those of series come first.
const (
	maxSeries    = 6
	inkText      = 10
	inkAxis      = 11
	inkGrid      = 12
	inkReference = 13 // what the data is compared with
	inkDeadline  = 14
)

// A canvas is what a chart is drawn on: there is one for wide screens and one for
// phones.
type canvas struct {
	*plot.Plot
	width, height vg.Length
	narrow        bool
}

func newCanvas(narrow bool) *canvas {
	c := &canvas{Plot: plot.New(), width: 720, height: 340, narrow: narrow}
	if narrow {
		c.width, c.height = 360, 320
	}
	c.BackgroundColor = nil // the page's
	for _, axis := range []*plot.Axis{&c.X, &c.Y} {
		axis.LineStyle = draw.LineStyle{Color: ink(inkAxis), Width: 0.75}
		axis.Tick.LineStyle = axis.LineStyle
		axis.Tick.Length = 4
		axis.Padding = 0
		setFont(&axis.Label.TextStyle, 11.5)
		setFont(&axis.Tick.Label, 11.5)
		axis.Label.Padding = 4
	}
	return c
}

func setFont(s *text.Style, size vg.Length) {
	s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	s.Color = ink(inkText)
}

// textStyle returns the style of text in the chart.
func textStyle(x text.XAlignment, y text.YAlignment) text.Style {
	s := text.Style{XAlign: x, YAlign: y, Handler: plot.DefaultTextHandler}
	setFont(&s, 11.5)
	return s
}

// svg draws the chart. The title and the description are for screen readers.
func (c *canvas) svg(id, title, description string) (template.HTML, error) {
	drawing := vgsvg.New(c.width, c.height)
	c.Draw(draw.New(drawing))
	var out bytes.Buffer
	if _, err := drawing.WriteTo(&out); err != nil {
		return "", err
	}
	_, body, ok := strings.Cut(out.String(), "<svg")
	if !ok {
		return "", fmt.Errorf("bench: the plotting library has made no SVG")
	}
	_, body, _ = strings.Cut(body, ">")
	class := "wide"
	if c.narrow {
		class = "narrow"
		id += "-narrow"
	}
	head := fmt.Sprintf(`<svg class="%[1]s" viewBox="0 0 %[2]g %[3]g" role="img" aria-labelledby="%[4]s-title %[4]s-desc">`+
		"\n<title id=\"%[4]s-title\">%[5]s</title>\n<desc id=\"%[4]s-desc\">%[6]s</desc>\n",
		class, float64(c.width), float64(c.height), id, html.EscapeString(title), html.EscapeString(description))
	return template.HTML(head + themed(body)), nil
}

var (
	styleAttribute = regexp.MustCompile(`\s+style="([^"]*)"`)
	themedColor    = regexp.MustCompile(fmt.Sprintf(`^#%02X00([0-9A-F]{2})$`, themedColors))
)

// themed replaces the styles of SVG elements by attributes and classes, so that
// the page's style sheet has its say, and needs no inline styles.
func themed(svg string) string {
	return styleAttribute.ReplaceAllStringFunc(svg, func(attribute string) string {
		var attributes, classes []string
		for declaration := range strings.SplitSeq(styleAttribute.FindStringSubmatch(attribute)[1], ";") {
			name, value, ok := strings.Cut(declaration, ":")
			if !ok {
				continue
			}
			if m := themedColor.FindStringSubmatch(value); m != nil {
				var class int
				fmt.Sscanf(m[1], "%X", &class)
				classes = append(classes, fmt.Sprintf("%s%d", name, class))
				continue
			}
			switch name {
			case "font-family", "font-variant", "font-weight", "font-style":
				// the page's
			default:
				attributes = append(attributes, fmt.Sprintf(`%s="%s"`, name, value))
			}
		}
		if classes != nil {
			attributes = append(attributes, fmt.Sprintf(`class="%s"`, strings.Join(classes, " ")))
		}
		return " " + strings.Join(attributes, " ")
	})
}
