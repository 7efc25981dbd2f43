package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/bench"
	"github.com/gkpow/gkpow/solver"
)

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
	f.register(cmd.Flags())
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
		wrongAnswers(report),
	)
}

// wrongAnswers returns an error if any answer was wrong.
func wrongAnswers(r *bench.Report) error {
	if r.Verdict != bench.Pass {
		return errWrong
	}
	return nil
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
