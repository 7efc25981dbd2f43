package strategies

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
)

// each runs a test on every strategy. One that this CPU cannot run is skipped,
// unless the variable GKPOW_TEST_REQUIRE names it.
func each(t *testing.T, f func(t *testing.T, s Strategy)) {
	required := strings.Split(os.Getenv("GKPOW_TEST_REQUIRE"), ",")
	for _, s := range All() {
		t.Run("strategy="+s.Name(), func(t *testing.T) {
			if s.Missing() != "" {
				if slices.Contains(required, s.Name()) {
					t.Fatalf("GKPOW_TEST_REQUIRE names it, but this CPU has no %s", s.Missing())
				}
				t.Skipf("this CPU has no %s", s.Missing())
			}
			f(t, s)
		})
	}
}

func TestRequired(t *testing.T) {
	for _, name := range strings.FieldsFunc(os.Getenv("GKPOW_TEST_REQUIRE"), func(r rune) bool { return r == ',' }) {
		s, err := Named(name)
		require.NoError(t, err, "a kernel of GKPOW_TEST_REQUIRE is not a strategy")
		require.Implements(t, (*interface{ Backend() string })(nil), s)
		require.Empty(t, s.Missing())
	}
}

func TestList(t *testing.T) {
	var names []string
	for _, s := range All() {
		names = append(names, s.Name())
		require.NotContains(t, s.Name(), "/")
		require.NotContains(t, s.Name(), " ")
		require.NotEmpty(t, s.Description())
		require.NotContains(t, s.Description(), "\n")
		named, err := Named(s.Name())
		require.NoError(t, err)
		require.Equal(t, s, named)
	}
	want := []string{"textbook", "append", "suffix", "midstate", "minio", "minio-avx512"}
	for _, b := range solver.Backends() {
		want = append(want, b.Name)
	}
	require.Equal(t, want, names)
	_, err := Named("abacus")
	require.EqualError(t, err, `strategies: no strategy "abacus"; there are `+strings.Join(want, ", "))
}

// A question is a puzzle and a range, with the solutions found by solver.Puzzle.Solves, one nonce
// at a time.
type question struct {
	puzzle solver.Puzzle
	nonces Range
	answer []uint64
}

func (q *question) String() string {
	return fmt.Sprintf("prefix of %d bytes, %d bits, nonces %v", len(q.puzzle.Prefix), q.puzzle.Bits, q.nonces)
}

func newQuestion(prefix []byte, bits int, first, last uint64) question {
	q := question{puzzle: solver.Puzzle{Prefix: prefix, Bits: bits}, nonces: Range{first, last}}
	for nonce := first; ; nonce++ {
		if q.puzzle.Solves(nonce) {
			q.answer = append(q.answer, nonce)
		}
		if nonce == last {
			return q
		}
	}
}

// planted is a nonce with 33 zero bits after this prefix, and no more.
const (
	plantedPrefix = "planted for all strategies:"
	planted       = 3495058596
)

// questions cover every offset in a block where nonces can begin, messages of one block and two,
// every number of bits up to 33, and ranges across changes of width.
var questions = sync.OnceValue(func() (all []question) {
	ranges := []Range{
		{0, 0}, {0, 1}, {0, 12}, {1, 1}, {7, 105}, {95, 130}, {950, 1130}, {9_990, 10_030}, {999_980, 1_000_050},
		{9_999_999, 10_000_000}, {2147483600, 2147483700}, {9_999_999_990, 10_000_000_040},
		{1<<53 - 40, 1<<53 + 40}, {9_999_999_999_999_999_980, 10_000_000_000_000_000_020},
		{math.MaxUint64 - 60, math.MaxUint64}, {math.MaxUint64, math.MaxUint64},
	}
	lengths := []int{0, 1, 1000, 4096}
	for n := 16; n < 130; n++ {
		lengths = append(lengths, n)
	}
	rng := rand.New(rand.NewPCG(7, 0))
	for i, length := range lengths {
		prefix := make([]byte, length)
		for j := range prefix {
			prefix[j] = byte(rng.Uint32())
		}
		for j := range 3 {
			r := ranges[(3*i+j)%len(ranges)]
			all = append(all, newQuestion(prefix, rng.IntN(9), r.First, r.Last))
		}
	}
	for bits := range 35 {
		all = append(all, newQuestion([]byte(plantedPrefix), bits, planted-40, planted+30))
	}
	for _, length := range []int{0, 16, 33, 46, 60, 129} {
		// Ask for as many bits as the range's best nonce has, and for one more.
		prefix := []byte(strings.Repeat("b", length))
		q := newQuestion(prefix, 8, 99_000, 101_500)
		best := 0
		for _, nonce := range q.answer {
			for p := q.puzzle; p.Solves(nonce); p.Bits++ {
				best = max(best, p.Bits)
			}
		}
		all = append(all, q,
			newQuestion(prefix, best, 99_000, 101_500),
			newQuestion(prefix, best+1, 99_000, 101_500))
	}
	return all
})

func TestQuestions(t *testing.T) {
	for bits := range 35 {
		found := solver.Puzzle{Prefix: []byte(plantedPrefix), Bits: bits}.Solves(planted)
		require.Equal(t, bits <= 33, found, "%d bits", bits)
	}
	solutions := 0
	for _, q := range questions() {
		solutions += len(q.answer)
	}
	require.Greater(t, solutions, 3000)
}

// Every strategy finds the same solutions and counts the same hashes.
func TestSameAnswers(t *testing.T) {
	each(t, func(t *testing.T, s Strategy) {
		for _, q := range questions() {
			var got []uint64
			hashes, err := s.Search(t.Context(), q.puzzle, q.nonces, func(nonce uint64) bool {
				got = append(got, nonce)
				return true
			})
			require.NoError(t, err, q.String())
			slices.Sort(got)
			require.Equal(t, q.answer, got, q.String())
			require.Equal(t, q.nonces.Last-q.nonces.First+1, hashes, q.String())
		}
	})
}

// TestTarget checks numbers of bits that no search could find.
func TestTarget(t *testing.T) {
	for zeros := range 256 {
		digest := [32]byte{}
		digest[zeros/8] = 0x80 >> (zeros % 8)
		for bits := range 257 {
			if target := newTarget(bits); target.met(&digest) != (bits <= zeros) {
				t.Fatalf("%d bits are met by %d zeros: %v", bits, zeros, target.met(&digest))
			}
		}
	}
	all := newTarget(256)
	require.True(t, all.met(new([32]byte)))
}

// A search that found ends early counts at least the solutions reported, and at most the whole
// range.
func TestEnough(t *testing.T) {
	each(t, func(t *testing.T, s Strategy) {
		for _, n := range []uint64{1, 2, 17, 100} {
			calls := uint64(0)
			puzzle := solver.Puzzle{Prefix: []byte("enough:")}
			hashes, err := s.Search(t.Context(), puzzle, Range{95, 100_000}, func(uint64) bool {
				calls++
				return calls != n
			})
			require.NoError(t, err)
			require.Equal(t, n, calls)
			most := n // every nonce is a solution
			if s.Name() == "minio-avx512" {
				most += 15 // already started by other goroutines
			}
			require.GreaterOrEqual(t, hashes, n)
			require.LessOrEqual(t, hashes, most)
		}
	})
}

func TestContext(t *testing.T) {
	each(t, func(t *testing.T, s Strategy) {
		never := solver.Puzzle{Prefix: []byte("never:"), Bits: solver.MaxBits}
		everything := Range{0, math.MaxUint64}
		unexpected := func(uint64) bool { t.Error("found was called"); return false }

		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("no longer wanted")
		cancel(cause)
		hashes, err := s.Search(ctx, never, everything, unexpected)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.Zero(t, hashes)

		var stopped *solver.StoppedError
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
		hashes, err = s.Search(ctx, never, everything, unexpected)
		stop()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, hashes, stopped.Hashes)

		ctx, stop = context.WithCancel(t.Context())
		calls := uint64(0)
		hashes, err = s.Search(ctx, solver.Puzzle{}, everything, func(uint64) bool {
			if calls++; calls == 20 {
				stop()
			}
			return true
		})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorAs(t, err, &stopped)
		require.Equal(t, hashes, stopped.Hashes)
		require.Equal(t, calls, hashes, "every nonce is a solution")
		require.GreaterOrEqual(t, hashes, uint64(20))
		require.Less(t, hashes, uint64(400))

		late := lateContext{t.Context(), time.Now().Add(5 * time.Millisecond)}
		_, err = s.Search(late, never, everything, unexpected)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// lateContext has a deadline that its Err ignores, like a context whose timer the runtime has yet
// to fire.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

// countingContext is cancelled after a given number of calls of Err.
type countingContext struct {
	context.Context
	mu   sync.Mutex
	left int
}

func (c *countingContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// Strategies check the context after a bounded amount of work. The engine's own tests check the
// kernels.
func TestChecksTheContextOften(t *testing.T) {
	each(t, func(t *testing.T, s Strategy) {
		if _, ok := s.(engine); ok {
			t.Skip("package solver tests it")
		}
		for _, test := range []struct{ prefix, most int }{{0, 128}, {100, 128}, {1 << 20, 1}} {
			if s.Name() == "midstate" {
				test.most = 128 // it hashes the prefix once
			}
			const checks = 100
			ctx := &countingContext{Context: t.Context(), left: checks}
			p := solver.Puzzle{Prefix: make([]byte, test.prefix), Bits: solver.MaxBits}
			hashes, err := s.Search(ctx, p, Range{0, math.MaxUint64}, nil)
			require.ErrorIs(t, err, context.Canceled)
			require.NotZero(t, hashes)
			require.LessOrEqual(t, hashes, uint64((checks+16)*test.most))
		}
	})
}

func TestMidstateChecksTheContext(t *testing.T) {
	ctx := &countingContext{Context: t.Context(), left: 10}
	hashes, err := midstate.Search(ctx, solver.Puzzle{Prefix: make([]byte, 1<<20)}, Range{0, 0}, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, hashes)
}

func TestInvalidArguments(t *testing.T) {
	each(t, func(t *testing.T, s Strategy) {
		for _, bits := range []int{-1, solver.MaxBits + 1} {
			_, err := s.Search(t.Context(), solver.Puzzle{Bits: bits}, Range{0, 9}, nil)
			var invalid *solver.PuzzleError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, "bits", invalid.Field)
			_, engineErr := solver.Solve(t.Context(), solver.Puzzle{Bits: bits})
			require.EqualError(t, err, engineErr.Error())
		}
		_, err := s.Search(t.Context(), solver.Puzzle{}, Range{9, 8}, nil)
		var invalid *RangeError
		require.ErrorAs(t, err, &invalid)
		require.EqualError(t, err, "strategies: nonces 9 to 8: the range ends before it begins")
	})
}

// Search returns an error for a kernel that cannot be used, instead of using another kernel.
func TestEngineInsistsOnItsKernel(t *testing.T) {
	_, err := engine{solver.Backend{Name: "abacus"}}.Search(t.Context(), solver.Puzzle{}, Range{0, 9}, nil)
	require.ErrorContains(t, err, `no backend "abacus"`)
	for _, b := range solver.Backends() {
		s, err := Named(b.Name)
		require.NoError(t, err)
		require.Equal(t, b.Name, s.(engine).Backend())
		if b.Missing == "" {
			continue
		}
		require.Equal(t, b.Missing, s.Missing())
		_, err = s.Search(t.Context(), solver.Puzzle{}, Range{0, 9}, nil)
		require.ErrorContains(t, err, b.Missing)
	}
}

func TestMissing(t *testing.T) {
	for _, s := range All() {
		if s.Missing() == "" {
			continue
		}
		hashes, err := s.Search(t.Context(), solver.Puzzle{}, Range{0, 9}, nil)
		require.ErrorContains(t, err, "this CPU has no "+s.Missing())
		require.Zero(t, hashes)
	}
}

func TestConcurrentUse(t *testing.T) {
	each(t, func(t *testing.T, s Strategy) {
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				q := newQuestion(fmt.Appendf(nil, "concurrent %d:", i), 3, 80, 1200)
				var got []uint64
				hashes, err := s.Search(t.Context(), q.puzzle, q.nonces, func(nonce uint64) bool {
					got = append(got, nonce)
					return true
				})
				slices.Sort(got)
				assert.NoError(t, err)
				assert.EqualValues(t, 1121, hashes)
				assert.Equal(t, q.answer, got)
			})
		}
		group.Wait()
	})
}

func TestCPUClock(t *testing.T) {
	hz := CPUClock(t.Context())
	if hz < 1e7 || hz > 2e10 { // slower with the race detector, or emulated
		t.Errorf("a clock of %v Hz", hz)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Zero(t, CPUClock(ctx))
}
