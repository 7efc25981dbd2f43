// Package bench measures how fast this machine searches for proof-of-work
// nonces: the throughput of every strategy and kernel, how it scales by threads,
// and the time to solution.
//
//	report, err := bench.Run(ctx, bench.Options{})
//	report.WriteText(os.Stdout)
//
// Each strategy must find all solutions in some fixed work before it is measured, and
// its later answers are verified too. Strategies take turns in many short rounds, in
// random order, so that a disturbance hits all of them. The figures are medians with
// confidence intervals. The CPU's clock is measured in between, and whatever may have
// disturbed the figures is reported: see Warning.
//
// To read the package, start with report.go, which is the result, and go on with
// run.go (the order of things), work.go and check.go (what each strategy must find),
// rounds.go and sample.go (measuring) and solve.go (the time to solution).
package bench

import (
	"context"
	"fmt"
	"math"
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

// DefaultSaltLengths are lengths of salts, in characters, that a service may use: random
// bytes or digests in hex.
func DefaultSaltLengths() []int { return []int{16, 24, 32, 40, 48, 64, 128} }

// quickSaltLengths are one of each kind: the nonce lies late in a block, across its end,
// or early.
func quickSaltLengths() []int { return []int{32, 48, 64} }

// Options say what to measure. The zero value measures everything.
type Options struct {
	Strategies  []strategies.Strategy // what to measure; nil means strategies.All()
	SaltLengths []int                 // in characters, 0 to 1,048,576; nil means DefaultSaltLengths
	Threads     []int                 // numbers of threads, 1 to 4096; nil means 1 and runtime.GOMAXPROCS
	// Budget is about how long the run takes. Checks take up to four fifths of it; rows
	// for which no time is left are not measured. 0 means DefaultBudget, or
	// DefaultQuickBudget with Quick; the limit is 24 hours.
	Budget time.Duration
	// Rounds is how many samples to take of each row, 1 to 100,000, even if the run takes
	// up to half as long again. 0 means as many as fit, up to 501. Fewer than six give no
	// confidence interval.
	Rounds     int
	Seed       uint64 // of the salts, the nonces and the order; any number will do
	Difficulty int    // for the time to solution, in leading zero hex digits, 1 to 64; 0 means DefaultDifficulty
	Quick      bool   // fewer salt lengths (unless given) and rounds, in DefaultQuickBudget

	Arguments []string       // the command line, for the Report
	Progress  func(Progress) // if not nil, called now and then by the goroutine that called Run
}

// Progress says how far a run has got.
type Progress struct {
	Phase string  // what it is doing, such as "checking answers"
	Done  float64 // part of the budget that has passed, 0 to 1
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
			return o, fmt.Errorf("bench: strategy %s is given twice", s.Name())
		}
		names[s.Name()] = true
	}
	switch {
	case len(o.Strategies) == 0:
		return o, fmt.Errorf("bench: no strategy to measure")
	case len(o.SaltLengths) == 0 || o.SaltLengths[0] < 0 || slices.Max(o.SaltLengths) > maxSaltLength:
		return o, fmt.Errorf("bench: salt lengths %v: each must be 0 to %d", o.SaltLengths, maxSaltLength)
	case len(o.Threads) == 0 || o.Threads[0] < 1 || slices.Max(o.Threads) > maxThreads:
		return o, fmt.Errorf("bench: threads %v: each must be 1 to %d", o.Threads, maxThreads)
	case o.Budget < 0 || o.Budget > maxBudget:
		return o, fmt.Errorf("bench: time %v: it must be more than 0 and at most %v", o.Budget, maxBudget)
	case o.Rounds < 0 || o.Rounds > maxRounds:
		return o, fmt.Errorf("bench: %d rounds: the number must be 1 to %d, or 0 for as many as fit", o.Rounds, maxRounds)
	case o.Difficulty < 1 || o.Difficulty > solver.MaxBits/4:
		return o, fmt.Errorf("bench: difficulty %d: it must be 1 to %d", o.Difficulty, solver.MaxBits/4)
	}
	return o, nil
}

// distinct returns the numbers in ascending order, each once.
func distinct(numbers []int) []int {
	sorted := slices.Clone(numbers)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// Run measures. If the context ends first, Run returns what was measured so far, with
// Complete false, and an error that wraps the context's cause. Wrong answers are not an
// error: see Report.Verdict. Any other error, such as one for an invalid option, comes
// without a Report.
func Run(ctx context.Context, o Options) (*Report, error) {
	return run(ctx, o, world{
		now:    time.Now,
		until:  context.WithDeadline,
		cpu:    thisSystem.cpu,
		clock:  strategies.CPUClock,
		choose: chosenKernel,
		system: thisSystem,
	})
}

// A world is what a run uses of its surroundings.
type world struct {
	now    func() time.Time
	until  func(context.Context, time.Time) (context.Context, context.CancelFunc)
	cpu    func() time.Duration                  // CPU time of the process, 0 if unknown
	clock  func(context.Context) float64         // of the CPU in Hz
	choose func(context.Context) (kernel string) // that the engine uses, "" if unknown
	system interface {
		describe(*Machine)
		usage() usage
	}
}

// chosenKernel returns the kernel that the engine chooses in this process.
func chosenKernel(ctx context.Context) (kernel string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for i := range 3 { // the choice is made during the first search, which may end before
		p := solver.Puzzle{Prefix: fmt.Appendf(nil, "%032d:", i), Bits: 20}
		if solution, err := solver.Solve(ctx, p); err == nil {
			kernel = solution.Backend
		}
	}
	return kernel
}

// seconds returns a duration of so many seconds, at least 0.
func seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0)*1e9, math.MaxInt64/2))
}
