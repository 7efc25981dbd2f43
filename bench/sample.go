package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// A sample is a search among all nonces of one width, like a search for a solution,
// for a puzzle with a salt of its own and so easy that something is found every
// now and then. When something is found after the time is up, the search ends. So
// a strategy goes its own way, and what it counts can be checked by what it finds.
const (
	hitEvery  = 100 * time.Microsecond // about, for one thread
	firstBits = 6                      // while the rate is not known
	maxBits   = 24
)

// patience is how long a sample may take.
func patience(length time.Duration) time.Duration { return 50*length + time.Second }

// A lane is one thread of a sample.
type lane struct {
	puzzle solver.Puzzle
	hashes uint64
	found  []uint64
	err    error
}

// measure takes a sample of about the given length.
func (t *track) measure(ctx context.Context, w world, length time.Duration) (s Sample, err error) {
	bits := firstBits
	if t.rate > 0 {
		bits = min(max(int(math.Log2(t.rate/float64(t.threads)*hitEvery.Seconds())), 0), maxBits)
	}
	lanes := make([]lane, t.threads)
	for i := range lanes {
		lanes[i].puzzle = solver.Puzzle{Prefix: append([]byte(hexSalt(t.rng, t.length)), ':'), Bits: bits}
	}
	inner, cancel := context.WithTimeout(ctx, patience(length))
	defer cancel()
	begin := w.now()
	end := begin.Add(length)
	if t.threads == 1 {
		t.run(inner, w, &lanes[0], end)
	} else {
		var running sync.WaitGroup
		for i := range lanes {
			running.Go(func() { t.run(inner, w, &lanes[i], end) })
		}
		running.Wait()
	}
	took := max(w.now().Sub(begin), 1)
	t.spent += took
	s.Seconds = took.Seconds()
	t.searches += len(lanes)
	for i := range lanes {
		l := &lanes[i]
		s.Hashes += l.hashes
		t.found += uint64(len(l.found))
		t.expected += math.Ldexp(float64(l.hashes), -bits)
		err = cmpErrors(err, l.err)
		if wrong := l.check(); wrong != "" {
			t.failed = wrong
		}
	}
	if err != nil {
		if isStop(err) && isLate(inner) && !isLate(ctx) && ctx.Err() == nil {
			err = fmt.Errorf("found nothing for a long time, where one nonce of %d is a solution", 1<<bits)
		}
		return s, err
	}
	if s.Hashes == 0 {
		return s, errors.New("counted no hashes")
	}
	t.rate = s.rate()
	return s, nil
}

// run searches until the time is up. A search that ends before, because there are no
// more nonces, is begun again.
func (t *track) run(ctx context.Context, w world, l *lane, end time.Time) {
	all := strategies.Range(nonces(t.width))
	for {
		hashes, err := t.strategy.Search(ctx, l.puzzle, all, func(nonce uint64) bool {
			l.found = append(l.found, nonce)
			return w.now().Before(end)
		})
		l.hashes += hashes
		if l.err = err; err != nil || !w.now().Before(end) {
			return
		}
	}
}

// check says what is wrong with the solutions, or "".
func (l *lane) check() string {
	var buffer []byte
	for _, nonce := range l.found {
		if zeros(&buffer, l.puzzle.Prefix, nonce) < l.puzzle.Bits {
			return fmt.Sprintf("in a measured round: nonce %d is no solution for the salt %q and %d bits",
				nonce, l.puzzle.Prefix[:len(l.puzzle.Prefix)-1], l.puzzle.Bits)
		}
	}
	return ""
}

// maxDeviation is how many standard deviations the number of solutions may be away
// from what is expected by the hashes: more is less likely than one in 10^11.
const maxDeviation = 7

// judge fails a track that has found too few or too many solutions for what it has
// counted. Where salts are so short that searches share them, these find the same,
// and their deviations add up.
func (t *track) judge() {
	salts := math.Ldexp(1, 4*t.length)
	variance := max(t.expected, 1) * (1 + float64(max(t.searches-1, 0))/salts)
	deviation := math.Abs(float64(t.found)-t.expected) / math.Sqrt(variance)
	if t.failed == "" && deviation > maxDeviation {
		t.failed = fmt.Sprintf("in the measured rounds: found %d solutions where about %.0f were to be expected by the hashes it counted",
			t.found, t.expected)
	}
}

// warmUp searches until the rate is known.
func (t *track) warmUp(ctx context.Context, w world, length time.Duration) error {
	var s Sample
	for range 3 {
		var err error
		if s, err = t.measure(ctx, w, length/2); err != nil {
			return err
		}
		if t.spent > 5*length {
			break // it is slow to answer, so once must do
		}
	}
	t.warm = s
	return nil
}
