package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

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

func (f *benchFlags) register(flags *pflag.FlagSet) {
	f.given = flags.Changed
	f.arguments = func() []string { return givenFlags(flags) }
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

// strategyJSON is how --list --json shows a strategy.
type strategyJSON struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Backend     string `json:"backend,omitempty"` // the kernel, if it is one of the engine's
	Missing     string `json:"missing,omitempty"` // the CPU feature that it lacks here
}

// givenFlags returns the flags that are on the command line, in the order of their
// names.
func givenFlags(flags *pflag.FlagSet) (list []string) {
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

// numbers lists numbers as a flag takes them.
func numbers(list []int) string {
	var words []string
	for _, n := range list {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}
