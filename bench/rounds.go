package bench

import (
	"context"
	"math"
	"slices"
	"time"
)

// goodSlice is a sample length that is short enough for most samples to run without
// interruption by the operating system, and long enough for the start of a search to be
// negligible. Samples shorter than shortSlice cause a warning.
const (
	goodSlice  = 8 * time.Millisecond
	shortSlice = 2 * time.Millisecond
)

// How cut divides the time into rounds, unless Options.Rounds gives their number.
const (
	defaultRounds = 11
	quickRounds   = 6
	mostRounds    = 501
	leastSlice    = 200 * time.Microsecond
	longestSlice  = time.Second
	spareRounds   = 1.5                   // reserved for warming up and for samples that end late
	clockEvery    = 30 * time.Millisecond // interval between measurements of the clock
)

// cut divides the time into rounds, each with the given number of samples and their audits,
// and returns the number of rounds and the length of a sample. The number is Options.Rounds;
// if that is 0, it is as many rounds as fit with samples of goodSlice, within limits.
func (r *runner) cut(budget time.Duration, samples int) (rounds int, slice time.Duration) {
	each := budget.Seconds() / float64(max(samples, 1)) * auditShare / (auditShare + 1)
	rounds = r.Rounds
	if rounds == 0 {
		least := defaultRounds
		if r.Quick {
			least = quickRounds
		}
		fit := int(min(each/goodSlice.Seconds()-spareRounds, mostRounds))
		rounds = max(fit, least)
	}
	slice = seconds(each / (float64(rounds) + spareRounds))
	return rounds, min(max(slice, leastSlice), longestSlice)
}

// rows measures the throughput of all meters, in turn. Meters for the numbers of threads that only
// Scaling shows take part, so that each of its points is measured under the same conditions.
func (r *runner) rows(ctx context.Context) error {
	var meters []*meter
	for _, t := range r.meters {
		if t != nil && t.failed == "" && !t.late {
			meters = append(meters, t)
		}
	}
	if len(meters) == 0 {
		return nil
	}
	points := r.scaling()
	for _, t := range points {
		if !slices.Contains(meters, t) {
			meters = append(meters, t)
		}
	}
	end := r.now().Add(max(seconds(r.left().Seconds()*rowsShare), r.Budget/leastRowsShare))
	rounds, slice := r.cut(end.Sub(r.now()), len(meters))
	r.report.Settings.Rounds, r.report.Settings.Slice = rounds, slice.Seconds()
	err := r.rounds(ctx, meters, rounds, slice, end)
	if len(points) > 0 {
		s := &Scaling{Strategy: points[0].strategy.Name(), SaltLength: points[0].length}
		for _, t := range points {
			s.Points = append(s.Points, ScalingPoint{Threads: t.threads, Samples: t.results()})
		}
		r.report.Scaling = s
	}
	return err
}

// rounds measures the meters in turn, in a new random order in each round, until all rounds
// are done or the time is up.
func (r *runner) rounds(ctx context.Context, meters []*meter, rounds int, slice time.Duration, end time.Time) error {
	if r.Rounds > 0 { // a given number of rounds may take up to half as long again
		end = end.Add(end.Sub(r.now()) / 2)
	}
	r.measureClock(ctx)
	for _, t := range meters {
		if t.rate > 0 {
			continue // it warmed up after its check
		}
		r.progress("throughput")
		if err := t.warmUp(ctx, r.environment, slice); t.stopped(ctx, err) {
			return err
		}
	}
	defer func() {
		for _, t := range meters {
			if t.checkCounts(); t.failed != "" {
				r.fail(t)
			}
		}
	}()
	for round := range rounds {
		for _, i := range r.rng.Perm(len(meters)) {
			t := meters[i]
			slow := r.Rounds == 0 && t.spent > time.Duration(rounds+2)*slice*5/4
			if t.failed != "" || slow {
				continue // it used up its share of the time
			}
			// The first round gives every meter a sample while any of the budget is left.
			late := round > 0 || r.Rounds == 0 && r.left() <= 0 && t.warm.Hashes > 0
			if late && !r.now().Before(end) {
				return nil
			}
			r.watchClock(ctx)
			r.progress("throughput")
			s, err := t.sample(ctx, r.environment, max(slice, t.least))
			if t.stopped(ctx, err) {
				return err
			}
			if err == nil && s.Hashes > 0 {
				s.Hz = r.hz
				t.samples = append(t.samples, s)
			}
			if s.Seconds > 5*slice.Seconds() {
				continue // its searches start so slowly that an audit would use up the others' time
			}
			if err := t.audit(ctx, r.environment, slice/auditShare); t.stopped(ctx, err) {
				return err
			}
		}
	}
	return nil
}

// scaling returns a meter for each number of threads that Scaling shows: the row's meter if there is
// a row with that number, and otherwise a new one. It returns none if there is only one number. The
// strategy is the kernel that the engine chose, or else the fastest so far.
func (r *runner) scaling() (points []*meter) {
	threads := scalingThreads(r.Threads)
	first := r.preferred(r.Threads[0])
	if len(threads) < 2 || first == nil {
		return nil
	}
	for _, n := range threads {
		i := slices.IndexFunc(r.meters, func(t *meter) bool {
			return t != nil && t.strategy.Name() == first.strategy.Name() && t.workload == first.workload && t.threads == n
		})
		if i >= 0 {
			if !r.meters[i].late { // its answers were checked
				points = append(points, r.meters[i])
			}
			continue
		}
		points = append(points, &meter{strategy: first.strategy, workload: first.workload, width: first.width, threads: n})
	}
	return points
}

// scalingThreads returns the numbers of threads to measure. If asked is 1 and one larger
// number, it adds the numbers between them, or only the powers of 2 if the larger one is
// above 8.
func scalingThreads(asked []int) []int {
	if len(asked) != 2 || asked[0] != 1 {
		return asked
	}
	threads := []int{1}
	most := asked[1]
	for n := 2; n < most; n++ {
		if most <= 8 || n&(n-1) == 0 {
			threads = append(threads, n)
		}
	}
	return append(threads, most)
}

// preferred returns the meter of the kernel that the engine chose, or of the fastest strategy if that
// kernel was not measured, for the main salt length and the given number of threads. It returns nil
// if no strategy was measured.
func (r *runner) preferred(threads int) *meter {
	for i, t := range r.meters {
		if backend := r.report.Rows[i].Backend; backend != "" && backend == r.report.Chosen && r.represents(t, threads) {
			return t
		}
	}
	return r.fastest(threads)
}

// represents reports whether a meter has a rate, and is for the main salt length and the given
// number of threads.
func (r *runner) represents(t *meter, threads int) bool {
	if t == nil || t.failed != "" || len(t.results()) == 0 {
		return false
	}
	return t.threads == threads && t.length == r.report.Settings.mainSalt()
}

// fastest returns the meter with the highest median rate for the main salt length and the
// given number of threads, or nil if none was measured.
func (r *runner) fastest(threads int) (best *meter) {
	rate := math.Inf(-1)
	for _, t := range r.meters {
		if !r.represents(t, threads) {
			continue
		}
		if median := t.median(); median > rate {
			best, rate = t, median
		}
	}
	return best
}

// median returns the meter's median rate.
func (m *meter) median() float64 { return m.estimate().Median }

// estimate returns the meter's rate with its confidence interval.
func (m *meter) estimate() Estimate {
	var rates []float64
	for _, s := range m.results() {
		rates = append(rates, s.rate())
	}
	return estimate(rates)
}

// fill computes the figures of the points from their samples.
func (s *Scaling) fill() {
	for i := range s.Points {
		p := &s.Points[i]
		if len(p.Samples) == 0 {
			continue
		}
		var rates []float64
		for _, sample := range p.Samples {
			rates = append(rates, sample.rate())
		}
		rate := estimate(rates)
		p.Rate = &rate
		if first := s.Points[0]; first.Rate != nil {
			p.Speedup = rate.Median / first.Rate.Median
			p.Efficiency = p.Speedup * float64(first.Threads) / float64(p.Threads)
		}
	}
}
