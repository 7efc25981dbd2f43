package bench

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// TextOptions say how WriteText shows a report.
type TextOptions struct {
	Width int  // columns of the terminal; 0 means 80, and fewer than 40 are taken for 40
	ASCII bool // write ASCII only, for terminals without UTF-8
	Wide  bool // show all columns, in parts if they do not fit
}

// WriteText writes the report for a terminal, with a bar for each rate.
func (r *Report) WriteText(w io.Writer, o TextOptions) error {
	if o.Width == 0 {
		o.Width = 80
	}
	o.Width = max(o.Width, 40)
	buffer := bufio.NewWriter(w)
	out := &textWriter{buffer, o}
	out.paragraph(r.Summary)
	out.line("")
	for _, line := range r.header() {
		out.paragraph(line)
	}
	for _, t := range r.tables() {
		out.table(&t)
	}
	out.line("")
	out.paragraph(r.answers())
	for i, d := range r.Warnings {
		if i == 0 {
			out.line("")
		}
		out.paragraph(d.String())
	}
	return buffer.Flush()
}

// String returns the warning as one line, without a full stop.
func (w Warning) String() string {
	return fmt.Sprintf("warning: %s: %s; %s", w.Name, w.Message, w.Hint)
}

// A textWriter writes lines for a terminal.
type textWriter struct {
	w io.Writer
	TextOptions
}

// ascii replaces each other character by an ASCII one, so that columns stay aligned. The
// exception is ±, which becomes wider; it occurs only in headings.
var ascii = strings.NewReplacer("×", "x", "÷", "/", "±", "+/-", "µ", "u", "–", "-", "…", ".", "⁻", "-", "¹", "1", "²", "2")

func (t *textWriter) line(s string) {
	if t.ASCII {
		s = ascii.Replace(strings.ReplaceAll(s, "10¹²", "10^12"))
	}
	fmt.Fprintln(t.w, strings.TrimRight(s, " "))
}

// paragraph writes text, wrapped to the width.
func (t *textWriter) paragraph(s string) {
	for _, line := range wrapped(s, t.Width) {
		t.line(line)
	}
}

// fixedSpace stands for a space at which wrapped must not break a line.
const fixedSpace = "\x1f"

// beforeUnit matches the space between a number and its unit. It is compiled on first use, because
// every start of gkpow would have to wait for it.
var beforeUnit = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([0-9]) (%|GHz|MH/s|[mµn]?s\b|min\b|h\b|days\b|years\b)`)
})

// wrapped breaks a text into lines between words. Lines after the first are indented. A word
// that is wider than a line gets a line of its own.
func wrapped(s string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(beforeUnit().ReplaceAllString(s, "$1"+fixedSpace+"$2")) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = " "
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	lines = append(lines, line)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], fixedSpace, " ")
	}
	return lines
}

// columnGap is the number of spaces between the columns of a table.
const columnGap = 2

// table writes a table, with names aligned to the left, numbers to the right, and bars in
// the rest of the width. It splits a table with too many columns into parts, each of which
// repeats the names. Bars, and rows with words instead of figures, appear only in the first
// part.
func (t *textWriter) table(table *table) {
	if t.ASCII { // before the columns are measured, since the replacement of ± is wider
		for i, name := range table.head {
			table.head[i] = ascii.Replace(name)
		}
	}
	t.line("")
	t.paragraph(table.title)
	var shown []int // columns
	for i := range table.head {
		if t.Wide || !slices.Contains(table.wide, i) {
			shown = append(shown, i)
		}
	}
	widths := table.widths()
	for first := 1; ; {
		last, width := first, widths[0]
		for last < len(shown) && (last == first || width+columnGap+widths[shown[last]] <= t.Width) {
			width += columnGap + widths[shown[last]]
			last++
		}
		if first > 1 {
			t.line("")
		}
		t.part(table, append([]int{0}, shown[first:last]...), widths, width, first == 1)
		if first = last; first >= len(shown) {
			break
		}
	}
	for note := range strings.Lines(table.note) {
		t.paragraph(strings.TrimSpace(note))
	}
}

// widths returns the width of each column in characters.
func (t *table) widths() []int {
	widths := make([]int, len(t.head))
	for _, cells := range append([][]string{t.head}, t.rows...) {
		if len(cells) < len(t.head) {
			cells = cells[:1] // the rest is words, which do not follow the columns
		}
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// part writes some columns of a table, which together take width characters.
func (t *textWriter) part(table *table, columns, widths []int, width int, first bool) {
	line := func(cells []string, end string) {
		var b strings.Builder
		for i, column := range columns {
			cell := cells[column]
			space := strings.Repeat(" ", widths[column]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + space)
			} else {
				b.WriteString(strings.Repeat(" ", columnGap) + space + cell)
			}
		}
		t.line(b.String() + end)
	}
	head := make([]string, len(table.head))
	for i, name := range table.head {
		if head[i] = strings.ToUpper(name); name == "MH/s" {
			head[i] = name
		}
	}
	line(head, "")
	room := t.Width - width - columnGap
	for i, cells := range table.rows {
		if len(cells) < len(table.head) { // words instead of figures
			if !first {
				continue
			}
			name := cells[0] + strings.Repeat(" ", widths[0]-utf8.RuneCountInString(cells[0])+columnGap-1)
			t.paragraph(strings.ReplaceAll(name, " ", fixedSpace) + " " + strings.Join(cells[1:], " "))
			continue
		}
		end := ""
		if table.bars != nil && first && room >= 4 {
			end = strings.Repeat(" ", columnGap) + t.bar(table.bars[i], room)
		}
		line(cells, end)
	}
}

// bar draws a bar as a part, 0 to 1, of the longest one, whose length is given in
// characters. Its resolution is an eighth of a character, or one "#" in ASCII.
func (t *textWriter) bar(part float64, longest int) string {
	if t.ASCII {
		n := int(part*float64(longest) + 0.5)
		if part > 0 {
			n = max(n, 1)
		}
		return strings.Repeat("#", n)
	}
	eighths := int(part*float64(longest)*8 + 0.5)
	if part > 0 {
		eighths = max(eighths, 1)
	}
	const blocks = "▏▎▍▌▋▊▉█"
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune(blocks)[rest-1])
	}
	return s
}

// header returns lines about the machine, the versions and the run.
func (r *Report) header() (lines []string) {
	m, s := &r.Machine, &r.Settings
	cpus := plural(m.CPUs, "CPU", "CPUs")
	if m.CgroupLimit > 0 {
		cpus += fmt.Sprintf(" limited to %.4g", m.CgroupLimit)
	}
	if r.Clock.Median > 0 {
		cpus += fmt.Sprintf(" at %.2f GHz", r.Clock.Median/1e9)
	}
	system := m.OS
	if m.Kernel != "" {
		system += " (" + m.Kernel + ")"
	}
	version := m.Version
	if m.Revision != "" && !strings.Contains(version, m.Revision[:min(12, len(m.Revision))]) {
		version += " " + m.Revision[:min(12, len(m.Revision))]
	}
	lines = []string{
		fmt.Sprintf("%s, %s", m.CPU, cpus),
		fmt.Sprintf("%s, %s/%s, %s, gkpow %s", system, m.GOOS, m.GOARCH, m.Go, version),
	}
	run := fmt.Sprintf("%s, seed %d, %s in all", r.Date.Local().Format("2006-01-02 15:04:05"), s.Seed, formatSeconds(r.Seconds))
	if low, high := r.samples(); high > 0 {
		rounds := plural(high, "sample", "samples")
		if low < high {
			rounds = fmt.Sprintf("%d to %s", low, rounds)
		}
		run += fmt.Sprintf(", %s of each row", rounds)
		if s.Slice > 0 {
			run += fmt.Sprintf(", %s long", formatSeconds(s.Slice))
		}
	}
	return append(lines, run)
}

// answers returns a sentence about how the answers were checked.
func (r *Report) answers() string {
	if !slices.ContainsFunc(r.Rows, func(row Row) bool {
		return row.Checksum != "" || row.Status == Measured || row.Status == Failed
	}) {
		return "answers not checked, since no row was measured"
	}
	var hashes, found float64
	for _, w := range r.Work {
		hashes += float64(w.Hashes)
		found += float64(w.Found)
	}
	unchecked := slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Status == NotMeasured })
	who := "every row found"
	switch {
	case r.Verdict != Pass:
		who = "not every row found"
	case unchecked || !r.Complete:
		who = "every row that was checked found"
	}
	return fmt.Sprintf("answers %s: %s the same %s in %s hashes as crypto/sha256, checksum %s",
		r.Verdict, who, pluralFigure(found, "solution", "solutions"), grouped(hashes), r.Checksum)
}
