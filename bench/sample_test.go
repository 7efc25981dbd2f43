package bench

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// Solutions are as rare in samples as in a real search, so handling them takes no time from the
// samples. The audits between the samples find many.
func TestSamplesRarelyFind(t *testing.T) {
	w, clock := fakeEnvironment()
	handled := &costlyHits{fakeStrategy{name: "grids", rate: 1e6, clock: clock}}
	o := fakeOptions(handled)
	o.SaltLengths, o.Threads, o.Budget = []int{32}, []int{1}, 400*time.Millisecond
	r := mustRun(t, o, w)
	require.InEpsilon(t, 1e6, r.Rows[0].Rate.Median, 1e-3)

	meter := &meter{strategy: handled, workload: newWorkload(1, 32), width: 8, threads: 1}
	require.NoError(t, meter.audit(t.Context(), w, 10*time.Millisecond))
	require.Greater(t, meter.found, uint64(5))
}

// costlyHits is a strategy that takes a millisecond for each solution that it reports.
type costlyHits struct{ fakeStrategy }

func (s *costlyHits) Search(ctx context.Context, p solver.Puzzle, r strategies.Range, found func(uint64) bool) (uint64, error) {
	return s.fakeStrategy.Search(ctx, p, r, func(nonce uint64) bool {
		s.clock.advance(time.Millisecond)
		return found(nonce)
	})
}

// On a busy machine, threads sometimes wait a long time for a CPU. CPU time still shows
// which of two strategies is faster.
func TestBusyMachine(t *testing.T) {
	w, clock := fakeEnvironment()
	busy := &busyMachine{fakeClock: clock, rng: rand.New(rand.NewPCG(1, 2))}
	w.cpu = busy.cpu
	w.now = busy.Now
	o := fakeOptions(&fakeStrategy{name: "slow", rate: 1e5, clock: clock}, &fakeStrategy{name: "fast", rate: 1.1e5, clock: clock})
	o.SaltLengths, o.Threads, o.Rounds, o.Budget = []int{32}, []int{1, 2}, 9, 60*time.Second
	r := mustRun(t, o, w)
	require.InEpsilon(t, 1e5, r.row("slow", 32, 1).Rate.Median, 0.01)
	require.InEpsilon(t, 1.1e5, r.row("fast", 32, 1).Rate.Median, 0.01)
	require.Contains(t, r.Summary, "Here fast is 1.10 times as fast as slow.")
	var wall, cpu float64
	for _, s := range r.row("fast", 32, 1).Samples {
		wall, cpu = wall+s.Seconds, cpu+s.CPUSeconds
	}
	require.Greater(t, wall, 1.05*cpu, "by the wall clock it would be slower")
	require.Zero(t, r.row("fast", 32, 2).Samples[0].CPUSeconds)
	loaded, err := Load(strings.NewReader(written(t, r.WriteJSON)))
	require.NoError(t, err)
	require.Equal(t, r.Rows, loaded.Rows)
}

// On a busyMachine, some reads of the clock come after another process has used the CPU.
type busyMachine struct {
	*fakeClock
	mu     sync.Mutex // guards the fields below
	rng    *rand.Rand
	waited time.Duration
}

func (m *busyMachine) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rng.IntN(4) > 0 {
		return m.fakeClock.Now()
	}
	wait := time.Duration(m.rng.ExpFloat64() * 2e8)
	m.waited += wait
	m.fakeClock.advance(wait)
	return m.fakeClock.Now()
}

func (m *busyMachine) cpu() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fakeClock.Now().Sub(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)) - m.waited
}

// A sample ignores CPU time that exceeds the wall time, since it includes other threads, and
// CPU time that is almost zero, since the system counts it coarsely.
func TestSampleRate(t *testing.T) {
	require.Equal(t, 1e6, Sample{Hashes: 1000, Seconds: 0.001}.rate())
	require.Equal(t, 2e6, Sample{Hashes: 1000, Seconds: 0.001, CPUSeconds: 0.0005}.rate())
	require.Equal(t, 1e6, Sample{Hashes: 1000, Seconds: 0.001, CPUSeconds: 0.002}.rate())
}

// The report claims no winner when the intervals overlap.
func TestNoClearWinner(t *testing.T) {
	r := fakeReport(t)
	for i := range r.Rows {
		for j := range r.Rows[i].Samples {
			r.Rows[i].Samples[j].Seconds *= 1 + 2*float64((i+j)%2)
		}
		r.Rows[i].fill(r.Rows[i].Samples)
	}
	require.Contains(t, r.summary(), "No clear winner between ")
	require.Contains(t, r.summary(), "(their intervals overlap).")
	r.Summary = r.summary()
	require.NotContains(t, written(t, r.WriteHTML), " is the fastest")
	r.Warnings = []Warning{{Name: WarningBusy}}
	require.Contains(t, r.summary(), "(busy machine).")
	keepSamples(r, 3)
	r.Warnings = nil
	require.Contains(t, r.summary(), "(too few samples).")
}

// The summary is as precise as the intervals: it gives both ends of wide ones, and says if the
// measured times contradict the prediction.
func TestSummaryPrecision(t *testing.T) {
	r := fakeReport(t)
	require.Regexp(t, `^A challenge of difficulty 2 takes 12\.\d ms here on average\. Here fast is 2\.00 times as fast as slow\.$`, r.summary())

	for i := range r.Rows {
		row := &r.Rows[i]
		for j := range row.Samples {
			if row.Strategy == "fast" {
				row.Samples[j].Seconds *= 1 + float64(j)/10
			}
		}
		row.fill(row.Samples)
	}
	r.Solve.PredictedLow, r.Solve.PredictedHigh = 0.0128, 0.0205
	require.Equal(t, "A challenge of difficulty 2 takes 13 to 21 ms here on average. Here fast is 1.25 to 2.00 times as fast as slow.", r.summary())

	for i := range r.Solve.Times {
		r.Solve.Times[i] *= 5
	}
	r.Solve.fill()
	require.Regexp(t, `on average\. \d+ puzzles of difficulty 2 took [45]\.\d times as long as predicted\. Here fast is `, r.summary())

	r.Solve.PredictedLow, r.Solve.PredictedHigh = 0, 0
	require.Regexp(t, `^A challenge of difficulty 2 takes about 1[23] ms here on average\.`, r.summary())
	r.Solve.NotFound = 0.125
	require.Regexp(t, `^The chance that a challenge of difficulty 2 has no solution among the allowed nonces is 12\.5 %\. \d+ puzzles`, r.summary())
}

// A row's time and cycles come from the same samples, so their quotient is the clock.
func TestSameSamples(t *testing.T) {
	samples := []Sample{{1000, 1, 0, 3e9}, {1100, 1, 0, 3e9}, {1300, 1, 0, 3e9}, {900, 1, 0, 3e9}}
	row := Row{Threads: 1, Status: NotMeasured}
	row.fill(samples)
	require.InEpsilon(t, 3.0, row.Cycles.Median/row.Nanoseconds.Median, 1e-12)
	require.InEpsilon(t, 1e9, row.Nanoseconds.Median*row.Rate.Median, 1e-12, "of an even number of samples too")
	require.Equal(t, []float64{1e9 / row.Rate.Max, 1e9 / row.Rate.Min}, []float64{row.Nanoseconds.Min, row.Nanoseconds.Max})
	samples[2].Hz = 0
	row = Row{Threads: 1, Status: NotMeasured}
	row.fill(samples)
	require.Nil(t, row.Cycles)
}

// The interval of the nanoseconds is derived from the interval of the rate.
func TestEstimateUnder(t *testing.T) {
	e := estimate([]float64{2, 3, 4, 5, 6, 7, 8})
	u := e.under(840)
	require.Equal(t, Estimate{
		Median: 168, Low: 840 / e.High, High: 840 / e.Low, Confidence: e.Confidence, Min: 105, Max: 420, Count: 7,
	}, u)
	require.False(t, estimate([]float64{1, 2}).under(1).known())
}

// When checks take too long, Run leaves rows out and keeps to its budget.
func TestRunOutOfTime(t *testing.T) {
	w, clock := fakeEnvironment()
	o := fakeOptions(&fakeStrategy{name: "quick", rate: 1e6, clock: clock}, &fakeStrategy{name: "slow", rate: 2_000, clock: clock})
	o.SaltLengths, o.Rounds, o.Budget = []int{32}, 0, 5*time.Second
	start := clock.Now()
	r := mustRun(t, o, w)
	require.LessOrEqual(t, clock.Now().Sub(start), o.Budget+o.Budget/10)
	require.True(t, r.Complete)
	require.Equal(t, Pass, r.Verdict)
	require.Equal(t, Measured, r.row("quick", 32, 1).Status)
	require.Equal(t, NotMeasured, r.row("slow", 32, 1).Status)
	require.Regexp(t, `(?m)^slow +not measured: there was no time to check its answers$`, text(t, r))
	require.Contains(t, text(t, r), "warning: not-measured: there was no time for 2 rows of 4; raise --time\n")

	o.Strategies, o.Budget = o.Strategies[1:], time.Second
	r = mustRun(t, o, w)
	require.Equal(t, "There was no time to measure anything.", r.Summary)
	require.Contains(t, text(t, r), "\nanswers not checked, since no row was measured\n")
}

// Long salts reduce the fixed work instead of making the run longer.
func TestWorkOfLongSalts(t *testing.T) {
	require.EqualValues(t, mostNonces, workNonces(4096))
	g := newWorkload(1, maxSaltLength)
	require.Less(t, g.work.Hashes*maxSaltLength, uint64(100<<20))
	require.Len(t, g.wholeWork(), len(g.solutions(nonces(wholeWidth), wholeBits)))
	p := solver.Puzzle{Prefix: g.prefix, Bits: wholeBits}
	for _, nonce := range g.wholeWork()[:3] {
		require.True(t, p.Solves(nonce))
	}
}

// For exponentially distributed times, the interval contains the true mean as often as its
// confidence level claims.
func TestMeanInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 5, 40} {
		held := 0
		const runs = 4_000
		for range runs {
			s := Solve{Predicted: Quantiles{Mean: 1}}
			for range n {
				s.Times = append(s.Times, rng.ExpFloat64())
			}
			if s.fill(); s.agrees() {
				held++
			}
		}
		require.InDelta(t, 0.95, float64(held)/runs, 0.03, "%d times", n)
	}
	require.InEpsilon(t, 124.342, chiSquared(100, 1.6449), 1e-3) // the 95 % quantile
	require.False(t, math.IsNaN(chiSquared(2, -1.96)))
}

// The report marks the kernel that the engine chooses, and gives its time to solution.
func TestChosen(t *testing.T) {
	w, clock := fakeEnvironment()
	w.choose = func(context.Context) string { return "generic" }
	o := fakeOptions(&fakeKernel{fakeStrategy{name: "generic", rate: 50_000, clock: clock}}, &fakeStrategy{name: "quick", rate: 60_000, clock: clock})
	o.SaltLengths, o.Threads = []int{32}, []int{1}
	r := mustRun(t, o, w)
	require.Equal(t, "generic", r.Chosen)
	require.Equal(t, "generic", r.Solve.Strategy)
	require.Contains(t, r.Summary, "; generic is chosen.")
	require.Contains(t, text(t, r), "\n> generic ")
}

// The summary says when the time to solution is that of a strategy other than the chosen
// kernel.
func TestChosenNotMeasured(t *testing.T) {
	w, clock := fakeEnvironment()
	w.choose = func(context.Context) string { return "avx2" }
	o := fakeOptions(&fakeKernel{fakeStrategy{name: "generic", rate: 50_000, clock: clock}})
	o.SaltLengths, o.Threads = []int{32}, []int{1}
	r := mustRun(t, o, w)
	require.Contains(t, r.Summary, " here on average with generic; gkpow chooses avx2, which was not measured.")
}

// A kernel that GKPOW_BACKEND names is the chosen one, however slow it is.
func TestChosenByEnvironment(t *testing.T) {
	t.Setenv("GKPOW_BACKEND", "generic")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, "generic", chosenKernel(ctx))
	t.Setenv("GKPOW_BACKEND", "")
	require.NotEmpty(t, chosenKernel(ctx), "the kernel that a search begins with")
}
