package bench

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteText writes the report for people, with a bar for each rate.
func (r *Report) WriteText(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, line := range r.header() {
		fmt.Fprintln(out, line)
	}
	for _, t := range r.tables() {
		fmt.Fprintln(out)
		t.text(out)
	}
	fmt.Fprintf(out, "\n%s\n", r.answers())
	for _, d := range r.Warnings {
		fmt.Fprintf(out, "\nwarning: %s: %s\n   hint: %s\n", d.Name, d.Message, d.Hint)
	}
	fmt.Fprintf(out, "\n%s\n", r.Summary)
	return out.Flush()
}

// header says what was measured, where and with what.
func (r *Report) header() (lines []string) {
	m, s := &r.Machine, &r.Settings
	cpus := plural(m.CPUs, "CPU", "CPUs")
	if m.CgroupLimit > 0 {
		cpus += fmt.Sprintf(" limited to %.4g", m.CgroupLimit)
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
	run := fmt.Sprintf("%s, seed %d", r.Date.Local().Format("2006-01-02 15:04:05"), s.Seed)
	if s.Rounds > 0 {
		run += fmt.Sprintf(", %s with samples of %s", plural(s.Rounds, "round", "rounds"), formatSeconds(s.Slice))
	}
	run += fmt.Sprintf(", %s in all", formatSeconds(r.Seconds))
	if r.Clock.Median > 0 {
		run += fmt.Sprintf(", clock %.2f GHz", r.Clock.Median/1e9)
	}
	return append(lines, run)
}

// answers says how the answers were checked.
func (r *Report) answers() string {
	var hashes, found float64
	for _, w := range r.Work {
		hashes += float64(w.Hashes)
		found += float64(w.Found)
	}
	all := "all found"
	switch {
	case r.Verdict != Pass:
		all = "not all found"
	case !r.Complete: // then there are some that nobody has looked at
		all = "those that were checked found"
	}
	return fmt.Sprintf("answers %s: %s the same %s solutions in %s hashes as crypto/sha256, checksum %s",
		r.Verdict, all, grouped(found), grouped(hashes), r.Checksum)
}

// barWidth is that of the longest bar.
const barWidth = 20

// text writes the table: names to the left, numbers to the right, then bars.
func (t *table) text(w io.Writer) {
	fmt.Fprintln(w, t.title)
	head := make([]string, len(t.head))
	for i, name := range t.head {
		if head[i] = strings.ToUpper(name); strings.Contains(name, "MH/s") {
			head[i] = name
		}
	}
	widths := make([]int, len(head))
	for _, cells := range append([][]string{head}, t.rows...) {
		if len(cells) < len(t.head) {
			cells = cells[:1] // what follows is not in columns
		}
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(cells []string, end string) {
		var b strings.Builder
		for i, cell := range cells {
			space := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell)))
			switch {
			case i == 0:
				b.WriteString(cell + space)
			case len(cells) < len(t.head):
				b.WriteString("  " + cell)
			default:
				b.WriteString("  " + space + cell)
			}
		}
		b.WriteString(end)
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
	line(head, "")
	for i, cells := range t.rows {
		end := ""
		if t.bars != nil {
			end = "  " + textBar(t.bars[i])
		}
		line(cells, end)
	}
	if t.note != "" {
		fmt.Fprintln(w, t.note)
	}
}

// textBar draws a part, 0 to 1, of the longest bar in eighths of a character.
func textBar(part float64) string {
	eighths := int(part*barWidth*8 + 0.5)
	if part > 0 && eighths == 0 {
		eighths = 1
	}
	const blocks = "▏▎▍▌▋▊▉█"
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune(blocks)[rest-1])
	}
	return s
}
