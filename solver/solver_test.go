package solver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
	"github.com/gkpow/gkpow/solver/internal/cases"
)

// eachKernel runs a test on every kernel that this CPU can run. The tests of package asm fail if a
// kernel is skipped that should run.
func eachKernel(t *testing.T, f func(t *testing.T, k asm.Kernel)) {
	for _, k := range asm.Kernels() {
		t.Run("kernel="+k.Name, func(t *testing.T) {
			if k.Missing != "" {
				t.Skipf("this CPU has no %s", k.Missing)
			}
			f(t, k)
		})
	}
}

// thin returns n if a test should run only every n-th case. n is larger for a kernel that is far too
// slow on this CPU to be chosen.
func thin(k asm.Kernel) int {
	r := newRegistry([]asm.Kernel{k, asm.Generic()})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.estimate(&r.entries[0]); r.entries[0].slow {
		return 11
	}
	return cases.Stride()
}

func mustNew(t *testing.T, o Options) *Solver {
	t.Helper()
	s, err := New(o)
	require.NoError(t, err)
	return s
}

func checkSolution(t *testing.T, p Puzzle, s Solution) {
	t.Helper()
	if !p.Solves(s.Nonce) || s.Hash != p.Hash(s.Nonce) {
		t.Fatalf("Solve(prefix %q, %d bits) = nonce %d, hash %x; its hash is %x",
			p.Prefix, p.Bits, s.Nonce, s.Hash, p.Hash(s.Nonce))
	}
	if s.Hashes == 0 || s.Backend == "" || s.Workers == 0 || s.Elapsed <= 0 || s.Fault != nil {
		t.Fatalf("the solution lacks fields, or has a fault: %+v", s)
	}
}

func TestSolveEveryPrefixLength(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		solver := mustNew(t, Options{Backend: k.Name})
		sequential := mustNew(t, Options{Backend: k.Name, Sequential: true})
		rng := rand.New(rand.NewPCG(1, 0))
		lengths := []int{255, 256, 257, 1000, 4095, 4096, 4097, 100_000}
		for n := 0; n <= 200; n += thin(k) {
			lengths = append(lengths, n)
		}
		for _, n := range lengths {
			p := Puzzle{Prefix: randomPrefix(rng, n), Bits: rng.IntN(15)}
			for _, s := range []*Solver{solver, sequential} {
				solution, err := s.Solve(t.Context(), p)
				require.NoError(t, err)
				checkSolution(t, p, solution)
			}
		}
	})
}

func TestSolveDifficulties(t *testing.T) {
	for difficulty := range 6 {
		for _, salt := range []string{"", "7f8e9d0c", "Grüße, 世界", "\x00\xff", strings.Repeat("a", 64)} {
			p, err := NewPuzzle(salt, difficulty)
			require.NoError(t, err)
			solution, err := Solve(t.Context(), p)
			require.NoError(t, err)
			checkSolution(t, p, solution)
			if hash := fmt.Sprintf("%x", solution.Hash); !strings.HasPrefix(hash, strings.Repeat("0", difficulty)) {
				t.Errorf("salt %q: hash %s does not begin with %d zeros", salt, hash, difficulty)
			}
			if solution.Nonce > MaxSafeInteger {
				t.Errorf("salt %q: nonce %d exceeds MaxSafeInteger", salt, solution.Nonce)
			}
		}
	}
}

// Solve verifies the bits that a kernel does not compare.
func TestSolveBeyond32Bits(t *testing.T) {
	// A solution of more than 32 bits would take too long to find, so ask for 18 bits of a kernel
	// that compares only 12.
	p := Puzzle{Prefix: []byte("beyond:"), Bits: 18}
	shortSighted := asm.Generic()
	shortSighted.Scan = func(b *asm.Block, words []uint32) int {
		block := *b
		block.Mask = mask(12)
		return asm.Generic().Scan(&block, words)
	}
	// The last kernel of a table is never disabled, so the search tolerates its wrong hits, as it
	// tolerates any kernel's hits that miss only bits beyond the 32nd.
	s, err := newSolver(Options{MaxNonce: 10_000_000}, testedRegistry(shortSighted))
	require.NoError(t, err)
	solution, err := s.Solve(t.Context(), p)
	require.NoError(t, err)
	checkSolution(t, p, solution)
}

func TestSequentialFindsTheSmallest(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		rng := rand.New(rand.NewPCG(2, 0))
		for range 150 / thin(k) {
			p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(130)), Bits: rng.IntN(15)}
			s := mustNew(t, Options{Backend: k.Name, Sequential: true, Workers: 1 + rng.IntN(4)})
			solution, err := s.Solve(t.Context(), p)
			require.NoError(t, err)
			checkSolution(t, p, solution)
			for nonce := range solution.Nonce {
				if p.Solves(nonce) {
					t.Fatalf("prefix of %d bytes, %d bits: found %d, but %d solves it",
						len(p.Prefix), p.Bits, solution.Nonce, nonce)
				}
			}
			if solution.Hashes < solution.Nonce+1 {
				t.Fatalf("%d hashes cannot show that %d is the smallest", solution.Hashes, solution.Nonce)
			}
		}
	})
}

// sharer returns a copy of a kernel with which the plan prefers shared blocks, and the number of
// calls of its ScanShared.
func sharer(k asm.Kernel) (asm.Kernel, *atomic.Int64) {
	calls, scan := new(atomic.Int64), k.ScanShared
	k.ScanShared = func(s *asm.Shared, words []uint32) int {
		calls.Add(1)
		return scan(s, words)
	}
	k.Weights.Shared /= 1000
	return k, calls
}

// The same where four chunks share the second block, so that windows hold nonces of several chunks.
func TestSequentialFindsTheSmallestInSharedBlocks(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		rng := rand.New(rand.NewPCG(3, 0))
		sharing, calls := sharer(k)
		for range 30 / thin(k) {
			inner := 1 + rng.IntN(3) // digits in the first block
			p := Puzzle{Prefix: randomPrefix(rng, 64-inner), Bits: 13 + rng.IntN(4)}
			first, last, _ := widthRange(inner+2+rng.IntN(3), math.MaxUint64)
			o := Options{Sequential: true, Workers: 1 + rng.IntN(3), MinNonce: first + rng.Uint64N(last-first)}
			s, err := newSolver(o, testedRegistry(sharing, asm.Generic()))
			require.NoError(t, err)
			solution, err := s.Solve(t.Context(), p)
			require.NoError(t, err)
			checkSolution(t, p, solution)
			if all := solutions(p, o.MinNonce, solution.Nonce); len(all) != 1 {
				t.Fatalf("prefix of %d bytes, %d bits, from %d: found %d; want %d",
					len(p.Prefix), p.Bits, o.MinNonce, solution.Nonce, all[0])
			}
		}
		require.Positive(t, calls.Load())
	})
}

// A search that finds nothing counts every nonce once, whatever the shard, the order and the number
// of workers.
func TestExhaustedCountsEveryNonce(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		rng := rand.New(rand.NewPCG(3, 0))
		for range 60 / thin(k) {
			p := Puzzle{Prefix: randomPrefix(rng, rng.IntN(130)), Bits: MaxBits}
			limit := 1 + rng.Uint64N(30_000)
			shards := 1 + rng.IntN(5)
			var total uint64
			for i := range shards {
				o := Options{Backend: k.Name, MaxNonce: limit, Workers: 1 + rng.IntN(3),
					Sequential: rng.IntN(2) == 0, Shard: Shard{i, shards}}
				_, err := mustNew(t, o).Solve(t.Context(), p)
				var exhausted *ExhaustedError
				require.ErrorAs(t, err, &exhausted)
				require.ErrorIs(t, err, ErrExhausted)
				require.Equal(t, limit, exhausted.MaxNonce)
				total += exhausted.Hashes
			}
			require.Equal(t, limit+1, total, "prefix of %d bytes, limit %d, %d shards", len(p.Prefix), limit, shards)
		}
	})
}

// Each shard finds a solution of the whole space, and one of them finds the smallest.
func TestShardsFindEverything(t *testing.T) {
	p := Puzzle{Prefix: []byte("shards:"), Bits: 9}
	const limit = 20_000
	want := map[uint64]bool{}
	for nonce := range uint64(limit + 1) {
		if p.Solves(nonce) {
			want[nonce] = true
		}
	}
	require.NotEmpty(t, want)
	const count = 7
	smallest := uint64(math.MaxUint64)
	for i := range count {
		s := mustNew(t, Options{MaxNonce: limit, Sequential: true, Shard: Shard{i, count}})
		solution, err := s.Solve(t.Context(), p)
		require.NoError(t, err)
		require.True(t, want[solution.Nonce], "shard %d found %d", i, solution.Nonce)
		smallest = min(smallest, solution.Nonce)
	}
	for nonce := range want {
		require.LessOrEqual(t, smallest, nonce)
	}
}

func TestShardPart(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	for range 10_000 {
		first, last, _ := widthRange(1+rng.IntN(maxWidth), math.MaxUint64)
		if rng.IntN(4) > 0 {
			last = first + rng.Uint64N(last-first)>>rng.IntN(60)
		} else if rng.IntN(2) > 0 {
			first = last - rng.Uint64N(min(last-first, 10_000))
		}
		count := 1 + rng.IntN(1000)
		next := first // the first nonce not in an earlier shard
		for i := range count {
			from, to, ok := Shard{i, count}.part(first, last)
			if !ok {
				continue
			}
			if from != next || to < from || next == last+1 {
				t.Fatalf("shard %d/%d of %d to %d: %d to %d; want it to start at %d",
					i, count, first, last, from, to, next)
			}
			next = to + 1
		}
		if next != last+1 {
			t.Fatalf("%d shards of %d to %d end with %d", count, first, last, next-1)
		}
	}
}

func TestContext(t *testing.T) {
	impossible := Puzzle{Prefix: []byte("never:"), Bits: MaxBits}
	t.Run("cancelled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Solve(ctx, Puzzle{Bits: 0})
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("cancelled with a cause", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("no longer wanted")
		s := mustNew(t, Options{ProgressInterval: time.Millisecond, Progress: func(p Progress) {
			if p.Hashes > 0 {
				cancel(cause)
			}
		}})
		_, err := s.Solve(ctx, impossible)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		var stopped *StoppedError
		require.ErrorAs(t, err, &stopped)
		require.NotZero(t, stopped.Hashes)
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := Solve(ctx, impossible)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("deadline passed", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err := Solve(ctx, Puzzle{Bits: 0})
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

func TestDeadlineNeedsNoTimer(t *testing.T) {
	ctx := lateContext{t.Context(), time.Now().Add(10 * time.Millisecond)}
	_, err := Solve(ctx, Puzzle{Bits: MaxBits})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A worker checks the context after a bounded number of hashes, which bounds the latency of
// cancellation.
func TestChecksTheContextOften(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		for at := range 64 {
			ctx := &countingContext{Context: t.Context(), left: 20}
			s := mustNew(t, Options{Backend: k.Name, Workers: 1})
			_, err := s.Solve(ctx, Puzzle{Prefix: make([]byte, at), Bits: MaxBits})
			var stopped *StoppedError
			require.ErrorAs(t, err, &stopped)
			if most := uint64(20 * 3 * k.MaxScan / 2); stopped.Hashes > most {
				t.Errorf("prefix of %d bytes: %d hashes in 20 checks of the context; want at most %d",
					at, stopped.Hashes, most)
			}
		}
	})
}

// countingContext is cancelled after a given number of calls of Err.
type countingContext struct {
	context.Context
	left int
}

func (c *countingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestInvalid(t *testing.T) {
	for _, difficulty := range []int{-1, 65, 300, math.MinInt, math.MaxInt} {
		_, err := NewPuzzle("salt", difficulty)
		var invalid *PuzzleError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "difficulty", invalid.Field)
	}
	for _, bits := range []int{-1, MaxBits + 1} {
		_, err := Solve(t.Context(), Puzzle{Bits: bits})
		var invalid *PuzzleError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "bits", invalid.Field)
	}
	for _, o := range []Options{
		{Workers: -1}, {Workers: maxWorkers + 1}, {Backend: "abacus"}, {ProgressInterval: -1},
		{Shard: Shard{0, -1}}, {Shard: Shard{-1, 2}}, {Shard: Shard{2, 2}}, {Shard: Shard{1, 0}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("New(%+v) succeeded", o)
		}
	}
}

func TestProgress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var all []Progress
	s := mustNew(t, Options{ProgressInterval: time.Millisecond, Progress: func(p Progress) {
		if all = append(all, p); len(all) >= 5 && p.Hashes > 0 {
			cancel()
		}
	}})
	_, err := s.Solve(ctx, Puzzle{Prefix: []byte("progress:"), Bits: 40})
	require.ErrorIs(t, err, context.Canceled)
	require.GreaterOrEqual(t, len(all), 5)
	for i, p := range all {
		if i > 0 && (p.Hashes < all[i-1].Hashes || p.Elapsed <= all[i-1].Elapsed || p.Chance < all[i-1].Chance) {
			t.Errorf("progress went back: %+v, then %+v", all[i-1], p)
		}
		if p.Chance < 0 || p.Chance > 1 {
			t.Errorf("chance %v", p.Chance)
		}
	}
	last := all[len(all)-1]
	require.InEpsilon(t, float64(last.Hashes)/last.Elapsed.Seconds(), last.HashRate, 1e-6)
	require.InEpsilon(t, math.Ldexp(1, 40)/last.HashRate, last.Remaining.Seconds(), 0.01)
}

// A panic of Progress reaches the caller, and no worker goes on: later searches use the same
// workers.
func TestProgressPanics(t *testing.T) {
	hopeless := Puzzle{Prefix: []byte("s:"), Bits: MaxBits}
	s := mustNew(t, Options{Workers: 2, ProgressInterval: time.Millisecond, Progress: func(Progress) { panic("no") }})
	for range 3 {
		require.PanicsWithValue(t, "no", func() { _, _ = s.Solve(t.Context(), hopeless) })
		require.Zero(t, working.Load())
		solution, err := mustNew(t, Options{Workers: 2}).Solve(t.Context(), Puzzle{Prefix: []byte("s:"), Bits: 16})
		require.NoError(t, err)
		require.NotZero(t, solution.Hashes)
	}
}

func TestNewProgress(t *testing.T) {
	p := newProgress(odds{24}, 1<<24, time.Second, math.Inf(1))
	require.InDelta(t, 1-1/math.E, p.Chance, 1e-6)
	require.InDelta(t, 1, p.Remaining.Seconds(), 1e-6)
	require.EqualValues(t, int64(math.MaxInt64), newProgress(odds{256}, 1000, time.Second, 1e18).Remaining)
	require.InDelta(t, 0.5, newProgress(odds{256}, 1000, time.Second, 500).Remaining.Seconds(), 1e-6)
	require.Zero(t, newProgress(odds{24}, 0, 0, 1e9).Remaining)
	require.Equal(t, 1.0, newProgress(odds{0}, 1, time.Second, 1e9).Chance)
}

func TestConcurrentUse(t *testing.T) {
	s := mustNew(t, Options{Workers: 2})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			p := Puzzle{Prefix: fmt.Appendf(nil, "concurrent %d:", i), Bits: 12}
			if solution, err := s.Solve(t.Context(), p); err != nil || !p.Solves(solution.Nonce) {
				t.Errorf("Solve = %+v, %v", solution, err)
			}
		})
	}
	group.Wait()
}

// The package depends only on the standard library and on CPU detection.
func TestImports(t *testing.T) {
	if runtime.GOOS == "js" {
		t.Skip("js cannot start processes")
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	allowed := map[string]bool{
		"github.com/gkpow/gkpow/solver":                       true,
		"github.com/gkpow/gkpow/solver/asm":                   true,
		"github.com/gkpow/gkpow/solver/asm/internal/schedule": true,
		"github.com/klauspost/cpuid/v2":                       true,
		"github.com/klauspost/cpuid/v2/topology":              true,
		"golang.org/x/sys/cpu":                                true,
		"golang.org/x/sys/unix":                               true, // used by cpuid
		"golang.org/x/sys/windows":                            true, // used by cpuid
	}
	packages := strings.Fields(string(out))
	require.Contains(t, packages, "github.com/gkpow/gkpow/solver/asm")
	for _, p := range packages {
		if !allowed[p] {
			t.Errorf("imports %s", p)
		}
	}
}

func FuzzSolve(f *testing.F) {
	f.Add([]byte("7f8e9d0cab12cd34ef567890a1b2c3d4:"), 12, uint64(0), false)
	f.Add([]byte{}, 0, uint64(1), true)
	f.Add(make([]byte, 47), 8, uint64(99_999), true)
	f.Add(make([]byte, 57), 10, uint64(math.MaxUint64), false)
	f.Add([]byte("\xff\x00"), 256, uint64(1000), false)
	f.Fuzz(func(t *testing.T, prefix []byte, bits int, limit uint64, sequential bool) {
		if bits > 14 {
			limit = 1 + limit%5000 // so that the search ends in time
		}
		s := mustNew(t, Options{MaxNonce: limit, Sequential: sequential})
		p := Puzzle{Prefix: prefix, Bits: bits}
		solution, err := s.Solve(t.Context(), p)
		var invalid *PuzzleError
		var exhausted *ExhaustedError
		switch {
		case err == nil:
			checkSolution(t, p, solution)
			if limit > 0 && solution.Nonce > limit {
				t.Errorf("nonce %d is above %d", solution.Nonce, limit)
			}
		case errors.As(err, &invalid):
			if bits >= 0 && bits <= MaxBits {
				t.Errorf("%d bits rejected: %v", bits, err)
			}
		case errors.As(err, &exhausted):
			if limit != 0 && exhausted.Hashes != limit+1 {
				t.Errorf("%d hashes for the nonces up to %d", exhausted.Hashes, limit)
			}
		default:
			t.Error(err)
		}
	})
}

// BenchmarkTextbook runs the loop that the engine replaces, on one core. The standard library may
// use the CPU's SHA instructions.
func BenchmarkTextbook(b *testing.B) {
	const salt = "7f8e9d0cab12cd34ef567890a1b2c3d4"
	n := 0
	for b.Loop() {
		sum := sha256.Sum256([]byte(salt + ":" + strconv.Itoa(n)))
		if leadingZeros(sum) >= 64 {
			b.Fatal(n)
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "hashes/s")
}

// BenchmarkSolver runs searches of 50 ms that find nothing. One worker alone should be as fast as
// each of two.
func BenchmarkSolver(b *testing.B) {
	for _, backend := range Backends() {
		for _, salt := range []int{16, 32, 48, 64} {
			for _, workers := range []int{1, 2} {
				b.Run(fmt.Sprintf("backend=%s/salt=%d/workers=%d", backend.Name, salt, workers), func(b *testing.B) {
					s, err := New(Options{Backend: backend.Name, Workers: workers})
					if err != nil {
						b.Skip(err)
					}
					p, err := NewPuzzle(strings.Repeat("7", salt), 64)
					if err != nil {
						b.Fatal(err)
					}
					var hashes uint64
					for b.Loop() {
						ctx, cancel := context.WithTimeout(b.Context(), 50*time.Millisecond)
						_, err := s.Solve(ctx, p)
						cancel()
						var stopped *StoppedError
						if !errors.As(err, &stopped) {
							b.Fatal(err)
						}
						hashes += stopped.Hashes
					}
					rate := float64(hashes) / b.Elapsed().Seconds()
					b.ReportMetric(rate, "hashes/s")
					b.ReportMetric(rate/float64(workers), "hashes/s/worker")
				})
			}
		}
	}
}

// BenchmarkSequential solves puzzles of difficulty 6, each in any order and then in numeric order.
// A rate is a number of nonces divided by the time: in any order, all nonces tried; in numeric
// order, the nonces up to the smallest solution, so that tries above it count as a loss.
func BenchmarkSequential(b *testing.B) {
	for _, salt := range []int{16, 24, 32, 40, 44, 48, 56, 58, 59, 60, 61, 62} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("salt=%d/workers=%d", salt, workers), func(b *testing.B) {
				var nonces, seconds [2]float64
				for n := 0; b.Loop(); n++ {
					for i, sequential := range []bool{false, true} {
						p, err := NewPuzzle(fmt.Sprintf("%0*x", salt, n), ServiceDifficulty)
						if err != nil {
							b.Fatal(err)
						}
						s, err := New(Options{Workers: workers, Sequential: sequential})
						if err != nil {
							b.Fatal(err)
						}
						solution, err := s.Solve(b.Context(), p)
						if err != nil {
							b.Fatal(err)
						}
						seconds[i] += solution.Elapsed.Seconds()
						if nonces[i] += float64(solution.Hashes); sequential {
							nonces[i] += float64(solution.Nonce+1) - float64(solution.Hashes)
						}
					}
				}
				b.ReportMetric(nonces[0]/seconds[0]/1e6, "MH/s-any-order")
				b.ReportMetric(nonces[1]/seconds[1]/1e6, "MH/s-sequential")
				b.ReportMetric(100*nonces[1]/seconds[1]/(nonces[0]/seconds[0]), "%-of-any-order")
				b.ReportMetric(0, "ns/op") // not shown: meaningless here
			})
		}
	}
}
