package bench

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"
	"sync"
)

//go:embed report.html
var page string

//go:embed report.css
var style string

// WriteHTML writes the report as one page that needs nothing else: it loads and
// runs nothing, follows the reader's colour scheme, and fits a phone.
func (r *Report) WriteHTML(w io.Writer) error {
	var out bytes.Buffer
	if err := pageTemplate().Execute(&out, pageData{r, r.charts(), template.CSS(style)}); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

// pageData is what the page is made from.
type pageData struct {
	*Report
	Charts []chart
	Style  template.CSS
}

// Policy keeps the page from loading or running anything, whatever a report holds:
// its style is the only thing allowed.
func (p pageData) Policy() string {
	sum := sha256.Sum256([]byte(p.Style))
	return "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Header has the lines that say what was measured, where and with what.
func (p pageData) Header() []string { return p.header() }

// Answers says how the answers were checked.
func (p pageData) Answers() string { return p.answers() }

// Command is the command line.
func (p pageData) Command() string {
	return strings.TrimSpace("gkpow bench " + strings.Join(p.Settings.Arguments, " "))
}

// Tables are those that no chart shows.
func (p pageData) Tables() (list []table) {
	shown := map[string]bool{}
	for _, c := range p.Charts {
		shown[c.Data.title] = true
	}
	for _, t := range p.tables() {
		if !shown[t.title] {
			list = append(list, t)
		}
	}
	return list
}

// What the page shows of a table.

func (t table) Title() string { return t.title }
func (t table) Notes() []string {
	return strings.FieldsFunc(t.note, func(c rune) bool { return c == '\n' })
}
func (t table) Head() []string   { return t.head }
func (t table) Rows() [][]string { return t.rows }

// Rest is how many columns the last of so many cells takes.
func (t table) Rest(cells int) int { return len(t.head) - cells + 1 }

// pageTemplate parses the page when it is first called.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"failed": func(cell string) bool { return strings.HasPrefix(cell, string(Failed)) },
		"last":   func(i int, cells []string) bool { return i == len(cells)-1 },
	}).Parse(page))
})
