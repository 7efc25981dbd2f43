package bench

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io"
	"strings"
)

//go:embed report.css
var style string

// WriteHTML writes the report as one self-contained page without scripts. The page follows
// the reader's colour scheme and fits a phone.
func (r *Report) WriteHTML(w io.Writer) error {
	charts := r.charts()
	m := &markup{}
	m.add(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>gkpow bench: %s</title>
<style>%s</style>
</head>
<body>
`, policy(), r.Machine.CPU, literal(style))
	r.addHeader(m)
	m.add("<main>")
	r.addWarnings(m)
	for _, c := range charts {
		c.addTo(m)
	}
	for _, t := range r.uncharted(charts) {
		m.add("\n<section>\n<h2>%s</h2>\n", t.title)
		t.addTo(m)
		m.add("\n</section>")
	}
	m.add(`
</main>
<footer>
<p>%s.</p>
<p>Rates are medians; whiskers and ± are 95 %% confidence intervals, which assume nothing about the distribution. MH/s is 10<sup>6</sup> hashes a second. <code>%s</code></p>
</footer>
</body>
</html>
`, r.answers(), strings.TrimSpace("gkpow bench "+strings.Join(r.Settings.Arguments, " ")))
	_, err := io.WriteString(w, m.String())
	return err
}

// policy returns a content security policy that allows the page's own style and nothing
// else, so that no text in a report can make the page load or run anything.
func policy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// addHeader adds the verdict, the summary, and the machine and versions.
func (r *Report) addHeader(m *markup) {
	class := "fail"
	if r.Verdict == "OK" {
		class = "pass"
	}
	m.add("<header>\n<h1>gkpow bench <span class=\"verdict %s\">%s</span></h1>\n", class, r.Verdict)
	m.add("<p class=\"summary\">%s</p>\n<ul class=\"machine\">", r.Summary)
	for _, line := range r.header() {
		m.add("\n<li>%s</li>", line)
	}
	m.add("\n</ul>\n</header>\n")
}

func (r *Report) addWarnings(m *markup) {
	if len(r.Warnings) == 0 {
		return
	}
	m.add("\n<section class=\"warnings\" aria-labelledby=\"warnings\">\n<h2 id=\"warnings\">Warnings</h2>\n<ul>")
	for _, w := range r.Warnings {
		m.add("\n<li><strong>%s</strong>: %s. <span class=\"hint\">Hint: %s.</span></li>", w.Name, w.Message, w.Hint)
	}
	m.add("\n</ul>\n</section>")
}

// addTo adds the chart as a figure, with its data in a table that the reader can unfold.
func (c chart) addTo(m *markup) {
	m.add("\n<figure>\n<figcaption>\n<h2 id=\"%s\">%s</h2>\n<ul class=\"legend\" aria-hidden=\"true\">", c.ID, c.Title)
	for _, entry := range c.Legend {
		m.add("\n<li><svg class=\"swatch\" viewBox=\"0 0 20 10\" focusable=\"false\">")
		if entry.Shape == "bar" {
			m.add(`<rect class="%s" width="20" height="10" rx="2"/>`, entry.Class)
		} else {
			m.add(`<path class="curve %s" d="M0 5H20"/>`, entry.Class)
		}
		m.add("</svg>%s</li>", entry.Name)
	}
	m.add("\n</ul>\n</figcaption>\n%s\n%s\n<p class=\"description\">%s</p>\n", c.Wide, c.Narrow, c.Description)
	m.add("<details>\n<summary>Figures: %s</summary>\n", c.Data.title)
	c.Data.addTo(m)
	m.add("\n</details>\n</figure>")
}

// uncharted returns the tables whose data no chart shows.
func (r *Report) uncharted(charts []chart) (list []table) {
	shown := map[string]bool{}
	for _, c := range charts {
		shown[c.Data.title] = true
	}
	for _, t := range r.tables() {
		if !shown[t.title] {
			list = append(list, t)
		}
	}
	return list
}

// addTo adds the table. The last cell of a short row spans the remaining columns.
func (t table) addTo(m *markup) {
	m.add("\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n<table>\n<thead><tr>", t.title)
	for _, name := range t.head {
		m.add(`<th scope="col">%s</th>`, name)
	}
	m.add("</tr></thead>\n<tbody>")
	for _, cells := range t.rows {
		m.add("\n<tr>")
		rest := len(t.head) - len(cells) + 1
		for i, cell := range cells {
			failed := strings.HasPrefix(cell, string(Failed))
			switch {
			case i == 0:
				m.add(`<th scope="row">%s</th>`, cell)
			case i == len(cells)-1 && rest > 1 && failed:
				m.add(`<td class="words fail" colspan="%s">%s</td>`, rest, cell)
			case i == len(cells)-1 && rest > 1:
				m.add(`<td class="words" colspan="%s">%s</td>`, rest, cell)
			case failed:
				m.add(`<td class="fail">%s</td>`, cell)
			default:
				m.add(`<td>%s</td>`, cell)
			}
		}
		m.add("</tr>")
	}
	m.add("\n</tbody>\n</table>\n</div>\n")
	for note := range strings.FieldsFuncSeq(t.note, func(c rune) bool { return c == '\n' }) {
		m.add("<p class=\"note\">%s</p>\n", note)
	}
}
