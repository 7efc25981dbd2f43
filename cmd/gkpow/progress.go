package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/gkpow/gkpow/solver"
)

// A progress is the last line of a terminal, where it shows how far a search or a benchmark is.
type progress struct {
	terminal io.Writer // nil if there is none
	columns  int       // of the terminal
	shown    int       // characters of the line
}

// newProgress returns a line on w. It shows nothing unless w is a terminal.
func newProgress(w io.Writer) *progress {
	file, ok := w.(*os.File)
	if !ok {
		return &progress{}
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return &progress{}
	}
	return &progress{terminal: w, columns: columns}
}

// show shows the chance that a search has found a solution by now. A search is memoryless, so
// nobody can say how much of it is left.
func (p *progress) show(now solver.Progress) {
	p.draw(fmt.Sprintf("%.1f MH/s, about %v more; chance by now", now.HashRate/1e6, now.Remaining.Round(100*time.Millisecond)), now.Chance)
}

// draw shows a text, a part from 0 to 1 in percent, and a bar of that part. The line never
// wraps: on a narrow terminal, the bar gets shorter first.
func (p *progress) draw(text string, part float64) {
	if p.terminal == nil {
		return
	}
	line := []rune(fmt.Sprintf("%s %2d%%", text, min(int(100*part), 99)))
	columns := p.columns - 1 // some terminals wrap a line as soon as it is full
	if width := min(columns-len(line)-len(" ||"), 30); width > 0 {
		full := min(int(part*float64(width)), width)
		line = append(line, []rune(" |"+strings.Repeat("█", full)+strings.Repeat(" ", width-full)+"|")...)
	}
	p.replace(line[:max(0, min(len(line), columns))])
}

// close removes the line from the terminal.
func (p *progress) close() {
	if p.shown > 0 {
		p.replace(nil)
	}
}

// replace overwrites the line and leaves the cursor at its start.
func (p *progress) replace(line []rune) {
	fmt.Fprintf(p.terminal, "%s%s\r", string(line), strings.Repeat(" ", max(0, p.shown-len(line))))
	p.shown = len(line)
}
