// Command compare measures gkpow and other searches on the same puzzles, in turn, and
// prints a table in Markdown. The others are the loops of the service's Node.js, Python
// and PHP samples, the strategies of package strategies, and openssl speed for scale.
//
//	cd bench/compare && go run .
//
// If a search does not find the one correct nonce, its row says FAIL and the exit code
// is 1. If a search needs a program that is not installed, its row says so.
//
// The command is a separate module, so that gkpow does not depend on the rivals'
// libraries. To read it, start here and go on with rivals.go and table.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
)

// options are the flags.
type options struct {
	rounds     int
	seed       uint64
	saltLength int
	only       string
	quick      bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "compare: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.rounds, "rounds", 7, "number of measurements of each search; the table shows their median")
	flags.Uint64Var(&o.seed, "seed", 1, "seed for the salts and the order")
	flags.IntVar(&o.saltLength, "salt-length", 32, "salt length in characters, 1 to 64")
	flags.StringVar(&o.only, "only", "", "comma-separated searches to compare, by their names in the table")
	flags.BoolVar(&o.quick, "quick", false, "run one round of small puzzles, to check that all searches work")
	switch err := flags.Parse(args); {
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("argument %q: compare takes only flags", flags.Arg(0))
	case o.rounds < 1 || o.saltLength < 1 || o.saltLength > 64:
		return errors.New("-rounds must be at least 1, and -salt-length 1 to 64")
	}
	if o.quick {
		o.rounds = 1
	}

	dir, err := os.MkdirTemp("", "gkpow-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m := newMachine(ctx)
	rivals, err := newRivals(ctx, dir)
	if err != nil {
		return err
	}
	if rivals, err = choose(rivals, o.only); err != nil {
		return err
	}
	puzzles, err := newPuzzles(ctx, o)
	if err != nil {
		return err
	}
	if err := measure(ctx, o, rivals, puzzles, stderr); err != nil {
		return err
	}
	printTable(stdout, m, o, rivals)
	if !o.quick && o.only == "" {
		if err := printSmall(ctx, stdout, o); err != nil {
			return err
		}
	}
	var failed []string
	for _, r := range rivals {
		if r.err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", r.name, r.err))
		}
	}
	if len(failed) > 0 {
		return errors.New("FAIL: " + strings.Join(failed, "; "))
	}
	return nil
}

// choose returns the named rivals, or all of them if only is empty.
func choose(rivals []*rival, only string) (chosen []*rival, err error) {
	if only == "" {
		return rivals, nil
	}
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(rivals, func(r *rival) bool { return r.name == name })
		if i < 0 {
			var names []string
			for _, r := range rivals {
				names = append(names, r.name)
			}
			return nil, fmt.Errorf("-only: no %q; there are %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, rivals[i])
	}
	return chosen, nil
}

// slice is the longest time that a rival should take in a round, in seconds.
const slice = 0.7

// measure runs all rivals in turn, in a new random order in each round. The first round is a
// warm-up that finds the largest puzzle that each rival can solve within slice.
func measure(ctx context.Context, o options, rivals []*rival, puzzles []puzzle, log io.Writer) error {
	rng := rand.New(rand.NewPCG(o.seed, 0))
	for round := range o.rounds + 1 {
		fmt.Fprintf(log, "compare: round %d of %d\n", round, o.rounds)
		for _, i := range rng.Perm(len(rivals)) {
			r := rivals[i]
			if r.missing != "" || r.err != nil {
				continue
			}
			var took cost
			took, r.err = r.search(ctx, puzzles[r.size])
			if round > 0 && r.err == nil {
				r.runs = append(r.runs, took)
			}
			for round == 0 && r.err == nil && r.size+1 < len(puzzles) && took.time(float64(puzzles[r.size+1].nonce)) < slice {
				r.size++
				took, r.err = r.search(ctx, puzzles[r.size])
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}
