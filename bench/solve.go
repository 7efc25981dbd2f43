package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// How many puzzles to solve for the time to solution, and how long that may take.
const (
	mostSolves  = 100
	fewSolves   = 10  // with fewer, the interval of the mean is too wide to be useful
	solveSlack  = 1.2 // time to reserve per average time, for puzzles that take longer
	leastEasier = 3   // searches for easier puzzles take as long to begin as to find the solution
	starts      = 9   // searches to time for how long one takes to begin
	solveShare  = 30  // solving gets at least 1/solveShare of the budget, even if no time is left
)

// solve predicts the time to solution with the most threads, and then measures it by solving
// puzzles. If there is not enough time for that, it predicts and solves easier puzzles instead.
func (r *runner) solve(ctx context.Context) error {
	t := r.preferred(slices.Max(r.Threads))
	if t == nil {
		return nil
	}
	start, err := r.startDelay(ctx, t)
	var s *Solve
	if err == nil {
		s, err = r.predict(t, start, r.Difficulty)
	}
	if t.stopped(ctx, err) {
		return err
	}
	if err != nil {
		r.fail(t)
		return nil
	}
	r.report.Solve = s
	for difficulty := r.Difficulty - 1; difficulty >= leastEasier && s.tested().Planned < fewSolves; difficulty-- {
		if easier, err := r.predict(t, start, difficulty); err == nil && easier.Planned >= fewSolves {
			s.Easier = easier
		}
	}
	return r.solvePuzzles(ctx, t, s.tested())
}

// startDelay returns how many seconds a search takes to begin: the median time of searches whose
// first nonce is a solution, or 0 if there is no time to measure it.
func (r *runner) startDelay(ctx context.Context, t *meter) (float64, error) {
	inner, cancel := context.WithTimeoutCause(ctx, r.leftToSolve()+r.Budget/10, errLate)
	defer cancel()
	p := puzzles{rand.New(rand.NewPCG(r.Seed, 1<<33)), t.length, 0}
	var times []float64
	for range starts {
		if len(times) > 0 && r.left() <= 0 {
			break
		}
		r.progress("time to solution")
		begin := r.now()
		_, err := t.solve(inner, p.next())
		if err != nil && isStop(err) && ctx.Err() == nil {
			break
		}
		if err != nil {
			return 0, err
		}
		times = append(times, r.now().Sub(begin).Seconds())
	}
	if len(times) == 0 {
		return 0, nil
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// leftToSolve returns the time that is left for solving puzzles.
func (r *runner) leftToSolve() time.Duration { return max(r.left(), r.Budget/solveShare) }

// predict predicts the time to solution, and plans as many puzzles as there is time for.
func (r *runner) predict(t *meter, start float64, difficulty int) (*Solve, error) {
	plan, err := t.plan(puzzles{r.rng, t.length, difficulty}.next())
	if err != nil {
		return nil, err
	}
	s := &Solve{
		Strategy:   t.strategy.Name(),
		SaltLength: t.length,
		Threads:    t.threads,
		Difficulty: difficulty,
		Rate:       t.median(),
		Start:      start,
		Times:      []float64{},
		Deadline:   solver.ChallengeLifetime.Seconds(),
		Missed:     plan.Missed(solver.ChallengeLifetime),
		NotFound:   plan.Missed(math.MaxInt64),
	}
	s.predict(&plan)
	mean := plan.Time().Seconds() + start
	if e := t.estimate(); e.known() && e.Low > 0 && s.Predicted.Mean > 0 {
		s.PredictedLow = start + plan.Time().Seconds()*e.Median/e.High
		s.PredictedHigh = start + plan.Time().Seconds()*e.Median/e.Low
	}
	s.Planned = min(int(r.leftToSolve().Seconds()/(solveSlack*mean)), mostSolves)
	if s.Planned == 0 {
		s.Note = fmt.Sprintf("no puzzle of difficulty %d was solved: one takes %s on average, and less time was left",
			difficulty, formatSeconds(mean))
	}
	return s, nil
}

// solvePuzzles solves as many puzzles as planned, but stops when the time is up.
func (r *runner) solvePuzzles(ctx context.Context, t *meter, s *Solve) error {
	if s.Planned == 0 {
		return nil
	}
	puzzles := puzzles{rand.New(rand.NewPCG(r.Seed, 1<<32)), t.length, s.Difficulty}
	// Cutting off the slowest puzzles would bias the times, so allow some extra time.
	ctx, cancel := context.WithTimeoutCause(ctx, r.leftToSolve()+r.Budget/10, errLate)
	defer cancel()
	defer s.fill()
	for range s.Planned {
		r.progress("time to solution")
		p := puzzles.next()
		begin := r.now()
		nonce, err := t.solve(ctx, p)
		elapsed := r.now().Sub(begin)
		if err == nil && !p.Solves(nonce) {
			err = fmt.Errorf("nonce %d is not a solution of the puzzle with the salt %q", nonce, p.Prefix[:len(p.Prefix)-1])
		}
		if err == nil {
			s.Times = append(s.Times, max(elapsed, 1).Seconds())
			continue
		}
		switch {
		case !t.stopped(ctx, err):
			r.report.Solve.Fault = t.failed
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

// tested returns the results for the difficulty whose puzzles were solved: this one or an
// easier one.
func (s *Solve) tested() *Solve {
	if s.Easier != nil {
		return s.Easier
	}
	return s
}

// fill computes the measured figures from the times.
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

// agrees reports whether the intervals of the predicted and the measured mean overlap.
func (s *Solve) agrees() bool {
	low, high := s.predictedInterval()
	return s.MeanLow <= high && low <= s.MeanHigh
}

// predictedInterval returns the interval of the predicted mean. If the rate has no interval, both
// ends are the mean.
func (s *Solve) predictedInterval() (low, high float64) {
	if s.PredictedLow == 0 {
		return s.Predicted.Mean, s.Predicted.Mean
	}
	return s.PredictedLow, s.PredictedHigh
}

// chiSquared approximates the quantile of a chi-squared distribution that corresponds to
// a quantile of the standard normal distribution (Wilson and Hilferty 1931).
func chiSquared(degrees, normal float64) float64 {
	k := 2 / (9 * degrees)
	return degrees * math.Pow(1-k+normal*math.Sqrt(k), 3)
}

// errLate is the context's cause when the time for solving is up.
var errLate = fmt.Errorf("the time is up: %w", context.DeadlineExceeded)

// puzzles generates puzzles, each with its own salt.
type puzzles struct {
	rng                *rand.Rand
	length, difficulty int
}

func (p puzzles) next() solver.Puzzle {
	return solver.Puzzle{Prefix: append([]byte(hexSalt(p.rng, p.length)), ':'), Bits: 4 * p.difficulty}
}

// plan returns the plan of a search by the meter's strategy, at the measured rate.
func (m *meter) plan(p solver.Puzzle) (solver.Plan, error) {
	rate := m.median()
	backend := strategies.BackendOf(m.strategy)
	if backend == "" {
		all := solver.PlanSegment{Last: solver.MaxSafeInteger, HashRate: rate, Reached: 1, Chance: 1}
		return solver.Plan{Workers: 1, Bits: p.Bits, Segments: []solver.PlanSegment{all}, HashRate: rate}, nil
	}
	plan, err := outline(backend, m.threads, p)
	if err != nil {
		return plan, err
	}
	// The measured rate is that of the main segment. The time per hash in other segments is
	// in proportion to their operations.
	scale := rate * mainSegment(&plan).OpsPerHash
	plan.Workers, plan.HashRate = 1, rate
	for i := range plan.Segments {
		plan.Segments[i].HashRate = scale / plan.Segments[i].OpsPerHash
	}
	return plan, nil
}

// predict computes the prediction from the plan and the time that a search takes to begin.
func (s *Solve) predict(plan *solver.Plan) {
	seconds := func(chance float64) float64 {
		d, ok := plan.Quantile(chance)
		if !ok || d == math.MaxInt64 {
			return 0
		}
		return s.Start + d.Seconds()
	}
	s.Predicted = Quantiles{P50: seconds(0.50), P95: seconds(0.95), P99: seconds(0.99)}
	if mean := plan.Time(); mean < math.MaxInt64 {
		s.Predicted.Mean = s.Start + mean.Seconds()
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

// quantiles returns the mean and the quantiles that there are enough times for.
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

// solve finds a solution. A kernel runs through package solver, as in a program; any other strategy
// searches from nonce 0.
func (m *meter) solve(ctx context.Context, p solver.Puzzle) (nonce uint64, err error) {
	if backend := strategies.BackendOf(m.strategy); backend != "" {
		s, err := solver.New(solver.Options{Backend: backend, Workers: m.threads})
		if err != nil {
			return 0, err
		}
		solution, err := s.Solve(ctx, p)
		if err == nil && solution.Fault != nil {
			return 0, solution.Fault
		}
		return solution.Nonce, err
	}
	_, err = strategies.Search(ctx, m.strategy, m.threads, p, strategies.Range{Last: solver.MaxSafeInteger}, func(n uint64) bool {
		nonce = n
		return false
	})
	return nonce, err
}
