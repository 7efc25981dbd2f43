package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/gkpow/gkpow/solver"
)

// A progress bar shows the chance that a search has found a solution by now. A search is
// memoryless, so it cannot show how much is left.
type progress struct {
	bar *progressbar.ProgressBar // nil if there is no terminal
}

const (
	barSteps  = 1000
	besideBar = 64 // columns for the text and the percentage: a longer line would wrap
)

// newProgress returns a bar on w. It shows nothing unless w is a terminal.
func newProgress(w io.Writer) *progress {
	file, ok := w.(*os.File)
	if !ok {
		return &progress{}
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return &progress{}
	}
	return &progress{progressbar.NewOptions(barSteps,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(barWidth(columns)),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
	)}
}

// barWidth returns the width of the bar on a terminal with the given number of columns. 0 columns
// mean that the terminal does not know its size.
func barWidth(columns int) int {
	const widest = 30
	if columns == 0 {
		return widest
	}
	return max(1, min(columns-besideBar, widest))
}

func (p *progress) show(now solver.Progress) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(fmt.Sprintf("%.1f MH/s, about %v more; chance by now", now.HashRate/1e6, now.Remaining.Round(100*time.Millisecond)))
	_ = p.bar.Set(min(int(now.Chance*barSteps), barSteps-1))
}

// close removes the bar from the terminal.
func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
