package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/bench"
	"github.com/gkpow/gkpow/solver"
)

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := progress{terminal: &out, columns: 100}
	p.show(solver.Progress{HashRate: 132.14e6, Remaining: 1234 * time.Millisecond, Chance: 0.5})
	require.Equal(t, "132.1 MH/s, about 1.2s more; chance by now 50% |"+strings.Repeat("█", 15)+strings.Repeat(" ", 15)+"|\r", out.String())

	// A shorter line covers the one before it, and close covers the last one.
	shown := p.shown
	out.Reset()
	p.showBench(bench.Progress{Phase: "kernels", Done: 1})
	require.Equal(t, "kernels 99% |"+strings.Repeat("█", 30)+"|"+strings.Repeat(" ", shown-p.shown)+"\r", out.String())
	shown = p.shown
	out.Reset()
	p.close()
	require.Equal(t, strings.Repeat(" ", shown)+"\r", out.String())
	out.Reset()
	p.close()
	require.Empty(t, out.String())

	// No line fills the terminal, however narrow that is.
	for p.columns = range 90 {
		for _, part := range []float64{0, 0.004, 0.999, 1} {
			out.Reset()
			p.show(solver.Progress{HashRate: 1e6, Remaining: time.Hour, Chance: part})
			require.LessOrEqual(t, p.shown, max(0, p.columns-1))
			require.True(t, utf8.Valid(out.Bytes()))
		}
	}
}

// Neither a file nor a pipe shows progress.
func TestProgressNeedsTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer file.Close()
	var buffer bytes.Buffer
	for _, p := range []*progress{newProgress(file), newProgress(&buffer)} {
		p.show(solver.Progress{Chance: 0.5})
		p.showBench(bench.Progress{Done: 0.5})
		p.close()
	}
	require.Empty(t, buffer.String())
	info, err := file.Stat()
	require.NoError(t, err)
	require.Zero(t, info.Size())
}
