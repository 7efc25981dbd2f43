package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// A sample searches the nonces of one width for a limited time, at the difficulty of a real search,
// so that solutions are rare and handling them costs nothing. Separate audits, with frequent
// solutions, verify answers and counts.
const (
	sampleBits = 4 * DefaultDifficulty
	hitEvery   = 10 * time.Microsecond // approximate time between the solutions of one thread in an audit
	firstBits  = 6                     // difficulty of the first audit, when the rate is not known yet
	maxBits    = 24
	auditShare = 8 // an audit takes 1/auditShare of the time of a sample
)

// sample searches for about the given time. The result has no hashes if the thread did not
// get a CPU in that time.
func (m *meter) sample(ctx context.Context, w environment, length time.Duration) (Sample, error) {
	s, err := m.run(ctx, w, sampleBits, length)
	if err == nil && s.Hashes > 0 {
		m.rate = s.rate()
	}
	return s, err
}

// audit searches for about the given time. The puzzle is easy enough for the number of solutions
// to show whether the strategy counts its hashes correctly.
func (m *meter) audit(ctx context.Context, w environment, length time.Duration) error {
	bits := firstBits
	if m.rate > 0 {
		bits = min(max(int(math.Log2(m.rate/float64(m.threads)*hitEvery.Seconds())), 0), maxBits)
	}
	s, err := m.run(ctx, w, bits, length)
	if err == nil && m.rate == 0 && s.Hashes > 0 {
		m.rate = s.rate()
	}
	return err
}

// run searches until the time is up, with a new salt. It verifies the solutions, and counts
// them for checkCounts.
func (m *meter) run(ctx context.Context, w environment, bits int, length time.Duration) (s Sample, err error) {
	p := solver.Puzzle{Prefix: append([]byte(hexSalt(m.rng, m.length)), ':'), Bits: bits}
	var found []uint64
	cpu, begin := w.cpu(), w.now()
	end := begin.Add(length)
	inner, cancel := w.until(ctx, end)
	defer cancel()
	for err == nil && w.now().Before(end) { // a search that runs out of nonces starts over
		var hashes uint64
		hashes, err = strategies.Search(inner, m.strategy, m.threads, p, strategies.Range(nonces(m.width)), func(nonce uint64) bool {
			found = append(found, nonce)
			return true
		})
		s.Hashes += hashes
	}
	took := max(w.now().Sub(begin), 1)
	s.Seconds = took.Seconds()
	if cpu = w.cpu() - cpu; m.threads == 1 && cpu > took/leastCPUShare {
		s.CPUSeconds = cpu.Seconds()
	}
	m.spent += took
	m.searches++
	m.found += uint64(len(found))
	m.expected += math.Ldexp(float64(s.Hashes), -bits)
	if wrong := wrongSolution(p, found); wrong != "" {
		m.failed = wrong
	}
	if isStop(err) && ctx.Err() == nil && !w.now().Before(end) { // the time was up
		err = nil
	}
	return s, err
}

// leastCPUShare decides which CPU times to trust: those of at least 1/leastCPUShare of a sample's
// time. A shorter one means that the system counts CPU time in coarse steps.
const leastCPUShare = 1000

// wrongSolution names the first of the nonces that is not a solution, or returns "".
func wrongSolution(p solver.Puzzle, found []uint64) string {
	ref := newReference(p.Prefix)
	i := slices.IndexFunc(found, func(nonce uint64) bool { return ref.zeros(nonce) < p.Bits })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("in a measured round: nonce %d is not a solution for the salt %q and %d bits",
		found[i], p.Prefix[:len(p.Prefix)-1], p.Bits)
}

// maxDeviation is how far the number of solutions may lie from the expected number, in
// standard deviations. The chance of a larger deviation is below 1 in 10^11.
const maxDeviation = 7

// checkCounts fails a meter that found too few or too many solutions for the hashes that it
// counted. If salts are very short, searches often get the same salt and find the same
// solutions, so their deviations add up; the variance allows for that.
func (m *meter) checkCounts() {
	salts := math.Ldexp(1, 4*m.length)
	variance := max(m.expected, 1) * (1 + float64(max(m.searches-1, 0))/salts)
	deviation := math.Abs(float64(m.found)-m.expected) / math.Sqrt(variance)
	if m.failed == "" && deviation > maxDeviation {
		m.failed = fmt.Sprintf("in the measured rounds: found %d solutions, but the hashes that it counted should give about %.0f",
			m.found, m.expected)
	}
}

// warmUp searches until the rate is known, and then takes a first sample.
func (m *meter) warmUp(ctx context.Context, w environment, length time.Duration) error {
	for range 2 {
		if err := m.audit(ctx, w, length/2); err != nil {
			return err
		}
		if m.spent > 5*length {
			break // its searches start slowly, so one audit is enough
		}
	}
	// With a long salt, hashing the salt may take longer than a sample.
	for range 8 {
		var err error
		if m.warm, err = m.sample(ctx, w, length/2); err != nil || m.warm.Hashes > 0 {
			return err
		}
		length *= 2
		m.least = 2 * length
	}
	return nil
}
