package bench

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

const (
	probeNonces = 100
	probeTime   = time.Millisecond // at most
	// A strategy that is muchFaster times as fast as another is checked with all its salt
	// lengths before the slower one is checked with the main salt length.
	muchFaster = 10
	// loopShare limits the fixed work of the sample loop, if it is to be checked early, to
	// 1/loopShare of the budget.
	loopShare = 40
	// mostProbes is how many times to probe a strategy while little of the budget is used. The
	// fastest probe counts: a kernel's first search also tests the kernel, and other processes
	// interrupt some.
	mostProbes  = 3
	probesShare = 5 // later probes may begin until 1/probesShare of the budget is used
)

// arrange orders the meters for checking, fastest first, so that slow ones do not delay
// the others. It times each strategy with a probe that ignores answers. Meters for the main
// salt length, which a report shows first, come before all others except much faster ones.
// The kernel that the engine chooses and the sample loop come first of all: the summary
// compares them, and on a busy machine a probe may put them last.
func (r *runner) arrange(ctx context.Context) error {
	perHash := map[string]float64{} // seconds, by strategy
	costs := make([]float64, len(r.meters))
	for i, t := range r.meters {
		if t == nil {
			continue
		}
		name := t.strategy.Name()
		if _, ok := perHash[name]; !ok {
			r.progress("preparing")
			perHash[name] = r.probe(ctx, t)
			for n := 1; n < mostProbes && r.left() > r.Budget-r.Budget/probesShare; n++ {
				perHash[name] = min(perHash[name], r.probe(ctx, t))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		costs[i] = perHash[name]
		work := seconds(perHash[name] * float64(t.work.Hashes))
		switch {
		case t.length != r.report.Settings.mainSalt():
			costs[i] *= muchFaster
		case r.report.Rows[i].Backend != "" && r.report.Rows[i].Backend == r.report.Chosen:
			costs[i] = -2
		case name == sampleLoop && work <= r.Budget/loopShare:
			costs[i] = -1
		}
		r.order = append(r.order, i)
	}
	slices.SortStableFunc(r.order, func(a, b int) int { return cmp.Compare(costs[a], costs[b]) })
	return nil
}

// probe returns the seconds per hash of a short search. It ignores errors, which check
// will find. A search that tried nothing spent its time on a long salt, which counts once.
func (r *runner) probe(ctx context.Context, t *meter) float64 {
	begin := r.now()
	inner, cancel := r.until(ctx, begin.Add(probeTime))
	defer cancel()
	p := solver.Puzzle{Prefix: t.prefix, Bits: sampleBits}
	first := nonces(t.width).First
	hashes, err := t.strategy.Search(inner, p, strategies.Range{First: first, Last: first + probeNonces - 1}, func(uint64) bool { return true })
	if err == nil || hashes == 0 {
		hashes = probeNonces // the strategy's own count is not checked yet
	}
	return r.now().Sub(begin).Seconds() / float64(hashes)
}

// check makes every strategy do the fixed work. A meter whose answers are correct warms up at
// once, so that it has a figure even if the run is stopped before the first round. Meters
// that fail, and those whose turn does not come in time, are not measured.
func (r *runner) check(ctx context.Context) error {
	inner, cancel := r.until(ctx, r.start.Add(r.Budget-r.Budget/leastRowsShare))
	defer cancel()
	_, slice := r.cut(seconds(r.Budget.Seconds()*rowsShare), len(r.order))
	slice = min(slice, goodSlice) // enough for a first figure
	for _, i := range r.order {
		r.progress("checking answers")
		if inner.Err() == nil {
			r.checkRow(inner, i, slice)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t := r.meters[i]
		if t.failed != "" {
			r.fail(t)
		} else if inner.Err() != nil && t.warm.Hashes == 0 {
			t.late = true
			r.report.Rows[i].Reason = "there was no time to check its answers"
		}
	}
	return nil
}

// checkRow checks one meter. It returns early if the meter fails or the context ends.
func (r *runner) checkRow(ctx context.Context, i int, slice time.Duration) {
	t, row := r.meters[i], &r.report.Rows[i]
	begin := r.now()
	sum, err := t.verify(ctx)
	if err != nil {
		return
	}
	row.Checksum = sum
	if err := r.chooseWidth(ctx, t, row, r.now().Sub(begin)); err != nil || t.failed != "" {
		return
	}
	r.watchClock(ctx)
	if err := t.warmUp(ctx, r.environment, slice); t.stopped(ctx, err) {
		t.warm = Sample{}
		return
	}
	t.warm.Hz = r.hz
	t.spent = 0 // the rounds have a time budget of their own
	t.checkCounts()
}

// chooseWidth chooses how many digits the nonces to measure with have. A kernel gets the
// width that most of the engine's searches go through; any other strategy keeps the width of
// most nonces in a loop that counts from 0. A kernel must also find all solutions of one
// width, unless the time that it took for the fixed work shows that it is too slow.
func (r *runner) chooseWidth(ctx context.Context, t *meter, row *Row, took time.Duration) error {
	row.Digits = t.width
	if row.Backend == "" || t.failed != "" {
		return nil
	}
	plan, err := outline(row.Backend, t.threads, solver.Puzzle{Prefix: t.prefix, Bits: sampleBits})
	if err != nil {
		t.failed = err.Error()
		return nil
	}
	s := mainSegment(&plan)
	t.width, row.Digits = s.Width, s.Width
	row.Operations, row.Bound = s.OpsPerHash, r.ports.bound(row.Backend, s)
	const times = 10 // a whole width takes about ten times as long as the fixed work
	if t.threads != r.Threads[0] || times*took > r.Budget/20 {
		return nil
	}
	_, err = t.verifyRange(ctx, wholeBits, nonces(wholeWidth), t.wholeWork())
	return err
}
