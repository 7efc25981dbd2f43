package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/bench"
)

// cannedMain runs gkpow with canned benchmark figures, so that scripts take no time and see
// the same figures on every machine.
func cannedMain() {
	os.Exit(run(context.Background(), os.Args[1:], environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookup: os.LookupEnv, environ: os.Environ, bench: cannedBench,
	}))
}

// cannedRates are in hashes per second of one thread.
var cannedRates = map[string]float64{"textbook": 2e6, "append": 8e6, "generic": 4e6}

// cannedBench replaces bench.Run and returns made-up figures. If its context has a
// deadline, it stops halfway at the deadline.
func cannedBench(ctx context.Context, o bench.Options) (*bench.Report, error) {
	stopped := true
	if _, ok := ctx.Deadline(); ok {
		<-ctx.Done()
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
		stopped = false
	}
	r, err := bench.Run(ctx, o)
	if r == nil {
		return nil, err
	}
	if !stopped {
		r.Complete, r.Stopped, err = true, "", nil
	}
	r.Warnings = []bench.Warning{{Name: bench.WarningBusy, Message: "other processes used 1.0 CPUs", Hint: "stop them and measure again"}}
	for i := range r.Rows {
		row := &r.Rows[i]
		rate := cannedRates[row.Strategy]
		if rate == 0 {
			continue
		}
		row.Status, row.Reason = bench.Measured, ""
		for n := range uint64(max(o.Rounds, 7)) {
			row.Samples = append(row.Samples, bench.Sample{Hashes: 1_000 + n, Seconds: 1_000 / rate / float64(row.Threads), Hz: 3e9})
		}
	}
	threads := r.Settings.Threads
	most := threads[len(threads)-1]
	if len(threads) > 1 {
		r.Scaling = &bench.Scaling{Strategy: "append", SaltLength: 32}
		for _, n := range threads {
			r.Scaling.Points = append(r.Scaling.Points, bench.ScalingPoint{Threads: n, Samples: []bench.Sample{{Hashes: 1_000 * uint64(n), Seconds: 0.001}}})
		}
	}
	r.Solve = &bench.Solve{
		Strategy: "append", SaltLength: 32, Threads: most, Difficulty: r.Settings.Difficulty, Rate: 8e6,
		Predicted:    bench.Quantiles{Mean: 0.0125, P50: 0.0087, P95: 0.0374, P99: 0.0576},
		PredictedLow: 0.0124, PredictedHigh: 0.0126, Planned: 2, Times: []float64{0.01, 0.02}, Deadline: 60,
		Curve: []bench.CurvePoint{{Seconds: 0.001, Chance: 0.08}, {Seconds: 0.0087, Chance: 0.5}, {Seconds: 0.0576, Chance: 0.99}},
	}
	return rebuilt(r), err
}

// rebuilt returns the report with every figure that is computed from its samples.
func rebuilt(r *bench.Report) *bench.Report {
	var file bytes.Buffer
	if err := r.WriteJSON(&file); err != nil {
		panic(err)
	}
	loaded, err := bench.Load(&file)
	if err != nil {
		panic(err)
	}
	return loaded
}

// Every flag sets its option.
func TestBenchOptions(t *testing.T) {
	var got bench.Options
	env := environment{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, lookup: func(string) (string, bool) { return "", false },
		bench: func(_ context.Context, o bench.Options) (*bench.Report, error) {
			got = o
			return nil, errors.New("enough seen")
		}}
	require.Equal(t, exitUsage, run(t.Context(), []string{"bench", "--quick", "--time", "2s", "--count", "9", "--seed", "5",
		"--difficulty", "3", "--threads", "1,3", "--salt-length", "40,8", "--strategy", "suffix,append"}, env))
	require.Equal(t, []string{"append", "suffix"}, []string{got.Strategies[0].Name(), got.Strategies[1].Name()})
	got.Strategies, got.Progress = nil, nil
	require.Equal(t, bench.Options{
		SaltLengths: []int{40, 8}, Threads: []int{1, 3}, Budget: 2e9, Rounds: 9, Seed: 5, Difficulty: 3, Quick: true,
		Arguments: []string{"--count=9", "--difficulty=3", "--quick", "--salt-length=40,8", "--seed=5", "--strategy=suffix,append", "--threads=1,3", "--time=2s"},
	}, got)
}

func TestIsUTF8(t *testing.T) {
	for _, test := range []struct {
		variables map[string]string
		want      bool
	}{
		{map[string]string{"LANG": "de_DE.UTF-8"}, true},
		{map[string]string{"LANG": "C.utf8"}, true},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.ISO-8859-1"}, false},
	} {
		env := environment{lookup: func(name string) (string, bool) {
			value, ok := test.variables[name]
			return value, ok
		}}
		require.Equal(t, test.want, isUTF8(env), "%v", test.variables)
	}
}
