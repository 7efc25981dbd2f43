package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCompare(t *testing.T) {
	w, clock := fakeEnvironment()
	before := fakeReport(t)
	o := fakeOptions(
		&fakeStrategy{name: "slow", rate: 10_000, clock: clock},
		&fakeStrategy{name: "fast", rate: 30_000, clock: clock},
		&fakeStrategy{name: "new", rate: 5_000, clock: clock},
	)
	o.Seed, o.SaltLengths, o.Budget = 9, []int{32, 48}, 30*time.Second
	after := mustRun(t, o, w)
	after.Machine.CPU, after.Machine.Go = "Abacus", "go9"
	after.Machine.Features = append(after.Machine.Features, "BEADS")

	c := Compare(before, after)
	require.Len(t, c.Rows, 4)
	for _, row := range c.Rows {
		want := map[string]float64{"slow": 1, "fast": 1.5}[row.Strategy]
		require.Equal(t, 32, row.SaltLength)
		require.InEpsilon(t, want, row.Ratio.Ratio, 1e-3)
		require.InEpsilon(t, want, row.Ratio.Low, 1e-3)
		require.InEpsilon(t, want, row.Ratio.High, 1e-3)
		require.Equal(t, want > 1, row.Ratio.Significant && row.Ratio.Ratio > 1.1)
	}
	require.Equal(t, []string{
		"strategy=slow/salt=64/threads=1", "strategy=slow/salt=64/threads=2",
		"strategy=fast/salt=64/threads=1", "strategy=fast/salt=64/threads=2",
	}, c.OnlyBefore)
	require.Len(t, c.OnlyAfter, 8)
	require.Contains(t, c.OnlyAfter, "strategy=new/salt=32/threads=1")
	differences := strings.Join(c.Differences, "\n")
	require.Contains(t, differences, "CPU: Abacus, was ")
	require.Contains(t, differences, "CPU features added: BEADS")
	require.Contains(t, differences, "Go: go9, was go1.")
	require.Contains(t, differences, "seed: 9, was 5")
	require.Contains(t, differences, "salt lengths: [32 48], was [32 64]")
	require.NotContains(t, differences, "difficulty")

	after.Comparison = c
	text := text(t, after)
	require.Regexp(t, `(?m)^fast +32 +1 +0\.0200 +0\.0300 +1\.500 +1\.500–1\.500 +0\.001$`, text)
	require.Contains(t, text, "Different: seed: 9, was 5.")
	require.Contains(t, text, "Only now: ")
	require.Contains(t, text, " and 3 more.")
	require.Contains(t, written(t, after.WriteJSON), `"comparison":{"differences":[`)
}

// Compare leaves out a row that failed in either report.
func TestCompareFailed(t *testing.T) {
	a, b := failedReport(t), fakeReport(t)
	require.Len(t, Compare(a, b).Rows, 5)
	require.Len(t, Compare(b, a).Rows, 5)
	require.Len(t, Compare(b, a).OnlyBefore, 3)
	require.Len(t, Compare(a, b).OnlyAfter, 3)
	require.Contains(t, Compare(b, a).Differences, "verdict: FAIL, was OK")
	same := Compare(b, b)
	require.Empty(t, same.Differences)
	require.Empty(t, same.OnlyBefore)
	for _, row := range same.Rows {
		require.False(t, row.Ratio.Significant)
	}
}
