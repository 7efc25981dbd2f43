package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

func TestRun(t *testing.T) {
	w, clock := fakeEnvironment()
	start := clock.Now()
	slow := &fakeStrategy{name: "slow", rate: 10_000, clock: clock}
	fast := &fakeStrategy{name: "fast", rate: 20_000, clock: clock}
	absent := &fakeStrategy{name: "absent", clock: clock, missing: "ABACUS"}
	var phases []string
	o := fakeOptions(slow, fast, absent)
	o.Budget = 60 * time.Second
	o.Progress = func(p Progress) {
		require.True(t, 0 <= p.Done && p.Done <= 1)
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
	}
	r := mustRun(t, o, w)

	require.Equal(t, []string{"preparing", "checking answers", "throughput", "time to solution"}, phases)
	require.Equal(t, Pass, r.Verdict)
	require.True(t, r.Complete)
	// The times of searches with two threads depend on how their goroutines are scheduled, so they
	// may contradict the prediction.
	require.Regexp(t, `^A challenge of difficulty 2 takes 1[23]\.\d ms here on average\. (100 puzzles .* as predicted\. )?Here fast is 2\.00 times as fast as slow\.$`, r.Summary)
	require.Equal(t, start.UTC(), r.Date)
	require.InDelta(t, clock.Now().Sub(start).Seconds(), r.Seconds, 1e-9)
	require.LessOrEqual(t, r.Seconds, 1.05*o.Budget.Seconds())
	require.GreaterOrEqual(t, r.Seconds, 0.5*o.Budget.Seconds(), "the time is used")
	require.Equal(t, Settings{
		Arguments: []string{"--seed=5"}, Seed: 5, Strategies: []string{"slow", "fast", "absent"}, SaltLengths: []int{32, 64},
		Threads: []int{1, 2}, Budget: 60, Rounds: 7, Slice: r.Settings.Slice, Difficulty: 2,
	}, r.Settings)

	require.Len(t, r.Rows, 12)
	for _, row := range r.Rows {
		if row.Strategy == "absent" {
			require.Equal(t, Unavailable, row.Status)
			require.Equal(t, "this CPU has no ABACUS", row.Reason)
			require.Nil(t, row.Rate)
			continue
		}
		rate := map[string]float64{"slow": 10_000, "fast": 20_000}[row.Strategy]
		require.Equal(t, Measured, row.Status)
		require.Len(t, row.Samples, 7)
		// The fake clock advances for one thread at a time.
		require.InEpsilon(t, rate, row.Rate.Median, 1e-6)
		require.InEpsilon(t, 1e9/rate*float64(row.Threads), row.Nanoseconds.Median, 1e-6)
		require.InEpsilon(t, fakeHz/rate*float64(row.Threads), row.Cycles.Median, 1e-6)
		for _, s := range row.Samples {
			require.InEpsilon(t, r.Settings.Slice, s.Seconds, 0.05)
		}
		i := slices.IndexFunc(r.Work, func(w Work) bool { return w.SaltLength == row.SaltLength })
		require.Equal(t, r.Work[i].Checksum, row.Checksum)
	}
	require.Equal(t, "fast", r.Scaling.Strategy)
	for _, p := range r.Scaling.Points {
		require.Equal(t, r.row("fast", 32, p.Threads).Rate, p.Rate, "the same thing has the same figure")
	}
	require.Equal(t, 1.0, r.Scaling.Points[0].Efficiency)
	require.InDelta(t, 0.5, r.Scaling.Points[1].Efficiency, 1e-6)
}

// The same seed gives the same work, and another seed gives other work.
func TestRunSeed(t *testing.T) {
	checksums := map[string]int{}
	for _, seed := range []uint64{1, 1, 2} {
		w, clock := fakeEnvironment()
		o := fakeOptions(&fakeStrategy{name: "one", rate: 1e4, clock: clock})
		o.Seed = seed
		checksums[mustRun(t, o, w).Checksum]++
	}
	require.Len(t, checksums, 2)
}

// The fixed work depends only on the seed, and its answers agree with package solver's own
// check.
func TestWork(t *testing.T) {
	g := newWorkload(1, 32)
	require.Equal(t, 4*workNonces(32), g.work.Hashes)
	require.InDelta(t, float64(g.work.Hashes)/64, g.work.Found, 60)
	require.Len(t, g.work.Salt, 32)

	p := solver.Puzzle{Prefix: []byte(g.work.Salt + ":"), Bits: workBits}
	sum := sha256.New()
	for _, r := range g.work.Ranges {
		for nonce := r.First; nonce <= r.Last; nonce++ {
			if p.Solves(nonce) {
				fmt.Fprintln(sum, nonce)
			}
		}
	}
	require.Equal(t, fmt.Sprintf("%x", sum.Sum(nil)[:8]), g.work.Checksum)
	require.Equal(t, "2916461a17430f7f", g.work.Checksum, "it is the same on every machine")
	edge := g.work.Ranges[3]
	require.Less(t, len(fmt.Sprint(edge.First)), len(fmt.Sprint(edge.Last)), "the number of digits changes")

}

// Very short and very long salts have work too.
func TestWorkLengths(t *testing.T) {
	for _, length := range []int{0, 1, 55, 62, 63, 64, 1000} {
		g := newWorkload(1, length)
		require.Len(t, g.work.Salt, length)
		require.NotZero(t, g.work.Found)
	}
}

// A wrong answer of any kind gives FAIL in its row and in the verdict, but not in the rows of
// correct strategies.
func TestRunWrong(t *testing.T) {
	once := func(solves bool) int {
		if solves {
			return 1
		}
		return 0
	}
	for _, test := range []struct {
		name   string
		reason string
		bad    fakeStrategy
	}{
		{"misses some", "missed", fakeStrategy{reports: func(nonce uint64, solves bool) int { return once(solves && nonce%16 != 5) }}},
		{"finds nothing", "missed", fakeStrategy{reports: func(uint64, bool) int { return 0 }}},
		{"reports a wrong nonce", "wrong solutions, the first", fakeStrategy{reports: func(nonce uint64, solves bool) int { return once(solves || nonce%1000 == 7) }}},
		{"reports a solution twice", "twice", fakeStrategy{reports: func(_ uint64, solves bool) int { return 2 * once(solves) }}},
		{"counts too much", "hashes instead of ", fakeStrategy{counts: 1.1}},
		{"counts hardly anything", "counted 0 hashes", fakeStrategy{counts: 1e-9}},
		{"returns an error", "the self-test failed", fakeStrategy{err: errors.New("the self-test failed")}},
		{"claims to be stopped", "canceled", fakeStrategy{err: context.Canceled}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, clock := fakeEnvironment()
			bad := test.bad
			bad.name, bad.rate, bad.clock = "bad", 1e5, clock
			r := mustRun(t, fakeOptions(&fakeStrategy{name: "good", rate: 10_000, clock: clock}, &bad), w)
			require.Equal(t, Fail, r.Verdict)
			require.True(t, r.Complete)
			require.Contains(t, r.Summary, "FAIL: bad is wrong")
			for _, row := range r.Rows {
				if row.Strategy == "good" {
					require.Equal(t, Measured, row.Status)
					continue
				}
				require.Equal(t, Failed, row.Status)
				require.Contains(t, row.Reason, test.reason)
			}
			require.Equal(t, "good", r.Solve.Strategy, "what is wrong is not the fastest")
			require.Equal(t, "good", r.Scaling.Strategy)
		})
	}
}

// A strategy that is wrong with one number of threads is not trusted with any other. One that
// is wrong for a single salt length fails only there.
func TestRunWrongInPlaces(t *testing.T) {
	w, clock := fakeEnvironment()
	bad := &fakeStrategy{name: "bad", rate: 20_000, clock: clock}
	o := fakeOptions(bad)
	checked := 0
	o.Progress = func(p Progress) {
		if p.Phase == "checking answers" {
			checked++
		}
		bad.err = nil
		if checked == 2 { // 32 characters, two threads
			bad.err = errors.New("out of breath")
		}
	}
	r := mustRun(t, o, w)
	for _, row := range r.Rows {
		if row.SaltLength == 32 {
			require.Equal(t, []string{"FAIL", "out of breath"}, []string{string(row.Status), row.Reason})
		} else {
			require.Equal(t, Measured, row.Status)
		}
	}
	require.Nil(t, r.Solve, "there is nothing to predict it from")
}

// Even a strategy that passes the check must give correct answers later.
func TestRunWrongLater(t *testing.T) {
	for name, test := range map[string]struct {
		reports func(nonce uint64, solves bool) int
		counts  float64
		reason  string
	}{
		"misses a third": {reports: func(nonce uint64, solves bool) int {
			if solves && nonce%3 != 0 {
				return 1
			}
			return 0
		}, reason: "the hashes that it counted should give about"},
		"counts a third more": {counts: 1.33, reason: "the hashes that it counted should give about"},
		"reports a wrong nonce": {reports: func(nonce uint64, solves bool) int {
			if solves || nonce%1000 == 7 {
				return 1
			}
			return 0
		}, reason: "is not a solution for the salt"},
	} {
		t.Run(name, func(t *testing.T) {
			w, clock := fakeEnvironment()
			good := &fakeStrategy{name: "good", rate: 50_000, clock: clock}
			bad := &fakeStrategy{name: "bad", rate: 1e5, clock: clock}
			o := fakeOptions(good, bad)
			o.SaltLengths, o.Threads, o.Budget = []int{20}, []int{1}, 2*time.Second
			o.Progress = func(p Progress) {
				if p.Phase == "throughput" {
					bad.reports, bad.counts = test.reports, test.counts
				}
			}
			r := mustRun(t, o, w)
			require.Equal(t, Fail, r.Verdict)
			row := r.row("bad", 20, 1)
			require.Equal(t, Failed, row.Status)
			require.Contains(t, row.Reason, test.reason)
			require.Equal(t, r.Work[0].Checksum, row.Checksum, "the fixed work was right")
			require.Equal(t, Measured, r.row("good", 20, 1).Status)
		})
	}
}

// A strategy that stops finding solutions fails without stopping the run.
func TestAuditStuck(t *testing.T) {
	w, clock := fakeEnvironment()
	stuck := &meter{
		strategy: &fakeStrategy{name: "stuck", rate: 1e6, clock: clock, reports: func(uint64, bool) int { return 0 }},
		workload: newWorkload(1, 32), width: 8, threads: 2,
	}
	require.NoError(t, stuck.audit(t.Context(), w, 10*time.Millisecond))
	stuck.checkCounts()
	require.Contains(t, stuck.failed, "found 0 solutions")
}

func TestCheckCounts(t *testing.T) {
	for _, test := range []struct {
		found    uint64
		expected float64
		fails    bool
	}{
		{0, 0, false}, {10_000, 10_000, false}, {10_690, 10_000, false}, {10_710, 10_000, true}, {9_310, 10_000, false},
		{9_290, 10_000, true}, {0, 60, true}, {0, 40, false}, {3, 1, false}, {9, 1, true},
	} {
		meter := &meter{workload: &workload{length: 32}, searches: 100, found: test.found, expected: test.expected}
		meter.checkCounts()
		require.Equal(t, test.fails, meter.failed != "", "%d of %v", test.found, test.expected)
	}
}

// There is only one empty salt, so all samples find the same solutions, and an unlikely number
// of them in one sample occurs in all.
func TestCheckCountsShortSalts(t *testing.T) {
	seeds := uint64(5)
	if testing.Short() {
		seeds = 1
	}
	for _, length := range []int{0, 1} {
		w, clock := fakeEnvironment()
		for seed := range seeds {
			meter := &meter{
				strategy: &fakeStrategy{name: "right", rate: 1e6, clock: clock},
				workload: newWorkload(seed, length), width: 8, threads: 2,
			}
			for range 2_000 {
				require.NoError(t, meter.audit(t.Context(), w, time.Millisecond/4))
			}
			meter.checkCounts()
			require.Empty(t, meter.failed, "length %d, seed %d", length, seed)
		}
	}
}

// A strategy that is wrong only in the time to solution fails too.
func TestRunWrongSolution(t *testing.T) {
	w, clock := fakeEnvironment()
	bad := &fakeStrategy{name: "bad", rate: 20_000, clock: clock}
	o := fakeOptions(bad)
	o.Progress = func(p Progress) {
		if p.Phase == "time to solution" {
			bad.reports = func(uint64, bool) int { return 1 }
		}
	}
	r := mustRun(t, o, w)
	require.Equal(t, Fail, r.Verdict)
	require.Contains(t, r.Solve.Fault, "is not a solution")
	require.Contains(t, r.Summary, "FAIL: bad is wrong")
	require.Equal(t, Failed, r.row("bad", 32, 2).Status)
}

// The prediction includes the time that a search takes to begin, here four times as long as the
// hashes.
func TestSolveStart(t *testing.T) {
	w, clock := fakeEnvironment()
	o := fakeOptions(&fakeStrategy{name: "a", rate: 20_000, clock: clock, start: 50 * time.Millisecond})
	o.SaltLengths, o.Threads, o.Budget = []int{32}, []int{1}, 60*time.Second
	r := mustRun(t, o, w)
	s := r.Solve
	require.InDelta(t, 0.05, s.Start, 0.001)
	require.Greater(t, s.Predicted.P50, s.Start)
	require.True(t, s.agrees(), "predicted %v, measured %v to %v", s.Predicted.Mean, s.MeanLow, s.MeanHigh)
	require.Nil(t, s.Easier)
}

// If there is no time for enough puzzles, easier ones test the prediction.
func TestSolveEasier(t *testing.T) {
	w, clock := fakeEnvironment()
	o := fakeOptions(&fakeStrategy{name: "a", rate: 20_000, clock: clock})
	o.SaltLengths, o.Threads, o.Difficulty = []int{32}, []int{1}, 8
	r := mustRun(t, o, w)
	s := r.Solve
	require.Equal(t, 8, s.Difficulty)
	require.Empty(t, s.Times)
	require.NotNil(t, s.Easier)
	require.Less(t, s.Easier.Difficulty, 8)
	require.GreaterOrEqual(t, s.Easier.Planned, fewSolves)
	require.Len(t, s.Easier.Times, s.Easier.Planned)
	require.True(t, s.Easier.agrees())
	require.InEpsilon(t, s.Predicted.Mean/s.Easier.Predicted.Mean, math.Pow(16, float64(8-s.Easier.Difficulty)), 0.05)

	shown := text(t, r)
	at := fmt.Sprintf(" at difficulty %d", s.Easier.Difficulty)
	require.Contains(t, shown, "\npredicted from the rate ")
	require.Contains(t, shown, "\npredicted"+at)
	require.Contains(t, shown, "\nmeasured"+at)
	require.Contains(t, strings.Join(strings.Fields(shown), " "), "The measured times put the true mean"+at+" at ")
	for _, warning := range r.Warnings {
		require.NotContains(t, []string{WarningFewSolves, WarningPrediction}, warning.Name)
	}
	loaded, err := Load(strings.NewReader(written(t, r.WriteJSON)))
	require.NoError(t, err)
	require.Equal(t, s.Easier, loaded.Solve.Easier)
}

// Puzzles that take less time than a search takes to begin say nothing about the prediction.
func TestSolveNotTooEasy(t *testing.T) {
	w, clock := fakeEnvironment()
	o := fakeOptions(&fakeStrategy{name: "a", rate: 5_000, clock: clock})
	o.SaltLengths, o.Threads, o.Difficulty, o.Budget = []int{32}, []int{1}, 6, 10*time.Second
	r := mustRun(t, o, w)
	require.Nil(t, r.Solve.Easier)
	require.Empty(t, r.Solve.Times)
}

// When the context ends, Run reports what it has measured so far.
func TestRunStopped(t *testing.T) {
	cause := errors.New("the lid was closed")
	for phase, measured := range map[string][]int{
		"preparing": {0, 0}, "checking answers": {0, 0}, "throughput": {8, 8}, "time to solution": {8, 8},
	} {
		t.Run(phase, func(t *testing.T) {
			w, clock := fakeEnvironment()
			ctx, cancel := context.WithCancelCause(t.Context())
			o := fakeOptions(
				&fakeStrategy{name: "slow", rate: 10_000, clock: clock},
				&fakeStrategy{name: "fast", rate: 20_000, clock: clock},
			)
			calls := 0
			o.Progress = func(p Progress) {
				// By the fourth call, three rows have a sample, and the others have only their
				// warm-up.
				if p.Phase == phase {
					if calls++; phase != "throughput" || calls > 3 {
						cancel(cause)
					}
				}
			}
			r, err := run(ctx, o, w)
			require.ErrorIs(t, err, cause)
			require.NotNil(t, r)
			require.False(t, r.Complete)
			require.Equal(t, cause.Error(), r.Stopped)
			require.Contains(t, r.Summary, "Incomplete: the lid was closed")
			require.Equal(t, Pass, r.Verdict, "what is missing is not wrong")
			n := 0
			for _, row := range r.Rows {
				switch row.Status {
				case Measured:
					n++
					require.NotEmpty(t, row.Samples)
				default:
					require.Equal(t, NotMeasured, row.Status)
					require.Empty(t, row.Samples)
				}
			}
			require.True(t, measured[0] <= n && n <= measured[1], "%d rows were measured", n)
		})
	}
}

// Running out of time for puzzles is not an error, even if the search notices the deadline before
// the context does.
func TestRunLateSolution(t *testing.T) {
	w, clock := fakeEnvironment()
	solving := false
	late := &lateStrategy{fakeStrategy{name: "late", rate: 1e6, clock: clock}, &solving}
	o := fakeOptions(late)
	o.SaltLengths, o.Threads, o.Rounds, o.Budget = []int{32}, []int{1}, 1, 200*time.Millisecond
	o.Progress = func(p Progress) { solving = p.Phase == "time to solution" }
	r := mustRun(t, o, w)
	require.Equal(t, Pass, r.Verdict)
	require.True(t, r.Complete)
	require.Contains(t, r.Solve.Note, "0 of 100 puzzles were solved before the time was up")
	require.Contains(t, text(t, r), "Note: 0 of 100 puzzles")
}

// A lateStrategy keeps solving until the clock passes the deadline.
type lateStrategy struct {
	fakeStrategy
	solving *bool
}

func (s *lateStrategy) Search(ctx context.Context, p solver.Puzzle, r strategies.Range, found func(uint64) bool) (uint64, error) {
	if !*s.solving {
		return s.fakeStrategy.Search(ctx, p, r, found)
	}
	deadline, _ := ctx.Deadline()
	for time.Now().Before(deadline) {
	}
	return 0, context.DeadlineExceeded
}

// However slow the machine, the run keeps to its budget by taking fewer samples.
func TestRunBudget(t *testing.T) {
	for _, test := range []struct {
		rate  float64
		start time.Duration
	}{{2_000, 0}, {1e5, 0}, {1e5, 5 * time.Millisecond}} {
		w, clock := fakeEnvironment()
		o := fakeOptions(
			&fakeStrategy{name: "a", rate: test.rate, clock: clock},
			&fakeStrategy{name: "b", rate: test.rate / 3, clock: clock, start: test.start},
		)
		o.Rounds, o.SaltLengths = 0, []int{32}
		// Nothing bounds the time for the fixed work, the probes and the warm-up.
		o.Budget = time.Duration(2*4*float64(4*mostNonces)/test.rate*1e9) + 5*time.Second
		start := clock.Now()
		r := mustRun(t, o, w)
		took := clock.Now().Sub(start)
		require.LessOrEqual(t, took, o.Budget+o.Budget/10, "%+v", test)
		_, most := r.samples()
		require.GreaterOrEqual(t, most, defaultRounds, "%+v", test)
	}
}

// When every sample takes much longer than planned, because the machine has become busy, the run
// still ends near its budget, and every row has a figure.
func TestRunBusy(t *testing.T) {
	w, clock := fakeEnvironment()
	var list []strategies.Strategy
	var fakes []*fakeStrategy
	for i := range 16 {
		s := &fakeStrategy{name: fmt.Sprint("s", i), rate: 4e5, clock: clock}
		list, fakes = append(list, s), append(fakes, s)
	}
	o := fakeOptions(list...)
	o.Threads, o.Budget, o.Rounds, o.Quick = []int{1}, 3*time.Second, 0, true
	o.Progress = func(p Progress) {
		if p.Phase == "throughput" {
			for _, s := range fakes {
				s.start = 200 * time.Millisecond
			}
		}
	}
	r := mustRun(t, o, w)
	require.Less(t, r.Seconds, 4.5)
	for _, row := range r.Rows {
		require.NotNil(t, row.Rate, row.name())
	}
	require.NotNil(t, r.Solve)
}

// A strategy whose searches start slowly takes no time from the others.
func TestRunSlowToAnswer(t *testing.T) {
	w, clock := fakeEnvironment()
	slow := &fakeStrategy{name: "slow to answer", rate: 20_000, clock: clock}
	o := fakeOptions(&fakeStrategy{name: "quick", rate: 20_000, clock: clock}, slow)
	o.Rounds, o.SaltLengths, o.Threads, o.Budget = 0, []int{32}, []int{1}, 20*time.Second
	o.Progress = func(p Progress) {
		if p.Phase == "throughput" {
			slow.start = 3 * time.Second
		}
	}
	r := mustRun(t, o, w)
	require.GreaterOrEqual(t, len(r.row("quick", 32, 1).Samples), 10)
	n := len(r.row("slow to answer", 32, 1).Samples)
	require.True(t, 1 <= n && n <= 3, "%d samples", n)
}

func TestRunOptions(t *testing.T) {
	one := &fakeStrategy{name: "one"}
	for _, test := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Strategies = []strategies.Strategy{} }, "Options.Strategies is empty"},
		{func(o *Options) { o.Strategies = append(o.Strategies, one) }, "Options.Strategies contains one twice"},
		{func(o *Options) { o.SaltLengths = []int{} }, "Options.SaltLengths"},
		{func(o *Options) { o.SaltLengths = []int{-1, 3} }, "Options.SaltLengths [-1 3]: each length must be 0 to 1048576"},
		{func(o *Options) { o.SaltLengths = []int{maxSaltLength + 1} }, "Options.SaltLengths"},
		{func(o *Options) { o.Threads = []int{0} }, "Options.Threads [0]"},
		{func(o *Options) { o.Threads = []int{} }, "Options.Threads []"},
		{func(o *Options) { o.Threads = []int{5000} }, "Options.Threads"},
		{func(o *Options) { o.Budget = -1 }, "Options.Budget -1ns"},
		{func(o *Options) { o.Budget = 48 * time.Hour }, "Options.Budget 48h"},
		{func(o *Options) { o.Rounds = -1 }, "Options.Rounds -1"},
		{func(o *Options) { o.Difficulty = 65 }, "Options.Difficulty 65"},
		{func(o *Options) { o.Difficulty = -1 }, "Options.Difficulty -1"},
	} {
		o := fakeOptions(one)
		test.change(&o)
		r, err := Run(t.Context(), o)
		require.ErrorContains(t, err, test.want)
		require.Nil(t, r)
	}
	o, err := Options{Strategies: []strategies.Strategy{one}, SaltLengths: []int{64, 16, 64}, Threads: []int{2, 1, 2}, Quick: true}.complete()
	require.NoError(t, err)
	require.Equal(t, []int{16, 64}, o.SaltLengths)
	require.Equal(t, []int{1, 2}, o.Threads)
	require.Equal(t, DefaultQuickBudget, o.Budget)
	require.Equal(t, DefaultDifficulty, o.Difficulty)
}

// The chosen kernel is measured with the rows' numbers of threads and with those between them.
func TestScalingPoints(t *testing.T) {
	w, clock := fakeEnvironment()
	w.choose = func(context.Context) string { return "generic" }
	o := fakeOptions(&fakeStrategy{name: "fast", rate: 80_000, clock: clock}, &fakeKernel{fakeStrategy{name: "generic", rate: 50_000, clock: clock}})
	o.SaltLengths, o.Threads, o.Budget = []int{32}, []int{1, 4}, 6*time.Second
	r := mustRun(t, o, w)
	require.Len(t, r.Rows, 4)
	require.Equal(t, "generic", r.Scaling.Strategy)
	var threads []int
	for _, p := range r.Scaling.Points {
		threads = append(threads, p.Threads)
		require.Len(t, p.Samples, o.Rounds)
		require.InEpsilon(t, 50_000, p.Rate.Median, 1e-6)
		if row := r.row("generic", 32, p.Threads); row != nil {
			require.Equal(t, row.Samples, p.Samples)
		}
	}
	require.Equal(t, []int{1, 2, 3, 4}, threads)
}

func TestScalingThreads(t *testing.T) {
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8}, scalingThreads([]int{1, 8}))
	require.Equal(t, []int{1, 2, 4, 8, 16, 20}, scalingThreads([]int{1, 20}))
	require.Equal(t, []int{1, 2, 4, 8, 16}, scalingThreads([]int{1, 16}))
	require.Equal(t, []int{1}, scalingThreads([]int{1}))
	require.Equal(t, []int{3, 9}, scalingThreads([]int{3, 9}))
	require.Equal(t, []int{1, 3, 9}, scalingThreads([]int{1, 3, 9}))
}
