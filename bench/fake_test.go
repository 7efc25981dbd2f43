package bench

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// A fakeClock advances only while a search runs.
type fakeClock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A fakeSystem reports the counters that the test gives it.
type fakeSystem struct{ used []usage }

func (*fakeSystem) describe(*Machine) {}

func (s *fakeSystem) usage() (u usage) {
	if len(s.used) > 0 {
		u, s.used = s.used[0], s.used[1:]
	}
	return u
}

const fakeHz = 3e9

// fakeEnvironment returns an environment and the clock that it uses.
func fakeEnvironment() (environment, *fakeClock) {
	clock := &fakeClock{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	return environment{
		now: clock.Now,
		until: func(ctx context.Context, end time.Time) (context.Context, context.CancelFunc) {
			return untilContext{ctx, clock, end}, func() {}
		},
		cpu:    func() time.Duration { return 0 },
		clock:  func(context.Context) float64 { return fakeHz },
		choose: func(context.Context) string { return "" },
		system: &fakeSystem{},
	}, clock
}

// An untilContext ends when the fake clock reaches a given time.
type untilContext struct {
	context.Context
	clock *fakeClock
	end   time.Time
}

func (c untilContext) Err() error {
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !c.clock.Now().Before(c.end) {
		return context.DeadlineExceeded
	}
	return nil
}

// A fakeStrategy searches correctly, at a given rate by the fake clock.
type fakeStrategy struct {
	name    string
	rate    float64
	clock   *fakeClock
	missing string
	start   time.Duration // time that a search takes to begin
	// A value other than nil or 0 makes the strategy wrong.
	reports func(nonce uint64, solves bool) int // number of times to report a nonce
	counts  float64                             // number of hashes to count for each hash
	err     error
}

func (s *fakeStrategy) Name() string        { return s.name }
func (s *fakeStrategy) Description() string { return "a strategy for tests" }
func (s *fakeStrategy) Missing() string     { return s.missing }

func (s *fakeStrategy) Search(ctx context.Context, p solver.Puzzle, r strategies.Range, found func(uint64) bool) (hashes uint64, err error) {
	counted := func() uint64 {
		if s.counts > 0 {
			return uint64(float64(hashes) * s.counts)
		}
		return hashes
	}
	s.clock.advance(s.start)
	ref := knownZeros{prefix: string(p.Prefix)}
	for nonce := r.First; ; nonce++ {
		if hashes%64 == 0 && ctx.Err() != nil {
			return counted(), ctx.Err()
		}
		hashes++
		s.clock.advance(time.Duration(1e9 / s.rate))
		times := 0
		if ref.zeros(nonce) >= p.Bits {
			times = 1
		}
		if s.reports != nil {
			times = s.reports(nonce, times == 1)
		}
		for range times {
			if !found(nonce) {
				return counted(), s.err
			}
		}
		if nonce == r.Last {
			return counted(), s.err
		}
	}
}

// knownZeros counts the leading zero bits of hashes, like reference. It remembers the counts in
// hashed, since most runs of the tests search the same nonces.
type knownZeros struct {
	prefix string
	block  uint64 // the number of the current block
	counts *[hashedBlock]uint8
}

// hashedBlock is the number of nonces that are hashed at once.
const hashedBlock = 128

// hashed holds a *[hashedBlock]uint8 for each knownBlock.
var hashed sync.Map

type knownBlock struct {
	prefix string
	block  uint64
}

func (z *knownZeros) zeros(nonce uint64) int {
	if block := nonce / hashedBlock; z.counts == nil || block != z.block {
		z.block = block
		key := knownBlock{z.prefix, block}
		known, ok := hashed.Load(key)
		if !ok {
			ref, counts := newReference([]byte(z.prefix)), new([hashedBlock]uint8)
			for i := range counts {
				counts[i] = uint8(min(ref.zeros(block*hashedBlock+uint64(i)), math.MaxUint8))
			}
			known, _ = hashed.LoadOrStore(key, counts)
		}
		z.counts = known.(*[hashedBlock]uint8)
	}
	return int(z.counts[nonce%hashedBlock])
}

// fakeOptions returns options for a run of about a second by the fake clock.
func fakeOptions(list ...strategies.Strategy) Options {
	return Options{
		Strategies:  list,
		SaltLengths: []int{32, 64},
		Threads:     []int{1, 2},
		Budget:      20 * time.Second,
		Rounds:      7,
		Difficulty:  2,
		Seed:        5,
		Arguments:   []string{"--seed=5"},
	}
}

// mustRun runs the benchmark in the given environment and requires that it succeeds.
func mustRun(t *testing.T, o Options, w environment) *Report {
	t.Helper()
	r, err := run(t.Context(), o, w)
	require.NoError(t, err)
	return r
}

// fakeReport returns a complete report of two strategies, one twice as fast as the other.
func fakeReport(t *testing.T) *Report {
	w, clock := fakeEnvironment()
	r := mustRun(t, fakeOptions(
		&fakeStrategy{name: "slow", rate: 10_000, clock: clock},
		&fakeStrategy{name: "fast", rate: 20_000, clock: clock},
	), w)
	// The measured times depend on how the goroutines of two threads are scheduled. Replace them
	// with quantiles of the predicted distribution, so that they always agree with it.
	for i := range r.Solve.Times {
		r.Solve.Times[i] = -r.Solve.Predicted.Mean * math.Log(1-(float64(i)+0.5)/float64(len(r.Solve.Times)))
	}
	r.Solve.fill()
	r.Warnings = slices.DeleteFunc(r.Warnings, func(w Warning) bool { return w.Name == WarningPrediction })
	r.Summary = r.summary()
	return r
}
