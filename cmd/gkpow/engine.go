package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/gkpow/gkpow/solver"
)

// engineFlags are the flags of commands that use the engine.
type engineFlags struct {
	threads int
	backend string
}

func (f *engineFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.threads, "threads", 0, "number of search threads (default: all allowed CPUs)")
	flags.StringVar(&f.backend, "backend", "", `kernel to use, see "gkpow backends" (default: $GKPOW_BACKEND, or the fastest)`)
}

// newSolver returns a Solver with the given options and those of the flags.
func (f *engineFlags) newSolver(o solver.Options) (*solver.Solver, error) {
	const most = 4096 // as for solver.Options.Workers
	if f.threads < 0 || f.threads > most {
		return nil, usagef("--threads must be 1 to %d, not %d", most, f.threads)
	}
	o.Workers, o.Backend = f.threads, f.backend
	s, err := solver.New(o)
	if err != nil {
		return nil, usagef("%w%s", err, f.meant())
	}
	return s, nil
}

// meant suggests a kernel if the requested one does not exist.
func (f *engineFlags) meant() string {
	var names []string
	for _, b := range solver.Backends() {
		names = append(names, b.Name)
	}
	asked := cmp.Or(f.backend, os.Getenv("GKPOW_BACKEND"))
	if slices.Contains(names, asked) {
		return ""
	}
	return meant(asked, names)
}

// timeFlags are the flags of commands that may take a long time.
type timeFlags struct {
	timeout time.Duration
	limit   time.Duration // without --timeout; 0 is none
}

// serviceLimit is the default --timeout of commands that ask a service: the lifetime of
// three challenges.
const serviceLimit = 3 * time.Minute

func (f *timeFlags) register(flags *pflag.FlagSet) {
	flags.DurationVar(&f.timeout, "timeout", 0, "give up after this time, such as 30s (default: no limit)")
}

// registerForService registers the flags of commands that ask a service.
func (f *timeFlags) registerForService(flags *pflag.FlagSet) {
	f.limit = serviceLimit
	flags.DurationVar(&f.timeout, "timeout", 0, "give up after this time, such as 30s; if set, gkpow also waits for a rate limit to end (default: 3m)")
}

// searchFlags are the flags of commands that search.
type searchFlags struct {
	engineFlags
	timeFlags
}

func (f *searchFlags) register(flags *pflag.FlagSet) {
	f.engineFlags.register(flags)
	f.timeFlags.register(flags)
}

func (f *searchFlags) registerForService(flags *pflag.FlagSet) {
	f.engineFlags.register(flags)
	f.timeFlags.registerForService(flags)
}

// withTimeout returns the context for a command.
func (f *timeFlags) withTimeout(ctx context.Context) (context.Context, context.CancelFunc, error) {
	switch {
	case f.timeout < 0:
		return nil, nil, usagef("--timeout %v is negative", f.timeout)
	case f.timeout > 0:
		ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("%w (%v)", errTimeout, f.timeout))
		return ctx, cancel, nil
	case f.limit > 0:
		// Not a deadline: with one, the client would wait for a rate limit to end.
		ctx, cancel := context.WithCancelCause(ctx)
		timer := time.AfterFunc(f.limit, func() { cancel(fmt.Errorf("%w (%v by default)", errTimeout, f.limit)) })
		return ctx, func() { timer.Stop(); cancel(nil) }, nil
	}
	return ctx, func() {}, nil
}

// solver returns a Solver as newSolver does. It shows progress on stderr if that
// is a terminal; call the function when the search is over.
func (f *searchFlags) solver(o solver.Options, stderr io.Writer) (*solver.Solver, func(), error) {
	bar := newProgress(stderr)
	o.Progress = bar.show
	s, err := f.newSolver(o)
	return s, bar.close, err
}

// spaceFlags are the flags of commands about one puzzle: what is hashed, how
// hard it is, and which nonces are allowed.
type spaceFlags struct {
	salt, prefixHex  string
	difficulty, bits int
	minNonce         uint64
	maxNonce         uint64
	sequential       bool
	shard            string

	given func(flag string) bool // whether a flag is on the command line
}

func (f *spaceFlags) register(flags *pflag.FlagSet) {
	f.given = flags.Changed
	flags.StringVar(&f.salt, "salt", "", "the challenge's salt, verbatim")
	flags.StringVar(&f.prefixHex, "prefix-hex", "", "all bytes hashed before the nonce, in hex (instead of salt and colon)")
	flags.IntVar(&f.difficulty, "difficulty", solver.ServiceDifficulty, "leading zero hex digits, 0 to 64")
	flags.IntVar(&f.bits, "bits", 0, "leading zero bits, 0 to 256 (instead of --difficulty)")
	flags.Uint64Var(&f.minNonce, "min-nonce", 0, "smallest nonce allowed")
	flags.Uint64Var(&f.maxNonce, "max-nonce", 0, "largest nonce allowed (default: below 2^31 if that is enough, else below 2^53)")
	flags.BoolVar(&f.sequential, "sequential", false, "search in numeric order: find the smallest nonce")
	flags.StringVar(&f.shard, "shard", "", "search only part I of N, as I/N with I from 0; or auto: the part that the scheduler assigns to this process")
}

// options returns the options for the nonces. For --shard auto it looks up the
// scheduler's variables.
func (f *spaceFlags) options(lookup func(string) (string, bool)) (o solver.Options, err error) {
	o.MinNonce, o.MaxNonce, o.Sequential = f.minNonce, f.maxNonce, f.sequential
	if f.given("max-nonce") && f.maxNonce == 0 {
		return o, usagef("--max-nonce must be 1 or more, not 0")
	}
	if f.given("shard") {
		o.Shard, err = parseShard(f.shard, lookup)
	}
	return o, err
}

// puzzle returns the puzzle for a salt or a prefix.
func (f *spaceFlags) puzzle() (solver.Puzzle, error) {
	switch {
	case f.difficulty < 0 || f.difficulty > solver.MaxBits/4:
		return solver.Puzzle{}, usagef("--difficulty must be 0 to %d, not %d", solver.MaxBits/4, f.difficulty)
	case f.bits < 0 || f.bits > solver.MaxBits:
		return solver.Puzzle{}, usagef("--bits must be 0 to %d, not %d", solver.MaxBits, f.bits)
	}
	p, err := solver.NewPuzzle(f.salt, f.difficulty)
	if err != nil {
		return p, err
	}
	if f.given("prefix-hex") {
		if p.Prefix, err = hex.DecodeString(f.prefixHex); err != nil {
			return p, usagef("--prefix-hex %q: write two hex digits for each byte", f.prefixHex)
		}
	}
	if f.given("bits") {
		p.Bits = f.bits
	}
	return p, nil
}

// solutionJSON is how --json shows a solution.
type solutionJSON struct {
	Nonce    uint64  `json:"nonce"`
	Hash     string  `json:"hash"`
	Hashes   uint64  `json:"hashes"`
	Seconds  float64 `json:"seconds"`
	HashRate float64 `json:"hashRate"` // hashes per second
	Backend  string  `json:"backend"`
	Threads  int     `json:"threads"`
}

func newSolutionJSON(s solver.Solution) solutionJSON {
	return solutionJSON{
		Nonce:    s.Nonce,
		Hash:     hex.EncodeToString(s.Hash[:]),
		Hashes:   s.Hashes,
		Seconds:  s.Elapsed.Seconds(),
		HashRate: s.HashRate(),
		Backend:  s.Backend,
		Threads:  s.Workers,
	}
}
