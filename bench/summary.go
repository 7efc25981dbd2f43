package bench

import (
	"fmt"
	"slices"
	"strings"
)

// summary states the result in one or two sentences. It claims nothing that the confidence
// intervals do not support.
func (r *Report) summary() string {
	if r.Verdict == Fail {
		return r.failure()
	}
	lead, winner := r.lead(), r.winner()
	if _, second := r.leaders(); second != nil && second.Strategy == sampleLoop && strings.Contains(lead, sampleLoop) {
		winner = "" // the lead has just compared with the sample loop
	}
	switch {
	case lead == "":
	case r.Chosen == "":
		lead += "."
	case r.Solve.Strategy != r.Chosen: // --strategy left the chosen kernel out, or time was short
		lead += "; gkpow chooses " + r.Chosen + ", which was not measured."
	case strings.HasPrefix(winner, "Here "+r.Chosen+" is "):
		lead += strings.Replace(winner, "Here "+r.Chosen+" is ", "; "+r.Chosen+" is chosen, ", 1)
		winner = ""
	default:
		lead += "; " + r.Chosen + " is chosen."
	}
	parts := []string{lead, r.contradiction(), winner}
	if !r.Complete {
		parts = append([]string{"Incomplete: " + r.Stopped + "."}, parts...)
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	switch {
	case len(parts) > 0:
	case r.notMeasured() > 0:
		return "There was no time to measure anything."
	default:
		return "Nothing could be measured here."
	}
	return strings.Join(parts, " ")
}

// lead says how long a challenge takes, without a full stop: "A challenge of difficulty 6
// takes 0.08 s here on average, 20 times faster than the textbook loop".
func (r *Report) lead() string {
	s := r.Solve
	switch {
	case s == nil:
		return ""
	case s.NotFound >= leastNotFound:
		return fmt.Sprintf("The chance that a challenge of difficulty %d has no solution among the allowed nonces is %s",
			s.Difficulty, formatChance(s.NotFound))
	case s.Predicted.Mean == 0:
		return ""
	}
	text := fmt.Sprintf("A challenge of difficulty %d takes %s here on average", s.Difficulty, s.averageTime())
	if r.Chosen != "" && s.Strategy != r.Chosen {
		text += " with " + s.Strategy
	}
	mine, loop := r.measured(s.Strategy, s.SaltLength, s.Threads), r.measured(sampleLoop, s.SaltLength, s.Threads)
	if mine != nil && loop != nil && mine.above(loop) {
		text += fmt.Sprintf(", %s times faster than the textbook loop", mine.times(loop, timesFigure))
	}
	return text
}

// The summary gives both ends of an interval whose ends differ by a factor of wide or more: a
// single figure would claim too much.
const wide = 1.25

// If the chance that no allowed nonce is a solution is leastNotFound or more, the summary gives
// that chance instead of a time.
const leastNotFound = 0.01

// averageTime returns the predicted mean as precisely as it is known: "0.20 s", "0.15 to 0.31 s",
// or "about 0.2 s" if the rate has no interval.
func (s *Solve) averageTime() string {
	low, high := s.predictedInterval()
	switch {
	case s.PredictedLow == 0:
		return "about " + secondsTo(s.Predicted.Mean, 1)
	case high < wide*low:
		return formatSeconds(s.Predicted.Mean)
	}
	first, last := secondsTo(low, 2), secondsTo(high, 2)
	if value, unit, _ := strings.Cut(first, " "); strings.HasSuffix(last, " "+unit) {
		first = value
	}
	return first + " to " + last
}

// times returns e ÷ other in the given format, or if the intervals are wide, the least and the most
// that the quotient may be. Both estimates must have an interval.
func (e *Estimate) times(other *Estimate, format func(float64) string) string {
	low, high := format(e.Low/other.High), format(e.High/other.Low)
	if e.High/other.Low < wide*e.Low/other.High || low == high {
		return format(e.Median / other.Median)
	}
	return low + " to " + high
}

// contradiction says how far the measured times are from the prediction, or returns "" if they
// agree with it.
func (r *Report) contradiction() string {
	if r.Solve == nil {
		return ""
	}
	s := r.Solve.tested()
	if len(s.Times) == 0 || s.agrees() {
		return ""
	}
	return fmt.Sprintf("%s of difficulty %d took %s times as long as predicted.",
		plural(len(s.Times), "puzzle", "puzzles"), s.Difficulty, timesFigure(s.Measured.Mean/s.Predicted.Mean))
}

// winner says which kernel is the fastest with the fewest threads, or that none clearly is:
// "Here avx512 is 2.02 times as fast as shani." If the report has no two kernels, winner
// compares strategies.
func (r *Report) winner() string {
	first, second := r.leaders()
	switch {
	case first == nil:
		return ""
	case second == nil:
		return fmt.Sprintf("Here %s does %s MH/s with %s.", first.Strategy, megahashes(first.Rate.Median),
			plural(first.Threads, "thread", "threads"))
	case first.Rate.above(second.Rate):
		return fmt.Sprintf("Here %s is %s times as fast as %s.", first.Strategy, first.Rate.times(second.Rate, figure), second.Strategy)
	}
	why := "their intervals overlap"
	switch {
	case !first.Rate.known() || !second.Rate.known():
		why = "too few samples"
	case slices.ContainsFunc(r.Warnings, func(w Warning) bool { return w.Name == WarningBusy || w.Name == WarningSteal }):
		why = "busy machine"
	}
	return fmt.Sprintf("No clear winner between %s and %s (%s).", first.Strategy, second.Strategy, why)
}

// above reports whether the interval of e lies entirely above the interval of other.
func (e *Estimate) above(other *Estimate) bool {
	return e.known() && other.known() && e.Low > other.High
}

// failure says which answers were wrong.
func (r *Report) failure() string {
	reasons := map[string][]string{}
	var failed []string
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Status != Failed {
			continue
		}
		if reasons[row.Strategy] == nil {
			failed = append(failed, row.Strategy)
		}
		reasons[row.Strategy] = append(reasons[row.Strategy], row.Reason)
	}
	if len(failed) == 0 && r.Solve != nil { // no row failed, so the time to solution did
		failed, reasons[r.Solve.Strategy] = []string{r.Solve.Strategy}, []string{r.Solve.Fault}
	}
	var parts []string
	for _, name := range failed {
		parts = append(parts, name+": "+reasons[name][0])
	}
	verb := "is"
	if len(failed) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("FAIL: %s %s wrong on this machine and must not be used (%s)",
		strings.Join(failed, ", "), verb, strings.Join(parts, "; "))
}

// leaders returns the fastest row for the main salt length and the fewest threads, and the
// row to compare it with: the fastest of the engine's other kernels, or of the other
// strategies if there is no such kernel. Either is nil if it was not measured.
func (r *Report) leaders() (first, second *Row) {
	threads := r.Settings.Threads[0]
	for _, name := range r.byRate(r.Settings.mainSalt(), threads) {
		row := r.row(name, r.Settings.mainSalt(), threads)
		switch {
		case row.Status != Measured:
		case first == nil:
			first = row
		case second == nil || second.Backend == "" && row.Backend != "":
			second = row
		}
	}
	return first, second
}
