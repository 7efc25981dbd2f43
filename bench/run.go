package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gkpow/gkpow/solver"
)

// A runner is one call of Run.
type runner struct {
	Options
	world
	report  *Report
	grounds []*ground
	tracks  []*track // in the order of the report's rows
	rng     *rand.Rand
	start   time.Time
	before  usage
	clocks  []float64
	hz      float64   // the last of clocks
	clocked time.Time // when that was measured
	ports   ports
}

// The parts of the budget that is left when the answers are checked. What one
// does not use goes to the next. However long the checks took, the throughput gets
// one part in leastRowsShare of the budget.
const (
	rowsShare      = 0.70
	scalingShare   = 0.10
	leastRowsShare = 5
)

func run(ctx context.Context, o Options, w world) (*Report, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	r := &runner{Options: o, world: w, rng: rand.New(rand.NewPCG(o.Seed, 0))}
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

// begin makes the report.
func (r *runner) begin() {
	r.start = r.now()
	m := describe()
	r.system.describe(&m)
	r.before = r.system.usage()
	r.ports = portsOf(&m)
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
				row := Row{Strategy: s.Name(), Backend: backendOf(s), SaltLength: length, Threads: threads, Status: NotMeasured}
				if missing := s.Missing(); missing != "" {
					row.Status, row.Reason = Unavailable, "this CPU has no "+missing
				}
				r.report.Rows = append(r.report.Rows, row)
			}
		}
	}
}

// phases does all there is to do.
func (r *runner) phases(ctx context.Context) error {
	for _, phase := range []func(context.Context) error{r.prepare, r.check, r.rows, r.scaling, r.solve} {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the grounds, and a track for every row that can be measured.
func (r *runner) prepare(ctx context.Context) error {
	byLength := map[int]*ground{}
	for _, length := range r.SaltLengths {
		r.progress("preparing")
		g := newGround(r.Seed, length)
		r.grounds = append(r.grounds, g)
		byLength[length] = g
		r.report.Work = append(r.report.Work, g.work)
	}
	r.tracks = make([]*track, len(r.report.Rows))
	i := 0
	for _, s := range r.Strategies {
		for _, length := range r.SaltLengths {
			for _, threads := range r.Threads {
				if r.report.Rows[i].Status != Unavailable {
					r.tracks[i] = &track{strategy: s, ground: byLength[length], width: workWidths[0], threads: threads}
				}
				i++
			}
		}
	}
	return nil
}

// check has every track do the fixed work. Those that fail are not measured.
func (r *runner) check(ctx context.Context) error {
	for i, t := range r.tracks {
		if t == nil {
			continue
		}
		r.progress("checking answers")
		begin := r.now()
		sum, err := t.verify(ctx)
		if err != nil {
			return err
		}
		r.report.Rows[i].Checksum = sum
		if err := r.lay(ctx, t, &r.report.Rows[i], r.now().Sub(begin)); err != nil {
			return err
		}
		if t.failed != "" {
			r.fail(t)
		}
	}
	return nil
}

// lay chooses the nonces that the track is measured with: those that a search by
// the engine would mostly go through, and for other strategies those that a loop
// from 0 on would. A kernel gets more work to do rightly, once, unless it is so slow
// by the time that the fixed work took that there is no time for that.
func (r *runner) lay(ctx context.Context, t *track, row *Row, took time.Duration) error {
	row.Digits = t.width
	// What is so slow that a sixth of the budget, or more, would go into this for
	// all rows must do without.
	if row.Backend == "" || t.failed != "" || took > r.Budget/60 {
		return nil
	}
	plan := t.plans[row.Backend]
	if plan == nil {
		var err error
		plan, err = explain(ctx, row.Backend, 1, solver.Puzzle{Prefix: t.prefix, Bits: 4 * DefaultDifficulty})
		if err != nil {
			if t.stopped(ctx, err) {
				return err
			}
			return nil // it has failed
		}
		t.plans[row.Backend] = plan
	}
	s := mainSegment(plan)
	t.width, row.Digits = s.Width, s.Width
	row.Operations, row.Bound = s.OpsPerHash, r.ports.bound(row.Backend, s)
	const times = 10 // what the whole work takes, of the fixed work
	if t.threads != r.Threads[0] || times*took > r.Budget/20 {
		return nil
	}
	_, err := t.verifyRange(ctx, wholeBits, nonces(wholeWidth), t.wholeWork())
	return err
}

// explain plans a search by a kernel of the engine.
func explain(ctx context.Context, backend string, workers int, p solver.Puzzle) (*solver.Plan, error) {
	s, err := solver.New(solver.Options{Backend: backend, Workers: workers})
	if err != nil {
		return nil, err
	}
	plan, err := s.Explain(ctx, p)
	return &plan, err
}

// fail shows in the rows that a track has failed. Its strategy is not to be trusted
// with other numbers of threads either.
func (r *runner) fail(t *track) {
	for i, other := range r.tracks {
		if other == nil || other.strategy.Name() != t.strategy.Name() || other.ground != t.ground {
			continue
		}
		if other.failed == "" {
			other.failed = t.failed
		}
		r.report.Rows[i].Status, r.report.Rows[i].Reason = Failed, other.failed
	}
}

// left is what is left of the budget.
func (r *runner) left() time.Duration { return r.Budget - r.now().Sub(r.start) }

// progress tells how far the run is.
func (r *runner) progress(phase string) {
	if r.Progress != nil {
		done := r.now().Sub(r.start).Seconds() / r.Budget.Seconds()
		r.Progress(Progress{phase, min(max(done, 0), 1)})
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
	for i, t := range r.tracks {
		if t != nil {
			report.Rows[i].fill(t.samples)
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
	report.Doubts = doubts(report, r.clocks, r.before, r.system.usage())
	report.Summary = report.summary()
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

// fill completes a row from its samples.
func (row *Row) fill(samples []Sample) {
	row.Samples = samples
	if len(samples) == 0 {
		return
	}
	if row.Status == NotMeasured {
		row.Status = Measured
	}
	var rates, cycles []float64
	for _, s := range samples {
		rates = append(rates, s.rate())
		if s.Hz > 0 {
			cycles = append(cycles, s.Hz*float64(row.Threads)/s.rate())
		}
	}
	rate := estimate(rates)
	ns := rate.inverse(1e9 * float64(row.Threads))
	row.Rate, row.Nanoseconds = &rate, &ns
	if len(cycles) > 0 {
		e := estimate(cycles)
		row.Cycles = &e
		if row.Bound > 0 {
			row.BoundShare = row.Bound / e.Median
		}
	}
}
