// Package bench measures how fast this machine searches for proof-of-work
// nonces: the throughput of every strategy and kernel, how it scales by threads,
// and the time to solution.
//
//	report, err := bench.Run(ctx, bench.Options{})
//	report.WriteText(os.Stdout, bench.TextOptions{})
//
// Run measures a strategy only after it has found every solution of a fixed piece of work,
// and verifies its later answers too. Strategies take turns in many short rounds, in
// random order, so that a disturbance affects all of them. Each figure is a median with its
// confidence interval. Run measures the CPU's clock between samples, and reports anything
// that may have disturbed the figures as a Warning.
//
// To read the package, start with report.go, which defines the result, and go on with
// run.go (the phases of a run), work.go and check.go (what each strategy must find),
// rounds.go and sample.go (measuring) and solve.go (the time to solution).
package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// Defaults of Options.
const (
	DefaultBudget      = 25 * time.Second
	DefaultQuickBudget = 3 * time.Second
	DefaultDifficulty  = solver.ServiceDifficulty
)

// DefaultSaltLengths returns salt lengths, in characters, that a service is likely to use:
// those of random bytes and digests in hex.
func DefaultSaltLengths() []int { return []int{16, 24, 32, 40, 48, 64, 128} }

// quickSaltLengths returns one length for each position of the nonce: late in a SHA-256
// block, across its end, and early in the next.
func quickSaltLengths() []int { return []int{32, 48, 64} }

// Options say what to measure. The zero value measures everything.
type Options struct {
	Strategies  []strategies.Strategy // what to measure; nil means strategies.All()
	SaltLengths []int                 // in characters, 0 to 1,048,576; nil means DefaultSaltLengths
	Threads     []int                 // numbers of threads, 1 to 4096; nil means 1 and runtime.GOMAXPROCS
	// Budget is the approximate duration of the run, up to 24 hours. Checking answers takes
	// at most four fifths of it, and rows whose turn comes too late are not measured. 0
	// means DefaultBudget, or DefaultQuickBudget with Quick.
	Budget time.Duration
	// Rounds is the number of samples to take of each row, 1 to 100,000. To reach it, the
	// run may exceed its budget by up to half. 0 means as many as fit, up to 501. A
	// confidence interval needs at least six.
	Rounds     int
	Seed       uint64 // seeds the random salts, nonces and order; any value
	Difficulty int    // for the time to solution, in leading zero hex digits, 1 to 64; 0 means DefaultDifficulty
	Quick      bool   // default to fewer salt lengths, fewer rounds and DefaultQuickBudget

	Arguments []string       // the command line, recorded in the Report
	Progress  func(Progress) // if not nil, called regularly on the goroutine that called Run
}

// Progress says how far a run has got.
type Progress struct {
	Phase string  // the current phase, such as "checking answers"
	Done  float64 // elapsed share of the budget, 0 to 1
}

// Limits of Options.
const (
	maxSaltLength = 1 << 20
	maxThreads    = 4096
	maxRounds     = 100_000
	maxBudget     = 24 * time.Hour
)

// complete fills in defaults and rejects invalid values.
func (o Options) complete() (Options, error) {
	if o.Strategies == nil {
		o.Strategies = strategies.All()
	}
	if o.SaltLengths == nil {
		o.SaltLengths = DefaultSaltLengths()
		if o.Quick {
			o.SaltLengths = quickSaltLengths()
		}
	}
	if o.Threads == nil {
		o.Threads = []int{1, runtime.GOMAXPROCS(0)}
	}
	if o.Budget == 0 {
		o.Budget = DefaultBudget
		if o.Quick {
			o.Budget = DefaultQuickBudget
		}
	}
	if o.Difficulty == 0 {
		o.Difficulty = DefaultDifficulty
	}
	o.SaltLengths, o.Threads = distinct(o.SaltLengths), distinct(o.Threads)
	names := map[string]bool{}
	for _, s := range o.Strategies {
		if names[s.Name()] {
			return o, fmt.Errorf("bench: Options.Strategies contains %s twice", s.Name())
		}
		names[s.Name()] = true
	}
	switch {
	case len(o.Strategies) == 0:
		return o, fmt.Errorf("bench: Options.Strategies is empty")
	case len(o.SaltLengths) == 0 || o.SaltLengths[0] < 0 || slices.Max(o.SaltLengths) > maxSaltLength:
		return o, fmt.Errorf("bench: Options.SaltLengths %v: each length must be 0 to %d", o.SaltLengths, maxSaltLength)
	case len(o.Threads) == 0 || o.Threads[0] < 1 || slices.Max(o.Threads) > maxThreads:
		return o, fmt.Errorf("bench: Options.Threads %v: each number must be 1 to %d", o.Threads, maxThreads)
	case o.Budget < 0 || o.Budget > maxBudget:
		return o, fmt.Errorf("bench: Options.Budget %v: the time must be more than 0 and at most %v", o.Budget, maxBudget)
	case o.Rounds < 0 || o.Rounds > maxRounds:
		return o, fmt.Errorf("bench: Options.Rounds %d: the number must be 1 to %d", o.Rounds, maxRounds)
	case o.Difficulty < 1 || o.Difficulty > solver.MaxBits/4:
		return o, fmt.Errorf("bench: Options.Difficulty %d: it must be 1 to %d", o.Difficulty, solver.MaxBits/4)
	}
	return o, nil
}

// distinct returns the numbers in ascending order, each once.
func distinct(numbers []int) []int {
	sorted := slices.Clone(numbers)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// Run runs the benchmark. If the context ends first, Run returns what it has measured so
// far, with Complete false, and an error that wraps the context's cause. Wrong answers are
// not an error: they set Report.Verdict. With any other error, such as an invalid option,
// the Report is nil.
func Run(ctx context.Context, o Options) (*Report, error) {
	return run(ctx, o, environment{
		now:    time.Now,
		until:  context.WithDeadline,
		cpu:    thisSystem.cpu,
		clock:  strategies.CPUClock,
		choose: chosenKernel,
		system: thisSystem,
	})
}

// An environment is everything outside the package that a run depends on, so that tests can
// replace it.
type environment struct {
	now    func() time.Time
	until  func(context.Context, time.Time) (context.Context, context.CancelFunc)
	cpu    func() time.Duration                  // CPU time of the process; 0 if unknown
	clock  func(context.Context) float64         // the CPU's clock in Hz
	choose func(context.Context) (kernel string) // the kernel that the engine uses; "" if unknown
	system interface {
		describe(*Machine)
		usage() usage
	}
}

// chosenKernel returns the kernel that the engine chooses in this process. It searches until the
// engine has chosen or the context ends. If GKPOW_BACKEND names the kernel, no search is needed.
func chosenKernel(ctx context.Context) (kernel string) {
	puzzle := func(i int) solver.Puzzle { return solver.Puzzle{Prefix: fmt.Appendf(nil, "%032d:", i), Bits: 18} }
	if s, err := solver.New(solver.Options{}); err == nil {
		if plan, err := s.Outline(puzzle(0)); err == nil {
			kernel = plan.Backend // a search begins with it
		}
	}
	if os.Getenv("GKPOW_BACKEND") != "" {
		return kernel
	}
	for i := range 3 { // the engine chooses during the first search, which may end too soon
		if solution, err := solver.Solve(ctx, puzzle(i)); err == nil {
			kernel = solution.Backend
		}
	}
	return kernel
}

// seconds converts seconds to a duration; negative values become 0.
func seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0)*1e9, math.MaxInt64/2))
}
