package bench

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

var errLidClosed = errors.New("the lid was closed")

// stopAt runs the benchmark and stops it at the given check, before its answers are verified.
func stopAt(t *testing.T, w environment, o Options, checks int) *Report {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	progress := o.Progress
	o.Progress = func(p Progress) {
		if progress != nil {
			progress(p)
		}
		if p.Phase == "checking answers" {
			if checks--; checks == 0 {
				cancel(errLidClosed)
			}
		}
	}
	r, err := run(ctx, o, w)
	require.ErrorIs(t, err, errLidClosed)
	require.False(t, r.Complete)
	return r
}

// A run that is stopped while it checks answers has figures for the rows already checked:
// fast strategies come first, and the main salt length comes before the others.
func TestFirstFigures(t *testing.T) {
	order := []string{
		"fast/32/1", "fast/32/2", "medium/32/1", "medium/32/2", "fast/64/1", "fast/64/2", "medium/64/1", "medium/64/2",
		"slow/32/1", "slow/32/2", "slow/64/1", "slow/64/2",
	}
	rates := map[string]float64{"slow": 2_000, "medium": 40_000, "fast": 100_000}
	for checks := 1; checks <= len(order); checks++ {
		w, clock := fakeEnvironment()
		var list []strategies.Strategy
		for _, name := range []string{"slow", "medium", "fast"} {
			list = append(list, &fakeStrategy{name: name, rate: rates[name], clock: clock})
		}
		r := stopAt(t, w, fakeOptions(list...), checks)
		require.Equal(t, Pass, r.Verdict)
		var measured []string
		for _, row := range r.Rows {
			if row.Status == NotMeasured {
				require.Empty(t, row.Samples)
				continue
			}
			measured = append(measured, fmt.Sprintf("%s/%d/%d", row.Strategy, row.SaltLength, row.Threads))
			require.Equal(t, Measured, row.Status)
			require.NotEmpty(t, row.Checksum)
			require.Len(t, row.Samples, 1)
			if row.Strategy != "slow" { // which finds nothing for a while
				require.Less(t, row.Samples[0].Seconds, 10*goodSlice.Seconds(), "it would keep the next row waiting")
			}
			require.InEpsilon(t, rates[row.Strategy], row.Rate.Median, 1e-6)
			require.InEpsilon(t, fakeHz/rates[row.Strategy]*float64(row.Threads), row.Cycles.Median, 1e-6)
		}
		require.ElementsMatch(t, order[:checks-1], measured)
		if checks == len(order) {
			require.Contains(t, r.Summary, "Incomplete: the lid was closed. No clear winner between fast and medium (too few samples).")
		}
	}
}

// The rows that the summary compares are checked first, even if other strategies are faster:
// those of the chosen kernel, and those of the sample loop.
func TestLeadFirst(t *testing.T) {
	w, clock := fakeEnvironment()
	w.choose = func(context.Context) string { return "generic" }
	o := fakeOptions(
		&fakeStrategy{name: sampleLoop, rate: 20_000, clock: clock},
		&fakeStrategy{name: "fast", rate: 1e6, clock: clock},
		&fakeKernel{fakeStrategy{name: "generic", rate: 30_000, clock: clock}},
	)
	r := stopAt(t, w, o, 5)
	for _, row := range r.Rows {
		leads := row.Strategy != "fast" && row.SaltLength == 32
		require.Equal(t, leads, row.Status == Measured, row.name())
	}
	require.Equal(t, "generic", r.Chosen)

	// With a tight budget, only the kernel comes first.
	o.Budget = 2 * time.Second
	for _, row := range stopAt(t, w, o, 5).Rows {
		require.Equal(t, row.Strategy != sampleLoop && row.SaltLength == 32, row.Status == Measured, row.name())
	}
}

// When searches take long to begin, as with a long salt on a busy machine, probes leave time to
// measure the chosen kernel.
func TestProbesLeaveTime(t *testing.T) {
	w, clock := fakeEnvironment()
	w.choose = func(context.Context) string { return "generic" }
	const start = 20 * time.Millisecond
	list := []strategies.Strategy{&fakeKernel{fakeStrategy{name: "generic", rate: 1e6, clock: clock, start: start}}}
	for i := range 10 {
		list = append(list, &fakeStrategy{name: fmt.Sprint(i), rate: 1e6, clock: clock, start: start})
	}
	o := fakeOptions(list...)
	o.SaltLengths, o.Threads, o.Rounds, o.Budget = []int{32}, []int{1}, 0, 800*time.Millisecond
	require.Equal(t, Measured, mustRun(t, o, w).row("generic", 32, 1).Status)
}

// The warm-up sample counts only for rows that have no other sample.
func TestFirstFiguresGiveWay(t *testing.T) {
	w, clock := fakeEnvironment()
	one := &fakeStrategy{name: "one", rate: 10_000, clock: clock}
	o := fakeOptions(one)
	searches := 0
	o.Progress = func(p Progress) {
		if p.Phase == "throughput" {
			one.rate = 5_000
			searches++
		}
	}
	r := mustRun(t, o, w)
	require.Equal(t, len(r.Rows)*o.Rounds, searches, "each row must warm up only once")
	for _, row := range r.Rows {
		require.Len(t, row.Samples, o.Rounds)
		require.InEpsilon(t, 5_000, row.Rate.Median, 1e-6)
		require.Zero(t, row.Rate.Outliers)
	}
}

// A wrong strategy has no figure, however early the run is stopped: neither one that fails
// the fixed work, with any number of threads, nor one that fails later.
func TestFirstFiguresWrong(t *testing.T) {
	for name, bad := range map[string]*forger{
		"always":                     {counts: 2},
		"with two threads":           {counts: 2, after: 2},
		"where it is measured":       {counts: 20, samplesOnly: true},
		"where it is measured, once": {counts: 20, samplesOnly: true, after: 2},
	} {
		t.Run(name, func(t *testing.T) {
			w, clock := fakeEnvironment()
			bad.fakeStrategy = fakeStrategy{name: "bad", rate: 100_000, clock: clock}
			o := fakeOptions(bad, &fakeStrategy{name: "good", rate: 20_000, clock: clock})
			o.Progress = func(p Progress) {
				if p.Phase == "checking answers" {
					bad.checks++
				}
			}
			// Two rows of the bad one come first, then two of the good one.
			r := stopAt(t, w, o, 4)
			require.Equal(t, Fail, r.Verdict)
			for threads := 1; threads <= 2; threads++ {
				row := r.row("bad", 32, threads)
				require.Equal(t, Failed, row.Status)
				require.NotEmpty(t, row.Reason)
				require.Nil(t, row.Rate)
			}
			require.Equal(t, Measured, r.row("good", 32, 1).Status)
			require.Contains(t, r.Summary, "FAIL: bad is wrong")
			require.Regexp(t, `(?m)^bad +FAIL: `, text(t, r))
			require.Contains(t, written(t, r.WriteJSON), `"verdict":"FAIL"`)
		})
	}
}

// A forger counts more hashes than it computes.
type forger struct {
	fakeStrategy
	counts      uint64 // number of hashes to count for each hash
	samplesOnly bool   // whether it counts the fixed work correctly
	after       int    // number of checks that must have begun before it forges
	checks      int
}

func (s *forger) Search(ctx context.Context, p solver.Puzzle, r strategies.Range, found func(uint64) bool) (uint64, error) {
	hashes, err := s.fakeStrategy.Search(ctx, p, r, found)
	if s.checks >= s.after && (!s.samplesOnly || 10_000_000 <= r.First && r.First < 11_000_000) {
		hashes *= s.counts
	}
	return hashes, err
}

// However little time the checks leave, there are enough rounds for a confidence interval,
// since the time for warming up does not count against them.
func TestRunQuickRounds(t *testing.T) {
	w, clock := fakeEnvironment()
	o := fakeOptions(&fakeStrategy{name: "one", rate: 1e7, clock: clock})
	o.Quick, o.Rounds, o.SaltLengths, o.Threads, o.Budget = true, 0, []int{32}, []int{1}, 20*time.Millisecond
	r := mustRun(t, o, w)
	require.Greater(t, 1.1*shortSlice.Seconds(), r.Settings.Slice)
	fewest, _ := r.samples()
	require.Equal(t, quickRounds, fewest)
}

// However slow a kernel is, and however little time there is, it searches the nonces that most real
// searches go through: after 48 characters those of 16 digits, which take one block per hash.
func TestRunSearchesAsTheEngine(t *testing.T) {
	for _, budget := range []time.Duration{500 * time.Millisecond, 8 * time.Second, time.Minute} {
		w, clock := fakeEnvironment()
		o := fakeOptions(&fakeKernel{fakeStrategy{name: "kernel", rate: 60_000, clock: clock}})
		o.Rounds, o.SaltLengths, o.Budget = 1, []int{48}, budget
		for _, row := range mustRun(t, o, w).Rows {
			require.Equal(t, Measured, row.Status)
			require.Equal(t, 16, row.Digits, budget)
			require.Positive(t, row.Operations)
		}
	}
}

// A fakeKernel claims to be the engine's generic kernel.
type fakeKernel struct{ fakeStrategy }

func (*fakeKernel) Backend() string { return "generic" }
