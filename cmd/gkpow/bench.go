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
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gkpow/gkpow/bench"
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
	json        bool
	save        string
	compare     string
	html        string
	list        bool

	given     func(flag string) bool // whether a flag is on the command line
	arguments func() []string        // the flags that are
}

// benchFormats are the values of --format.
var benchFormats = map[string]func(*bench.Report, io.Writer) error{
	"text":     (*bench.Report).WriteText,
	"json":     (*bench.Report).WriteJSON,
	"markdown": (*bench.Report).WriteMarkdown,
	"benchfmt": (*bench.Report).WriteBenchfmt,
}

// errWrong is that of answers that were wrong.
var errWrong = errors.New("wrong answers: see FAIL in the report")

func newBench(env environment) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast this machine searches, and whether rightly",
		Long: `Measure how fast this machine searches: every strategy and kernel, by the length
of the salt, on one thread and on all; how the rate grows with the threads; and
how long a solution takes, predicted from the rate and measured.

All take turns in short rounds. The figures are medians with 95 % confidence
intervals, and what speaks against them is a warning with a hint. Before it is measured
each strategy has to find what crypto/sha256 finds in some fixed work, and what it
finds later is checked too. A wrong answer shows as FAIL, and the exit code is 1.

  STRATEGY     a way to search: "gkpow bench --list" describes them
  ±            half of the confidence interval
  NS/HASH      time of one thread for one hash
  CYCLES/HASH  the same in cycles of the clock, which is measured in between
  OPS/HASH     operations of the kernel for one hash, as in "gkpow explain"
  OF BOUND     the part of the cycles that the CPU cannot do without: how near
               the kernel is to what the CPU allows, where that is known

--save keeps the report as JSON, and a later --compare says for each row how many
times as fast it is now. --format benchfmt is for benchstat. When it is
interrupted it prints, and keeps, what was measured so far.`,
		Example: `  gkpow bench --quick
  gkpow bench --strategy avx512,shani --salt-length 32,64 --time 10s
  gkpow bench --save before.json
  gkpow bench --compare before.json --html report.html
  gkpow bench --format benchfmt >bench.txt && benchstat -col /strategy bench.txt`,
		Args: cobra.NoArgs,
		RunE: action(func(ctx context.Context) error { return runBench(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.given = flags.Changed
	f.arguments = func() []string { return given(flags) }
	f.timeFlags.register(flags)
	flags.StringSliceVar(&f.strategies, "strategy", nil, "measure these strategies or kernels only (default: all)")
	flags.IntSliceVar(&f.saltLengths, "salt-length", nil,
		"characters of the salts (default: "+numbers(bench.DefaultSaltLengths())+")")
	flags.StringSliceVar(&f.threads, "threads", nil, `numbers of threads, or "all" (default: 1,all)`)
	flags.DurationVar(&f.time, "time", 0, fmt.Sprintf("how long to measure, checks included (default: %v, with --quick %v)",
		bench.DefaultBudget, bench.DefaultQuickBudget))
	flags.IntVar(&f.count, "count", 0, "rounds: samples of each row (default: as many as suit the time)")
	flags.Uint64Var(&f.seed, "seed", 1, "what salts, nonces and the order are made from")
	flags.IntVar(&f.difficulty, "difficulty", bench.DefaultDifficulty, "leading zero hex digits for the time to solution, 1 to 64")
	flags.BoolVar(&f.quick, "quick", false, "under 5 seconds: fewer salt lengths and rounds")
	flags.StringVar(&f.format, "format", "text", "what to print: text, json, markdown or benchfmt")
	flags.BoolVar(&f.json, "json", false, "the same as --format json")
	flags.StringVar(&f.save, "save", "", "file to keep the report in, as JSON")
	flags.StringVar(&f.compare, "compare", "", "file of an earlier --save to compare with")
	flags.StringVar(&f.html, "html", "", "file for a page with charts")
	flags.BoolVar(&f.list, "list", false, "list the strategies, and measure nothing")
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
	if f.json {
		f.format = "json"
	}
	write, ok := benchFormats[f.format]
	if !ok {
		return usagef("--format %q is not text, json, markdown or benchfmt", f.format)
	}
	var before *bench.Report
	if f.given("compare") {
		if f.format == "benchfmt" {
			return usagef("--compare does not go with --format benchfmt: give benchstat both files")
		}
		if before, err = readReport(f.compare); err != nil {
			return err
		}
	}
	// What cannot be written must not come out after the measuring only.
	save, err := newOutput("save", f.save, f.given("save"))
	if err != nil {
		return err
	}
	html, err := newOutput("html", f.html, f.given("html"))
	if err != nil {
		return err
	}
	ctx, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()

	bar := newProgress(env.stderr)
	options.Progress = bar.showBench
	report, stopped := bench.Run(ctx, options)
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
	return errors.Join(
		write(report, env.stdout),
		save.write(report.WriteJSON),
		html.write(report.WriteHTML),
		stopped,
		verdict(report),
	)
}

// verdict is an error if any answer was wrong.
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
		return o, usagef("--time %v is not more than 0", f.time)
	case f.given("count") && f.count < 1:
		return o, usagef("--count %d is not at least 1", f.count)
	case f.difficulty < 1:
		return o, usagef("--difficulty %d is not 1 to 64", f.difficulty)
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

// chosenStrategies returns the strategies of these names, in the order in which all
// are.
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
			return nil, usagef("no strategy %q; there are %s", name, strings.Join(known, ", "))
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
		return nil, usagef("--strategy names none")
	}
	return list, nil
}

// readReport reads the file of --compare.
func readReport(name string) (*bench.Report, error) {
	// A pipe that nobody writes to is empty, instead of a wait for somebody who does.
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, usagef("--compare %q: %w", name, err)
	}
	defer file.Close()
	report, err := bench.Load(file)
	if err != nil {
		return nil, usagef("--compare %s: %w", name, err)
	}
	return report, nil
}

// showBench shows how far a run is.
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
