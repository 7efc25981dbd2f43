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
	// muchFaster is how many times as fast a strategy must be for its other salt lengths
	// to be checked before a slow strategy's main one.
	muchFaster = 10
)

// arrange orders the tracks for checking, by a probe that ignores answers: fast ones
// first, so that slow ones do not delay them. Tracks of the main salt length, which a
// report shows first, come before all others except much faster ones.
func (r *runner) arrange(ctx context.Context) error {
	perHash := map[string]float64{} // seconds, by strategy
	costs := make([]float64, len(r.tracks))
	for i, t := range r.tracks {
		if t == nil {
			continue
		}
		name := t.strategy.Name()
		if _, ok := perHash[name]; !ok {
			r.progress("preparing")
			for range 2 { // a kernel's first search tests it, so the second counts
				perHash[name] = r.probe(ctx, t)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		costs[i] = perHash[name]
		if t.length != r.report.Settings.mainSalt() {
			costs[i] *= muchFaster
		}
		r.order = append(r.order, i)
	}
	slices.SortStableFunc(r.order, func(a, b int) int { return cmp.Compare(costs[a], costs[b]) })
	return nil
}

// probe returns how many seconds a hash takes in a short search. Errors are for check
// to find.
func (r *runner) probe(ctx context.Context, t *track) float64 {
	begin := r.now()
	inner, cancel := r.until(ctx, begin.Add(probeTime))
	defer cancel()
	p := solver.Puzzle{Prefix: t.prefix, Bits: sampleBits}
	first := nonces(t.width).First
	hashes, err := t.strategy.Search(inner, p, strategies.Range{First: first, Last: first + probeNonces - 1}, func(uint64) bool { return true })
	if err == nil {
		hashes = probeNonces // whatever it has counted
	}
	return r.now().Sub(begin).Seconds() / float64(max(hashes, 1))
}

// check makes every track do the fixed work. Correct tracks warm up at once, which gives
// them a figure if the run is stopped before the first round. Tracks that fail, or for
// which there is no time, are not measured.
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
		t := r.tracks[i]
		if t.failed != "" {
			r.fail(t)
		} else if inner.Err() != nil && t.warm.Hashes == 0 {
			t.late = true
			r.report.Rows[i].Reason = "there was no time to check its answers"
		}
	}
	return nil
}

// checkRow checks one track. It returns early if it fails or the context ends.
func (r *runner) checkRow(ctx context.Context, i int, slice time.Duration) {
	t, row := r.tracks[i], &r.report.Rows[i]
	begin := r.now()
	sum, err := t.verify(ctx)
	if err != nil {
		return
	}
	row.Checksum = sum
	if err := r.lay(ctx, t, row, r.now().Sub(begin)); err != nil || t.failed != "" {
		return
	}
	r.watchClock(ctx)
	if err := t.warmUp(ctx, r.world, slice); t.stopped(ctx, err) {
		t.warm = Sample{}
		return
	}
	t.warm.Hz = r.hz
	t.spent = 0 // the rounds have a time budget of their own
	t.judge()
}

// lay chooses the nonces that the track is measured with: for a kernel those that most
// searches of the engine go through, for other strategies those of a loop that counts
// from 0. A kernel also has to find all solutions of one width, unless the time that the
// fixed work took shows that it is too slow.
func (r *runner) lay(ctx context.Context, t *track, row *Row, took time.Duration) error {
	row.Digits = t.width
	if row.Backend == "" || t.failed != "" {
		return nil
	}
	plan, planned := t.plans[row.Backend]
	if !planned {
		var err error
		if planTime(took.Seconds()/float64(t.work.Hashes)) <= r.Budget/planShare {
			plan, err = explain(ctx, row.Backend, 1, solver.Puzzle{Prefix: t.prefix, Bits: sampleBits})
		}
		if t.stopped(ctx, err) || t.failed != "" {
			return err
		}
		t.plans[row.Backend] = plan
	}
	if plan != nil {
		s := mainSegment(plan)
		t.width = s.Width
		row.Operations, row.Bound = s.OpsPerHash, r.ports.bound(row.Backend, s)
	} else if other := t.anyPlan(); other != nil {
		t.width = mainSegment(other).Width // kernels mostly agree about it
	}
	row.Digits = t.width
	const times = 10 // as long as the fixed work, about
	if plan == nil || t.threads != r.Threads[0] || times*took > r.Budget/20 {
		return nil
	}
	_, err := t.verifyRange(ctx, wholeBits, nonces(wholeWidth), t.wholeWork())
	return err
}

// planShare is the part of the budget, one in so many, that a kernel may take for the
// plan of a search after one salt length.
const planShare = 40

// planTime estimates how long solver.Solver.Explain takes with a kernel, by the seconds
// for a hash: some 40 slices of half a millisecond, or of 12,800 hashes for slow kernels.
func planTime(perHash float64) time.Duration {
	return 40 * seconds(max(0.0005, 12_800*perHash))
}
