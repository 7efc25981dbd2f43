package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/gkpow/gkpow/bench"
	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// benchFlags are the flags of gkpow bench.
type benchFlags struct {
	timeFlags
	strategies  []string
	saltLengths []int
	threads     []string
	time        time.Duration
	count       int
	seed        uint64
	difficulty  int
	quick       bool
	format      string
	wide        bool
	json        bool
	save        string
	compare     string
	html        string
	list        bool

	given     func(flag string) bool // whether a flag is on the command line
	arguments func() []string        // the flags on the command line
}

// benchFormats are the values of --format.
var benchFormats = []string{"text", "json", "csv", "markdown", "benchfmt", "html"}

// writer returns the function that prints a report, or nil for an unknown format.
func (f *benchFlags) writer(env environment) func(*bench.Report, io.Writer) error {
	switch f.format {
	case "text":
		o := bench.TextOptions{Width: terminalWidth(env), ASCII: !isUTF8(env), Wide: f.wide}
		return func(r *bench.Report, w io.Writer) error { return r.WriteText(w, o) }
	case "json":
		return (*bench.Report).WriteJSON
	case "csv":
		return (*bench.Report).WriteCSV
	case "markdown":
		return (*bench.Report).WriteMarkdown
	case "benchfmt":
		return (*bench.Report).WriteBenchfmt
	case "html":
		return (*bench.Report).WriteHTML
	}
	return nil
}

// terminalWidth returns the width of standard output in columns, from COLUMNS or else from the
// terminal. It returns 0 if neither says.
func terminalWidth(env environment) int {
	columns, _ := env.lookup("COLUMNS")
	if width, err := strconv.Atoi(columns); err == nil && width > 0 {
		return width
	}
	if file, ok := env.stdout.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// isUTF8 reports whether the locale uses UTF-8. The first variable that is set decides, in the
// order of POSIX. Windows has no such variables, and its terminals show UTF-8.
func isUTF8(env environment) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value, _ := env.lookup(name); value != "" {
			value = strings.ToUpper(strings.ReplaceAll(value, "-", ""))
			return strings.Contains(value, "UTF8")
		}
	}
	return runtime.GOOS == "windows"
}

// errWrong is the error of a run in which answers were wrong.
var errWrong = errors.New("wrong answers: see FAIL in the report")

func newBench(env environment) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Benchmark every kernel on this machine and verify its results",
		Long: `Benchmark every kernel and strategy on this machine and verify its results, by
salt length, on one thread and on all. Also show how the rate grows with the
number of threads, and how long a solution takes, predicted and measured.

Kernels and strategies take turns in short rounds. Rates are medians with 95 %
confidence intervals; warnings say what may have disturbed them. Before gkpow
measures a strategy, it requires the strategy to find the same solutions as
crypto/sha256 in some fixed work. It verifies later answers, too. If an answer is
wrong, the report says FAIL, and the exit code is 1.

  STRATEGY     a way to search: see "gkpow bench --list". ">" marks the kernel
               that gkpow chooses, or that GKPOW_BACKEND names
  ±            the wider half of the confidence interval; "?" if fewer than six
               samples give none
  × TEXTBOOK   rate ÷ rate of the loop in the service's samples
  NS/HASH      nanoseconds that one thread takes for a hash
  CYCLES/HASH  the same in cycles of the CPU's clock, which is measured too
  TIMES        rate ÷ rate of one thread; after --compare, rate now ÷ before
  EFFICIENCY   TIMES ÷ number of threads; 100 % is perfect

and with --wide

  OPS          operations of the kernel for a hash: OPS/HASH of "gkpow explain"
  OF BOUND     the CPU's minimum cycles ÷ measured cycles; 100 % is perfect

If there is no time for ten puzzles of --difficulty, gkpow solves easier ones to
test the prediction.

The glossary explains these words, and the troubleshooting guide the warnings:

  https://github.com/gkpow/gkpow/blob/main/docs/glossary.md
  https://github.com/gkpow/gkpow/blob/main/docs/troubleshooting.md

--save keeps the report as JSON, and a later --compare says how many times as fast
each row is now. --format benchfmt is for benchstat. If interrupted, gkpow prints
and saves what it has measured so far. The text is as wide as the terminal or as
COLUMNS says, but at least 40 columns.`,
		Example: `  gkpow bench --quick
  gkpow bench --strategy avx512,shani --salt-length 32,64 --time 10s
  gkpow bench --save before.json
  gkpow bench --compare before.json --html report.html
  gkpow bench --format benchfmt >bench.txt && benchstat -col /strategy bench.txt`,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error { return runBench(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.given = flags.Changed
	f.arguments = func() []string { return given(flags) }
	f.timeFlags.register(flags)
	flags.StringSliceVar(&f.strategies, "strategy", nil, "strategies or kernels to measure (default: all)")
	flags.IntSliceVar(&f.saltLengths, "salt-length", nil,
		"salt lengths in characters (default: "+numbers(bench.DefaultSaltLengths())+")")
	flags.StringSliceVar(&f.threads, "threads", nil, `numbers of threads, or "all" (default: 1,all)`)
	flags.DurationVar(&f.time, "time", 0, fmt.Sprintf("how long to measure (default: %v, with --quick %v)",
		bench.DefaultBudget, bench.DefaultQuickBudget))
	flags.IntVar(&f.count, "count", 0, "samples of each row (default: as many as fit the time)")
	flags.Uint64Var(&f.seed, "seed", 1, "seed for salts, nonces and the order")
	flags.IntVar(&f.difficulty, "difficulty", bench.DefaultDifficulty, "leading zero hex digits for the time to solution, 1 to 64")
	flags.BoolVar(&f.quick, "quick", false, "under 5 seconds: fewer salt lengths and rounds")
	flags.StringVar(&f.format, "format", "text", "what to print: "+strings.Join(benchFormats, ", "))
	flags.BoolVar(&f.wide, "wide", false, "also show operations and the CPU's bound")
	flags.BoolVar(&f.json, "json", false, "the same as --format json")
	flags.StringVar(&f.save, "save", "", "file to save the report in, as JSON")
	flags.StringVar(&f.compare, "compare", "", "file of an earlier --save to compare with")
	flags.StringVar(&f.html, "html", "", "file for a page with charts")
	flags.BoolVar(&f.list, "list", false, "list the strategies and measure nothing")
	cmd.MarkFlagsMutuallyExclusive("format", "json")
	return cmd
}

func runBench(ctx context.Context, env environment, f benchFlags) error {
	if f.list {
		return f.listStrategies(env.stdout)
	}
	options, err := f.options()
	if err != nil {
		return err
	}
	if _, err := solver.New(solver.Options{}); err != nil {
		return &usageError{err} // about GKPOW_BACKEND
	}
	if f.json {
		f.format = "json"
	}
	write := f.writer(env)
	if write == nil {
		return usagef("--format %q is not one of %s", f.format, strings.Join(benchFormats, ", "))
	}
	ctx, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	var before *bench.Report
	if f.given("compare") {
		if f.format == "benchfmt" || f.format == "csv" {
			return usagef("--compare cannot be used with --format %s: compare the two files with a tool that reads that format", f.format)
		}
		if before, err = readReport(ctx, f.compare); err != nil {
			return err
		}
	}
	// Report a file that cannot be written before the run, not after it.
	save, err := newOutput("save", f.save, f.given("save"))
	if err != nil {
		return err
	}
	html, err := newOutput("html", f.html, f.given("html"))
	if err != nil {
		return err
	}

	bar := newProgress(env.stderr)
	options.Progress = bar.showBench
	measure := bench.Run
	if env.bench != nil {
		measure = env.bench
	}
	report, stopped := measure(ctx, options)
	bar.close()
	if report == nil {
		if ctx.Err() == nil {
			return &usageError{stopped}
		}
		return stopped
	}
	if before != nil {
		report.Comparison = bench.Compare(before, report)
	}
	// The files come first, since a reader of standard output such as "head" may end the process.
	return errors.Join(
		save.write(ctx, report.WriteJSON),
		html.write(ctx, report.WriteHTML),
		write(report, env.stdout),
		stopped,
		verdict(report),
	)
}

// verdict returns an error if any answer was wrong.
func verdict(r *bench.Report) error {
	if r.Verdict != bench.Pass {
		return errWrong
	}
	return nil
}

// options makes the options for the run from the flags.
func (f *benchFlags) options() (o bench.Options, err error) {
	o = bench.Options{
		Budget:     f.time,
		Rounds:     f.count,
		Seed:       f.seed,
		Difficulty: f.difficulty,
		Quick:      f.quick,
		Arguments:  f.arguments(),
	}
	switch {
	case f.given("time") && f.time <= 0:
		return o, usagef("--time must be above 0, not %v", f.time)
	case f.given("count") && f.count < 1:
		return o, usagef("--count must be 1 or more, not %d", f.count)
	case f.difficulty < 1:
		return o, usagef("--difficulty must be 1 to 64, not %d", f.difficulty)
	}
	if f.given("salt-length") {
		o.SaltLengths = f.saltLengths
	}
	if f.given("threads") {
		o.Threads = []int{}
		for _, s := range f.threads {
			n, err := strconv.Atoi(s)
			if s == "all" {
				n, err = runtime.GOMAXPROCS(0), nil
			}
			if err != nil {
				return o, usagef(`--threads %q is neither a number nor "all"`, s)
			}
			o.Threads = append(o.Threads, n)
		}
		if len(o.Threads) == 0 {
			return o, usagef(`--threads "" is neither a number nor "all"`)
		}
	}
	if f.given("strategy") {
		o.Strategies, err = chosenStrategies(f.strategies)
	}
	return o, err
}

// chosenStrategies returns the strategies with these names, in the order of strategies.All.
func chosenStrategies(names []string) ([]strategies.Strategy, error) {
	all := strategies.All()
	chosen := make([]bool, len(all))
	for _, name := range names {
		i := slices.IndexFunc(all, func(s strategies.Strategy) bool { return s.Name() == name })
		if i < 0 {
			var known []string
			for _, s := range all {
				known = append(known, s.Name())
			}
			return nil, usagef("unknown strategy %q; use one of %s%s", name, strings.Join(known, ", "), meant(name, known))
		}
		chosen[i] = true
	}
	var list []strategies.Strategy
	for i, s := range all {
		if chosen[i] {
			list = append(list, s)
		}
	}
	if list == nil {
		return nil, usagef("--strategy is empty: name at least one")
	}
	return list, nil
}

// readReport reads the file of --compare.
func readReport(ctx context.Context, name string) (*bench.Report, error) {
	return await(ctx, "--compare "+name, func() (*bench.Report, error) {
		file, err := os.Open(name)
		if err != nil {
			return nil, usagef("--compare %q: %w", name, err)
		}
		defer file.Close()
		report, err := bench.Load(file)
		if err != nil {
			return nil, usagef("--compare %s: %w", name, err)
		}
		return report, nil
	})
}

// showBench shows the progress of a run.
func (p *progress) showBench(now bench.Progress) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(now.Phase)
	_ = p.bar.Set(min(int(now.Done*barSteps), barSteps-1))
}

// given returns the flags that are on the command line, in the order of their
// names.
func given(flags *pflag.FlagSet) (list []string) {
	flags.Visit(func(f *pflag.Flag) {
		value := "=" + f.Value.String()
		if slice, ok := f.Value.(pflag.SliceValue); ok {
			value = "=" + strings.Join(slice.GetSlice(), ",")
		}
		if f.Value.Type() == "bool" && value == "=true" {
			value = ""
		}
		list = append(list, "--"+f.Name+value)
	})
	return list
}

// strategyJSON is how --list --json shows a strategy.
type strategyJSON struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Backend     string `json:"backend,omitempty"` // the kernel, if it is one of the engine's
	Missing     string `json:"missing,omitempty"` // the CPU feature that it lacks here
}

func (f *benchFlags) listStrategies(stdout io.Writer) error {
	var list []strategyJSON
	for _, s := range strategies.All() {
		list = append(list, strategyJSON{s.Name(), s.Description(), strategies.BackendOf(s), s.Missing()})
	}
	if f.json {
		return printJSON(stdout, map[string]any{"strategies": list})
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STRATEGY\tDESCRIPTION")
	for _, s := range list {
		if s.Missing != "" {
			s.Description += " (this CPU has no " + s.Missing + ")"
		}
		fmt.Fprintf(w, "%s\t%s\n", s.Name, s.Description)
	}
	return w.Flush()
}

// numbers lists numbers as a flag takes them.
func numbers(list []int) string {
	var words []string
	for _, n := range list {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}
