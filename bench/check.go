package bench

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver"
)

const (
	probeNonces = 100
	// How many times as fast a strategy must be for its rows of other salt lengths to
	// be checked before one of the main salt length.
	muchFaster = 10
)

// arrange finds the order in which tracks are checked, by a probe whose answers do
// not count: fast ones first, so that no slow one delays the figures of others, and
// of those that are not much faster the ones of the main salt length, which a report
// shows first.
func (r *runner) arrange(ctx context.Context) error {
	took := map[string]time.Duration{}
	costs := make([]time.Duration, len(r.tracks))
	for i, t := range r.tracks {
		if t == nil {
			continue
		}
		name := t.strategy.Name()
		if _, ok := took[name]; !ok {
			r.progress("preparing")
			first := nonces(t.width).First
			for range 2 { // a kernel's first search tests it, so the second counts
				begin := r.now()
				_, _ = t.search(ctx, workBits, first, first+probeNonces-1) // what is wrong shows in check
				took[name] = r.now().Sub(begin)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		costs[i] = took[name]
		if t.length != r.report.Settings.mainSalt() {
			costs[i] *= muchFaster
		}
		r.order = append(r.order, i)
	}
	slices.SortStableFunc(r.order, func(a, b int) int { return cmp.Compare(costs[a], costs[b]) })
	return nil
}

// check has every track do the fixed work. Those that do it rightly warm up at once,
// and what that gives is their figure if the run is stopped before the first round.
// Those that fail are not measured.
func (r *runner) check(ctx context.Context) error {
	_, slice := r.cut(seconds(r.Budget.Seconds()*rowsShare), len(r.order))
	slice = min(slice, goodSlice) // more is not needed, and the next is waiting
	for _, i := range r.order {
		t := r.tracks[i]
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
		if t.failed == "" {
			r.watchClock(ctx)
			if err := t.warmUp(ctx, r.world, slice); t.stopped(ctx, err) {
				return err
			}
			t.warm.Hz = r.hz
			t.spent = 0 // what the rounds have for it is for them alone
			t.judge()
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
	if row.Backend == "" || t.failed != "" {
		return nil
	}
	plan, planned := t.plans[row.Backend]
	if !planned {
		// What is so slow that a twelfth of the budget, or more, would go into this for
		// all rows must do without, with any number of threads.
		if took <= r.Budget/120 {
			var err error
			plan, err = explain(ctx, row.Backend, 1, solver.Puzzle{Prefix: t.prefix, Bits: 4 * DefaultDifficulty})
			if t.stopped(ctx, err) {
				return err
			}
			if t.failed != "" {
				return nil
			}
		}
		t.plans[row.Backend] = plan
	}
	if plan == nil {
		return nil
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
