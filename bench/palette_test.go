package bench

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A linearRGB is a colour in linear light: red, green, blue, each 0 to 1.
type linearRGB [3]float64

// parseColor parses "#rrggbb" in sRGB (IEC 61966-2-1).
func parseColor(t *testing.T, hex string) (c linearRGB) {
	t.Helper()
	var v [3]uint8
	_, err := fmt.Sscanf(hex, "#%02x%02x%02x", &v[0], &v[1], &v[2])
	require.NoError(t, err, hex)
	for i := range c {
		x := float64(v[i]) / 255
		if c[i] = x / 12.92; x > 0.04045 {
			c[i] = math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	return c
}

// luminance is the relative luminance of WCAG 2.
func (c linearRGB) luminance() float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

// contrast is the contrast ratio of WCAG 2, 1 to 21.
func contrast(a, b linearRGB) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// lab converts to CIE L*a*b* with the white point D65.
func (c linearRGB) lab() (lab [3]float64) {
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	x := f((0.4124564*c[0] + 0.3575761*c[1] + 0.1804375*c[2]) / 0.95047)
	y := f(c.luminance())
	z := f((0.0193339*c[0] + 0.1191920*c[1] + 0.9503041*c[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// difference76 is the CIE 1976 colour difference; about 2 is just noticeable.
func difference76(a, b linearRGB) float64 {
	x, y := a.lab(), b.lab()
	return math.Hypot(math.Hypot(x[0]-y[0], x[1]-y[1]), x[2]-y[2])
}

// Kinds of colour vision, as matrices for linear light: Machado, Oliveira and
// Fernandes 2009, severity 1.
var visions = map[string][3][3]float64{
	"normal":       {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
}

func (c linearRGB) seenWith(m [3][3]float64) (seen linearRGB) {
	for i := range seen {
		seen[i] = min(max(m[i][0]*c[0]+m[i][1]*c[1]+m[i][2]*c[2], 0), 1)
	}
	return seen
}

// In the light and the dark scheme, chart colours stand out from the page, and from each
// other for people with any common kind of colour vision.
func TestPalette(t *testing.T) {
	light, dark, ok := strings.Cut(style, "prefers-color-scheme: dark")
	require.True(t, ok)
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]linearRGB{}
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(css, -1) {
			if _, ok := colors[m[1]]; !ok { // later definitions are for print
				colors[m[1]] = parseColor(t, m[2])
			}
		}
		var names []string
		for i := range maxSeries {
			names = append(names, fmt.Sprint("c", i))
		}
		for _, name := range append([]string{"reference", "deadline", "text", "soft"}, names...) {
			require.Contains(t, colors, name)
			least := 3.0 // WCAG 2.2, 1.4.11, for graphics
			if name == "text" || name == "soft" {
				least = 4.5 // 1.4.3, for text
			}
			for _, background := range []string{"page", "card"} {
				require.GreaterOrEqual(t, contrast(colors[name], colors[background]), least, "%s: %s on %s", scheme, name, background)
			}
		}
		for vision, m := range visions {
			for i, a := range names {
				for _, b := range names[:i] {
					require.Greater(t, difference76(colors[a].seenWith(m), colors[b].seenWith(m)), 25.0, "%s, %s: %s and %s", scheme, vision, a, b)
				}
			}
		}
	}
	require.InDelta(t, 21, contrast(linearRGB{}, linearRGB{1, 1, 1}), 1e-9)
	require.InDelta(t, 100, difference76(linearRGB{}, linearRGB{1, 1, 1}), 0.01)
	red, green := parseColor(t, "#c0392b"), parseColor(t, "#7a6a1f")
	require.Less(t, difference76(red.seenWith(visions["deuteranopia"]), green.seenWith(visions["deuteranopia"])), 25.0,
		"colours that deuteranopes confuse are found")
}
