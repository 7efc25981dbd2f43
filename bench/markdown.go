package bench

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the report as a section of a Markdown document, with tables in
// GitHub's syntax.
func (r *Report) WriteMarkdown(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "## gkpow bench\n\n")
	for _, line := range r.header() {
		fmt.Fprintf(out, "- %s\n", markdownText(line))
	}
	if len(r.Settings.Arguments) > 0 {
		fmt.Fprintf(out, "- `gkpow bench %s`\n", strings.ReplaceAll(strings.Join(r.Settings.Arguments, " "), "`", "'"))
	}
	fmt.Fprintf(out, "\n**%s**\n", markdownText(r.Summary))
	for _, t := range r.tables() {
		fmt.Fprintln(out)
		t.markdown(out)
	}
	fmt.Fprintf(out, "\n%s\n", markdownText(r.answers()))
	for i, d := range r.Warnings {
		if i == 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "- **%s**: %s; %s\n", d.Name, markdownText(d.Message), markdownText(d.Hint))
	}
	return out.Flush()
}

func (t *table) markdown(w io.Writer) {
	fmt.Fprintf(w, "### %s\n\n", markdownText(t.title))
	line := func(cells []string) {
		fmt.Fprint(w, "|")
		for i := range t.head {
			cell := ""
			if i < len(cells) {
				cell = markdownText(cells[i])
			}
			fmt.Fprintf(w, " %s |", cell)
		}
		fmt.Fprintln(w)
	}
	line(t.head)
	fmt.Fprint(w, "|---|", strings.Repeat("---:|", len(t.head)-1), "\n")
	for _, cells := range t.rows {
		line(cells)
	}
	if t.note != "" {
		fmt.Fprintf(w, "\n%s\n", strings.ReplaceAll(markdownText(t.note), "\n", "  \n"))
	}
}

// markdownText escapes the characters that Markdown would read as markup.
var markdownText = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", `\<`, "[", `\[`, "~", `\~`,
).Replace
