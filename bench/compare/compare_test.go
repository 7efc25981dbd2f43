package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/strategies"
)

// TestInterop runs every rival once. It needs the interpreters, so it runs only on request,
// as the interop tests of cmd/gkpow do.
func TestInterop(t *testing.T) {
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-quick"}, &out, io.Discard))
	table := out.String()
	for _, name := range []string{"node", "python", "php", "textbook", "generic", "gkpow", "gkpow-solve"} {
		i := strings.Index(table, "\n| "+name+" | ")
		require.GreaterOrEqual(t, i, 0, "%s is not in the table:\n%s", name, table)
		row, _, _ := strings.Cut(table[i+1:], "\n")
		require.NotContains(t, row, "not installed")
		require.Regexp(t, `^\| [a-z-]+ \| \d+ \| [0-9.]+ \|`, row)
	}
}

// A search that counts from 0 fails if it does not find the correct nonce.
func TestWrongNonceFails(t *testing.T) {
	puzzles, err := newPuzzles(t.Context(), options{seed: 3, saltLength: 24, quick: true})
	require.NoError(t, err)
	p := puzzles[0]
	require.Len(t, p.salt, 24)
	require.True(t, p.solverPuzzle().Solves(p.nonce))
	for nonce := range p.nonce {
		require.False(t, p.solverPuzzle().Solves(nonce))
	}
	suffix, err := strategies.Named("suffix")
	require.NoError(t, err)
	for _, r := range []*rival{newStrategy(suffix), newThreads()} {
		took, err := r.search(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, p.nonce+1, took.hashes)
		wrong := p
		wrong.nonce--
		_, err = r.search(t.Context(), wrong)
		require.ErrorContains(t, err, "it found nonces []")
		wrong.nonce = p.nonce + 1
		_, err = r.search(t.Context(), wrong)
		require.ErrorContains(t, err, "it found nonces")
	}
	if script := newScript(t.Context(), "python", "python3", "search.py"); script.missing == "" {
		_, err := script.search(t.Context(), p)
		require.NoError(t, err)
		p.nonce--
		_, err = script.search(t.Context(), p)
		require.ErrorContains(t, err, "it found nonce")
	}
}

// A rival that fails still has a row, and does not stop the others.
func TestFailShows(t *testing.T) {
	puzzles, err := newPuzzles(t.Context(), options{seed: 1, saltLength: 32, quick: true})
	require.NoError(t, err)
	puzzles[0].nonce--
	suffix, err := strategies.Named("suffix")
	require.NoError(t, err)
	rivals := []*rival{newStrategy(suffix), {name: "absent", missing: "not installed"}}
	o := options{rounds: 2, saltLength: 32}
	require.NoError(t, measure(t.Context(), o, rivals, puzzles, io.Discard))
	require.Error(t, rivals[0].err)
	var out strings.Builder
	printTable(&out, machine{}, o, rivals)
	require.Contains(t, out.String(), "| suffix | | FAIL |")
	require.Contains(t, out.String(), "| absent | | | | | | | not installed |")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-salt-length", "0"}, {"-salt-length", "65"}, {"-rounds", "x"}, {"node"}, {"-only", "abacus"}} {
		require.Error(t, run(t.Context(), args, io.Discard, io.Discard), "%q", args)
	}
}

func TestFigures(t *testing.T) {
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	require.Equal(t, "12.3", mega(12_300_000))
	require.Equal(t, "0.50", mega(500_000))
	require.Equal(t, "33.6 s", seconds(33.58))
	require.Equal(t, "0.28 s", seconds(0.2796))
	require.Equal(t, "5.0 ms", seconds(0.00501))
	require.Equal(t, "4.2 µs", seconds(4.2e-6))
	require.Equal(t, "17%", percent(0.167))
	require.Equal(t, "never", percent(1e-20))
}
