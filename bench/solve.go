package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// How many puzzles are solved for the time to solution.
const (
	mostSolves = 100
	fewSolves  = 10 // fewer are doubtful
	solveSlack = 1.2
)

// solve predicts the time to solution with the most threads, and solves puzzles while
// time remains.
func (r *runner) solve(ctx context.Context) error {
	t := r.solving()
	if t == nil {
		return nil
	}
	puzzles := puzzles{rand.New(rand.NewPCG(r.Seed, 1<<32)), t.length, r.Difficulty}
	plan, err := r.plan(ctx, t, puzzles.next())
	if t.stopped(ctx, err) {
		return err
	}
	if err != nil {
		r.fail(t)
		return nil
	}
	s := &Solve{
		Strategy:   t.strategy.Name(),
		SaltLength: t.length,
		Threads:    t.threads,
		Difficulty: r.Difficulty,
		Rate:       t.median(),
		Times:      []float64{},
		Deadline:   solver.ChallengeLifetime.Seconds(),
		Missed:     plan.Missed(solver.ChallengeLifetime),
		NotFound:   plan.Missed(math.MaxInt64),
	}
	r.report.Solve = s
	s.predict(plan)

	end := r.now().Add(r.left())
	s.Planned = min(int(r.left().Seconds()/(solveSlack*plan.Time().Seconds())), mostSolves)
	if s.Planned < 1 {
		s.Planned = 0
		s.Note = fmt.Sprintf("a solution takes %s on average, and the time was up", formatSeconds(plan.Time().Seconds()))
		return nil
	}
	// The slowest puzzles must be among the times, so there is some slack.
	ctx, cancel := context.WithTimeoutCause(ctx, end.Sub(r.now())+r.Budget/10, errLate)
	defer cancel()
	defer s.fill()
	for range s.Planned {
		r.progress("time to solution")
		p := puzzles.next()
		begin := r.now()
		nonce, err := t.solve(ctx, p)
		elapsed := r.now().Sub(begin)
		if err == nil && !p.Solves(nonce) {
			err = fmt.Errorf("nonce %d is no solution of the puzzle with the salt %q", nonce, p.Prefix[:len(p.Prefix)-1])
		}
		if err == nil {
			s.Times = append(s.Times, max(elapsed, 1).Seconds())
			continue
		}
		switch {
		case !t.stopped(ctx, err):
			s.Fault = t.failed
			r.fail(t)
		case context.Cause(ctx) == errLate:
			s.Note = fmt.Sprintf("%d of %d puzzles were solved before the time was up", len(s.Times), s.Planned)
		default:
			return err
		}
		break
	}
	return nil
}

// solving returns the track for the time to solution: that of the kernel that the
// engine has chosen, with the most threads, or else the fastest.
func (r *runner) solving() *track {
	threads := slices.Max(r.Threads)
	for i, row := range r.report.Rows {
		t := r.tracks[i]
		if t != nil && row.Backend == r.report.Chosen && row.Backend != "" && t.failed == "" && len(t.samples) > 0 &&
			row.Threads == threads && row.SaltLength == r.report.Settings.mainSalt() {
			return t
		}
	}
	return r.fastest(threads)
}

// fill computes the figures from the times.
func (s *Solve) fill() {
	s.Measured = quantiles(s.Times)
	s.MeanLow, s.MeanHigh = 0, 0
	if n := float64(len(s.Times)); n > 0 {
		// 2n times the ratio of the measured mean to the true one has a chi-squared
		// distribution with 2n degrees of freedom.
		const normal = 1.96 // the 97.5 % quantile
		s.MeanLow = s.Measured.Mean * 2 * n / chiSquared(2*n, normal)
		s.MeanHigh = s.Measured.Mean * 2 * n / chiSquared(2*n, -normal)
	}
}

// agrees reports whether the predicted mean lies in the interval of the measured one.
func (s *Solve) agrees() bool {
	return s.MeanLow <= s.Predicted.Mean && s.Predicted.Mean <= s.MeanHigh
}

// chiSquared approximates the quantile of a chi-squared distribution for a quantile of
// the normal one: Wilson and Hilferty 1931.
func chiSquared(degrees, normal float64) float64 {
	k := 2 / (9 * degrees)
	return degrees * math.Pow(1-k+normal*math.Sqrt(k), 3)
}

// errLate is the cause of the end of solving when the time is up.
var errLate = fmt.Errorf("the time is up: %w", context.DeadlineExceeded)

// puzzles makes puzzles, each with its own salt.
type puzzles struct {
	rng                *rand.Rand
	length, difficulty int
}

func (p puzzles) next() solver.Puzzle {
	return solver.Puzzle{Prefix: append([]byte(hexSalt(p.rng, p.length)), ':'), Bits: 4 * p.difficulty}
}

// plan returns the plan of a search by the track's strategy, at the measured rate.
func (r *runner) plan(ctx context.Context, t *track, p solver.Puzzle) (*solver.Plan, error) {
	rate := t.median()
	backend := strategies.BackendOf(t.strategy)
	if backend == "" {
		all := solver.PlanSegment{Last: solver.MaxSafeInteger, HashRate: rate, Reached: 1, Chance: 1}
		return &solver.Plan{Workers: 1, Bits: p.Bits, Segments: []solver.PlanSegment{all}, HashRate: rate}, nil
	}
	plan, err := explain(ctx, backend, t.threads, p)
	if err != nil {
		return nil, err
	}
	// The rate is that of the main segment. Other segments differ in proportion to
	// their operations.
	scale := rate * mainSegment(plan).OpsPerHash
	plan.Workers = 1
	for i := range plan.Segments {
		plan.Segments[i].HashRate = scale / plan.Segments[i].OpsPerHash
	}
	return plan, nil
}

// predict fills in the prediction from the plan.
func (s *Solve) predict(plan *solver.Plan) {
	seconds := func(chance float64) float64 {
		d, ok := plan.Quantile(chance)
		if !ok || d == math.MaxInt64 {
			return 0
		}
		return d.Seconds()
	}
	s.Predicted = Quantiles{P50: seconds(0.50), P95: seconds(0.95), P99: seconds(0.99)}
	if mean := plan.Time(); mean < math.MaxInt64 {
		s.Predicted.Mean = mean.Seconds()
	}
	for i := range 100 {
		chance := (float64(i) + 0.5) / 100
		if t := seconds(chance); t > 0 {
			s.Curve = append(s.Curve, CurvePoint{t, chance})
		}
	}
	for _, chance := range []float64{0.999, 0.9999} {
		if t := seconds(chance); t > 0 {
			s.Curve = append(s.Curve, CurvePoint{t, chance})
		}
	}
}

// quantiles returns the quantiles for which there are enough times.
func quantiles(times []float64) (q Quantiles) {
	sorted := slices.Sorted(slices.Values(times))
	if len(sorted) == 0 {
		return q
	}
	for _, t := range sorted {
		q.Mean += t / float64(len(sorted))
	}
	q.P50 = quantile(sorted, 0.50)
	if len(sorted) >= 20 {
		q.P95 = quantile(sorted, 0.95)
	}
	if len(sorted) >= 100 {
		q.P99 = quantile(sorted, 0.99)
	}
	return q
}

// solve finds a solution: a kernel of the engine as it does in a program, any other
// strategy from nonce 0 on.
func (t *track) solve(ctx context.Context, p solver.Puzzle) (nonce uint64, err error) {
	if backend := strategies.BackendOf(t.strategy); backend != "" {
		s, err := solver.New(solver.Options{Backend: backend, Workers: t.threads})
		if err != nil {
			return 0, err
		}
		solution, err := s.Solve(ctx, p)
		if err == nil && solution.Fault != nil {
			return 0, solution.Fault
		}
		return solution.Nonce, err
	}
	_, err = strategies.Search(ctx, t.strategy, t.threads, p, strategies.Range{Last: solver.MaxSafeInteger}, func(n uint64) bool {
		nonce = n
		return false
	})
	return nonce, err
}
