package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/solver"
)

// documentedDifficulty is what the service asks for: gkCAPTCHA M2M API, "1.
// Request a Challenge".
const documentedDifficulty = 6

// solveFlags are the flags of gkpow solve.
type solveFlags struct {
	engineFlags
	salt, prefixHex, challenge string
	ignoreExpiry               bool
	difficulty, bits           int
	maxNonce                   uint64
	sequential                 bool
	shard                      string
	json                       bool

	given func(flag string) bool // whether a flag is on the command line
}

func newSolve(env environment) *cobra.Command {
	var f solveFlags
	cmd := &cobra.Command{
		Use:   "solve (--salt SALT | --prefix-hex HEX | --challenge FILE)",
		Short: "Find a nonce, offline",
		Long: `Find a nonce such that SHA-256(salt + ":" + nonce) begins with --difficulty zero
hex digits, and print it with the hash:

  $ gkpow solve --salt 7f8e9d0c --difficulty 4 --sequential
  19317 0000404e2652e103ad8875ff1c29351c735a32a90d1b695e170e8bf578b46573

--challenge reads a challenge as the API returns it, from a file or, with "-",
from standard input, and stops when it expires.`,
		Args: cobra.NoArgs,
		RunE: action(func(ctx context.Context) error { return solve(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.given = flags.Changed
	flags.StringVar(&f.salt, "salt", "", "the challenge's salt, as it stands")
	flags.StringVar(&f.prefixHex, "prefix-hex", "", "all that is hashed before the nonce, in hex (instead of salt and colon)")
	flags.StringVar(&f.challenge, "challenge", "", `file with a challenge as the API returns it, "-" for standard input`)
	flags.BoolVar(&f.ignoreExpiry, "ignore-expiry", false, "solve a --challenge although it has expired")
	flags.IntVar(&f.difficulty, "difficulty", documentedDifficulty, "leading zero hex digits, 0 to 64")
	flags.IntVar(&f.bits, "bits", 0, "leading zero bits, 0 to 256 (instead of --difficulty)")
	flags.Uint64Var(&f.maxNonce, "max-nonce", 0, "largest nonce allowed (default: below 2^31 if that is enough, else below 2^53)")
	flags.BoolVar(&f.sequential, "sequential", false, "search in numeric order: find the smallest nonce")
	flags.StringVar(&f.shard, "shard", "", "search part I of N only, as I/N, where I counts from 0")
	flags.BoolVar(&f.json, "json", false, "print a JSON object with figures")
	f.register(flags)
	cmd.MarkFlagsOneRequired("salt", "prefix-hex", "challenge")
	cmd.MarkFlagsMutuallyExclusive("salt", "prefix-hex", "challenge")
	cmd.MarkFlagsMutuallyExclusive("difficulty", "bits", "challenge")
	return cmd
}

func solve(ctx context.Context, env environment, f solveFlags) error {
	options := solver.Options{MaxNonce: f.maxNonce, Sequential: f.sequential}
	if f.given("max-nonce") && f.maxNonce == 0 {
		return usagef("--max-nonce 0 leaves nothing to search; it must be at least 1")
	}
	if f.given("shard") {
		shard, err := parseShard(f.shard)
		if err != nil {
			return err
		}
		options.Shard = shard
	}
	if f.ignoreExpiry && !f.given("challenge") {
		return usagef("--ignore-expiry goes with --challenge")
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
	puzzle, deadline, err := f.puzzle(env.stdin)
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
	if err != nil {
		return err
	}
	warnFault(env.stderr, solution)
	if f.json {
		return printJSON(env.stdout, newSolutionJSON(solution))
	}
	_, err = fmt.Fprintf(env.stdout, "%d %x\n", solution.Nonce, solution.Hash)
	return err
}

// puzzle returns what the flags ask to solve, and the deadline of a challenge.
func (f *solveFlags) puzzle(stdin io.Reader) (p solver.Puzzle, deadline time.Time, err error) {
	switch {
	case f.given("challenge"):
		return f.readChallenge(stdin)
	case f.given("prefix-hex"):
		p, err = solver.NewPuzzle("", f.difficulty)
		if err != nil {
			return p, deadline, err
		}
		p.Prefix, err = hex.DecodeString(f.prefixHex)
		if err != nil {
			return p, deadline, usagef("--prefix-hex: %w", err)
		}
	default:
		p, err = solver.NewPuzzle(f.salt, f.difficulty)
	}
	if f.given("bits") {
		p.Bits = f.bits // Solve says what is wrong with it
	}
	return p, deadline, err
}

// readChallenge reads the file of --challenge.
func (f *solveFlags) readChallenge(stdin io.Reader) (p solver.Puzzle, deadline time.Time, err error) {
	data, err := readLimited(f.challenge, stdin)
	if err != nil {
		return p, deadline, &usageError{err}
	}
	challenge, err := client.ParseChallenge(data)
	if errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrDifficulty) {
		return p, deadline, &usageError{err}
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
		return p, deadline, fmt.Errorf("%w %v ago, by this machine's clock: ask for a new one, or pass --ignore-expiry",
			client.ErrExpired, late.Round(time.Second))
	}
	return p, deadline, nil
}

// readLimited reads a small file, or standard input if the name is "-".
func readLimited(name string, stdin io.Reader) ([]byte, error) {
	const most = 1 << 20
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, fmt.Errorf("%s is larger than 1 MiB", name)
	}
	return data, nil
}

// parseShard reads I/N.
func parseShard(s string) (solver.Shard, error) {
	index, count, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	if !ok || err1 != nil || err2 != nil || n < 1 {
		return solver.Shard{}, usagef("--shard %q is not I/N, such as 0/4", s)
	}
	return solver.Shard{Index: i, Count: n}, nil
}
