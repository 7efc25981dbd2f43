package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/solver"
)

// solveFlags are the flags of gkpow solve.
type solveFlags struct {
	spaceFlags
	searchFlags
	challenge    string
	ignoreExpiry bool
	json         bool
	stream       bool
	parallel     int
}

func newSolve(env environment) *cobra.Command {
	var f solveFlags
	cmd := &cobra.Command{
		Use:   "solve (--salt SALT | --prefix-hex HEX | --challenge FILE | --stream)",
		Short: "Find a nonce, offline",
		Long: `Find a nonce such that SHA-256(salt + ":" + nonce) begins with --difficulty zero
hex digits, and print it with the hash:

  $ gkpow solve --salt 7f8e9d0c --difficulty 4 --sequential
  19317 0000404e2652e103ad8875ff1c29351c735a32a90d1b695e170e8bf578b46573

--challenge reads a challenge as the API returns it, from a file or, with "-",
from standard input, and stops when it expires.

--shard splits a search among machines. With --shard auto, gkpow searches the part
that a Kubernetes indexed Job, a Slurm array, an AWS Batch array or GNU parallel
assigns to this process. If the scheduler does not set the number of parts, set
GKPOW_SHARD_COUNT; without a scheduler, set GKPOW_SHARD_INDEX and GKPOW_SHARD_COUNT.
The exit code is 9 if the part has no solution. docs/scaling.md has an example for
each scheduler.

--stream solves many puzzles in one process. It reads lines such as

  {"id":1,"salt":"7f8e9d0c","difficulty":4,"timeout":30}

and writes a line for each as soon as it is done, in any order. Each answer repeats
the id. It has the fields nonce and hash, or else error and code: the exit code that
gkpow would give for this puzzle alone. gkpow itself exits with 0, even if answers
are errors.`,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error { return runSolve(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.spaceFlags.register(flags)
	f.searchFlags.register(flags)
	flags.StringVar(&f.challenge, "challenge", "", `file with a challenge as the API returns it, "-" for standard input`)
	flags.BoolVar(&f.ignoreExpiry, "ignore-expiry", false, "solve a --challenge even if it has expired")
	flags.BoolVar(&f.json, "json", false, "print a JSON object with statistics")
	flags.BoolVar(&f.stream, "stream", false, "solve the JSON lines of standard input")
	flags.IntVar(&f.parallel, "parallel", 1, fmt.Sprintf("lines of --stream to solve at a time, 1 to %d, each with all threads", maxParallel))
	cmd.MarkFlagsOneRequired("salt", "prefix-hex", "challenge", "stream")
	cmd.MarkFlagsMutuallyExclusive("salt", "prefix-hex", "challenge", "stream")
	cmd.MarkFlagsMutuallyExclusive("difficulty", "bits", "challenge")
	return cmd
}

func runSolve(ctx context.Context, env environment, f solveFlags) error {
	options, err := f.options(env.lookup)
	if err != nil {
		return err
	}
	if f.ignoreExpiry && !f.given("challenge") {
		return usagef("--ignore-expiry needs --challenge")
	}
	if f.stream {
		return f.solveStream(ctx, env, options)
	}
	if f.given("parallel") {
		return usagef("--parallel needs --stream")
	}
	s, searched, err := f.solver(options, env.stderr)
	if err != nil {
		return err
	}
	ctx, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	var puzzle solver.Puzzle
	var deadline time.Time // of a challenge
	if f.given("challenge") {
		puzzle, deadline, err = f.readChallenge(ctx, env.stdin)
	} else {
		puzzle, err = f.puzzle()
	}
	if err != nil {
		return err
	}
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline, errors.New("the challenge has expired"))
		defer cancel()
	}

	solution, err := s.Solve(ctx, puzzle)
	searched()
	warnFaults(env)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(env.stdout, newSolutionJSON(solution))
	}
	_, err = fmt.Fprintf(env.stdout, "%d %x\n", solution.Nonce, solution.Hash)
	return err
}

// solveStream solves the lines of standard input, --parallel of them at a time.
func (f *solveFlags) solveStream(ctx context.Context, env environment, options solver.Options) error {
	for _, flag := range []string{"json", "difficulty", "bits"} {
		if f.given(flag) {
			return usagef("--%s cannot be used with --stream: each line says what to solve", flag)
		}
	}
	if f.parallel < 1 || f.parallel > maxParallel {
		return usagef("--parallel must be 1 to %d, not %d", maxParallel, f.parallel)
	}
	s, err := f.newSolver(options)
	if err != nil {
		return err
	}
	ctx, stop, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return answerLines(ctx, env, s, f.parallel)
}

// readChallenge reads the file of --challenge.
func (f *solveFlags) readChallenge(ctx context.Context, stdin io.Reader) (p solver.Puzzle, deadline time.Time, err error) {
	data, err := readLimited(ctx, f.challenge, stdin)
	if err != nil {
		return p, deadline, usagef("--challenge: %w", err)
	}
	challenge, err := client.ParseChallenge(data)
	if errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrDifficulty) {
		var failure *client.Error
		if errors.As(err, &failure) && failure.Err != nil {
			err = failure.Err // without the prefix for errors of a service
		}
		return p, deadline, usagef("--challenge %s: %w", f.challenge, err)
	}
	if err != nil {
		return p, deadline, err
	}
	p, err = challenge.Puzzle()
	if err != nil || f.ignoreExpiry {
		return p, deadline, err
	}
	deadline = challenge.Deadline()
	if late := time.Since(deadline); late >= 0 {
		return p, deadline, fmt.Errorf("%w %v ago, by this machine's clock: request a new one, or pass --ignore-expiry",
			client.ErrExpired, late.Round(time.Second))
	}
	return p, deadline, nil
}
