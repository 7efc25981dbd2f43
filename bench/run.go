package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// A runner holds the state of one call of Run.
type runner struct {
	Options
	environment
	report  *Report
	meters  []*meter // in the order of the report's rows
	order   []int    // indexes of the meters that can be measured, in the order of checking
	rng     *rand.Rand
	start   time.Time
	before  usage
	clocks  []float64
	hz      float64   // the latest of clocks
	clocked time.Time // when hz was measured
	ports   Ports
}

// Each phase's share of the budget that is left after the checks. Time that one phase does
// not use goes to the next. However long the checks take, throughput gets at least
// 1/leastRowsShare of the whole budget.
const (
	rowsShare      = 0.80
	leastRowsShare = 5
	chooseShare    = 10 // finding out which kernel the engine chooses takes at most 1/chooseShare
)

func run(ctx context.Context, o Options, w environment) (*Report, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	r := &runner{Options: o, environment: w, rng: rand.New(rand.NewPCG(o.Seed, 0))}
	r.begin()
	err = r.phases(ctx)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
		r.report.Stopped = err.Error()
	}
	r.end()
	if err != nil {
		return r.report, fmt.Errorf("bench: stopped after %.1f s: %w", r.report.Seconds, err)
	}
	return r.report, nil
}

// begin creates the report, with a row for everything that is to be measured.
func (r *runner) begin() {
	r.start = r.now()
	m := describe()
	r.system.describe(&m)
	r.before = r.system.usage()
	r.ports = PortsOf(m.Vendor, m.Family)
	r.report = &Report{
		Format: Format, Version: Version,
		Date:    r.start.Round(0).UTC(),
		Machine: m,
		Settings: Settings{
			Arguments:   r.Arguments,
			Seed:        r.Seed,
			SaltLengths: r.SaltLengths,
			Threads:     r.Threads,
			Budget:      r.Budget.Seconds(),
			Difficulty:  r.Difficulty,
		},
		Work: []Work{},
	}
	for _, s := range r.Strategies {
		r.report.Settings.Strategies = append(r.report.Settings.Strategies, s.Name())
		for _, length := range r.SaltLengths {
			for _, threads := range r.Threads {
				row := Row{Strategy: s.Name(), Backend: strategies.BackendOf(s), SaltLength: length, Threads: threads, Status: NotMeasured}
				if missing := s.Missing(); missing != "" {
					row.Status, row.Reason = Unavailable, "this CPU has no "+missing
				}
				r.report.Rows = append(r.report.Rows, row)
			}
		}
	}
}

// phases runs all phases in order.
func (r *runner) phases(ctx context.Context) error {
	for _, phase := range []func(context.Context) error{r.findChosen, r.prepare, r.check, r.rows, r.solve} {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	return nil
}

// findChosen finds out which kernel the engine chooses, unless the run measures no kernel.
func (r *runner) findChosen(ctx context.Context) error {
	kernels := slices.ContainsFunc(r.report.Rows, func(row Row) bool { return row.Backend != "" })
	if kernels && ctx.Err() == nil {
		inner, cancel := r.until(ctx, r.now().Add(min(time.Second, r.Budget/chooseShare)))
		defer cancel()
		r.report.Chosen = r.choose(inner)
	}
	return nil
}

// prepare creates the workload for each salt length and a meter for every row that can be
// measured, and orders the meters for checking.
func (r *runner) prepare(ctx context.Context) error {
	byLength := map[int]*workload{}
	for _, length := range r.SaltLengths {
		r.progress("preparing")
		g := newWorkload(r.Seed, length)
		byLength[length] = g
		r.report.Work = append(r.report.Work, g.work)
	}
	r.meters = make([]*meter, len(r.report.Rows))
	i := 0
	for _, s := range r.Strategies {
		for _, length := range r.SaltLengths {
			for _, threads := range r.Threads {
				if r.report.Rows[i].Status != Unavailable {
					r.meters[i] = &meter{strategy: s, workload: byLength[length], width: workWidths[0], threads: threads}
				}
				i++
			}
		}
	}
	return r.arrange(ctx)
}

// outline returns the plan of a search with one of the engine's kernels, without rates.
func outline(backend string, workers int, p solver.Puzzle) (solver.Plan, error) {
	s, err := solver.New(solver.Options{Backend: backend, Workers: workers})
	if err != nil {
		return solver.Plan{}, err
	}
	return s.Outline(p)
}

// fail marks the rows of a failed meter as failed for all numbers of threads: a strategy
// that is wrong with one number of threads cannot be trusted with another.
func (r *runner) fail(t *meter) {
	for i, other := range r.meters {
		if other == nil || other.strategy.Name() != t.strategy.Name() || other.workload != t.workload {
			continue
		}
		if other.failed == "" {
			other.failed = t.failed
		}
		r.report.Rows[i].Status, r.report.Rows[i].Reason = Failed, other.failed
	}
}

// left returns the remaining budget.
func (r *runner) left() time.Duration { return r.Budget - r.now().Sub(r.start) }

// progress reports how far the run has got.
func (r *runner) progress(phase string) {
	if r.Progress != nil {
		done := r.now().Sub(r.start).Seconds() / r.Budget.Seconds()
		r.Progress(Progress{phase, min(max(done, 0), 1)})
	}
}

// watchClock measures the CPU's clock unless it did so recently.
func (r *runner) watchClock(ctx context.Context) {
	if r.now().Sub(r.clocked) >= clockEvery {
		r.measureClock(ctx)
	}
}

// measureClock measures the CPU's clock.
func (r *runner) measureClock(ctx context.Context) {
	hz := r.clock(ctx)
	r.clocked = r.now()
	if hz > 0 {
		r.hz = hz
		r.clocks = append(r.clocks, hz)
	}
}

// end completes the report.
func (r *runner) end() {
	report := r.report
	report.Complete = report.Stopped == ""
	report.Seconds = r.now().Sub(r.start).Seconds()
	report.Clock = estimate(r.clocks)
	report.Checksum = workChecksum(report.Work)
	for i, t := range r.meters {
		if t == nil {
			continue
		}
		row := &report.Rows[i]
		if row.fill(t.results()); row.Status == NotMeasured && row.Reason == "" && report.Complete {
			row.Reason = "every sample ended before it tried a nonce"
		}
	}
	if report.Scaling != nil {
		report.Scaling.fill()
	}
	report.Verdict = Pass
	for i := range report.Rows {
		if report.Rows[i].Status == Failed {
			report.Verdict = Fail
		}
	}
	if report.Solve != nil && report.Solve.Fault != "" {
		report.Verdict = Fail
	}
	report.Warnings = warnings(report, r.clocks, r.before, r.system.usage())
	report.Summary = report.summary()
}

// results returns the samples of a meter, or its warm-up sample if it has no others.
func (m *meter) results() []Sample {
	if len(m.samples) == 0 && m.failed == "" && m.warm.Hashes > 0 {
		return []Sample{m.warm}
	}
	return m.samples
}

// workChecksum returns the checksum over all work.
func workChecksum(work []Work) string {
	var all []uint64
	for _, w := range work {
		var sum uint64
		if _, err := fmt.Sscanf(w.Checksum, "%x", &sum); err == nil {
			all = append(all, sum)
		}
	}
	return checksum(all)
}

// fill computes the figures of a row from its samples.
func (row *Row) fill(samples []Sample) {
	row.Samples = samples
	if len(samples) == 0 {
		return
	}
	if row.Status == NotMeasured {
		row.Status = Measured
	}
	threads := float64(row.Threads)
	var rates, perCycle []float64 // hashes per second of all threads, and per cycle of one
	for _, s := range samples {
		rates = append(rates, s.rate())
		if s.Hz > 0 {
			perCycle = append(perCycle, s.rate()/threads/s.Hz)
		}
	}
	rate := estimate(rates)
	row.Rate, row.Nanoseconds = &rate, new(rate.under(1e9*threads))
	if len(perCycle) == len(samples) { // rate and cycles must come from the same samples
		row.Cycles = new(estimate(perCycle).under(1))
		if row.Bound > 0 {
			row.BoundShare = row.Bound / row.Cycles.Median
		}
	}
}
