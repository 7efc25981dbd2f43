package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/solver"
)

// explainFlags are the flags of gkpow explain.
type explainFlags struct {
	spaceFlags
	engineFlags
	saltLength int
	json       bool
}

func newExplain(env environment) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain (--salt SALT | --salt-length N | --prefix-hex HEX)",
		Short: "Show the plan of a search and how long it would take",
		Long: `Show the plan of a search: the nonces of each width, in the order of the search,
which word of the message varies innermost, what a hash costs, and how long the
search takes. gkpow measures the kernels first. The times assume that the machine
has nothing else to do.

  WIDTH     decimal digits of the nonces
  WORD      the message word that varies in a chunk. If there are two, the second
            varies, and gkpow searches 16 chunks that differ only in the first
            together. If the nonce takes two blocks, WORD also shows which block
            the word is in, and how many digits of the second block vary too, or
            how many first blocks gkpow combines with each second block
  CHUNK     number of nonces that differ only in these digits
  OPS/HASH  estimated operations of the kernel for one hash: with 16 lanes one
            operation serves 16 hashes
  REACHED   chance that the search reaches these nonces
  CHANCE    chance that a solution is among them

With --sequential, gkpow also prints two rates of one thread, and compares them with
a search in any order, which may prefer wider nonces that cost less:

  order     nonces up to the smallest solution, per second
  bound     the most that numeric order permits with this kernel: the same rate, if
            no nonce above the solution were tried`,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error { return runExplain(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.spaceFlags.register(flags)
	f.engineFlags.register(flags)
	flags.IntVar(&f.saltLength, "salt-length", 0, "length of the salt in bytes, instead of the salt itself")
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	cmd.MarkFlagsOneRequired("salt", "salt-length", "prefix-hex")
	cmd.MarkFlagsMutuallyExclusive("salt", "salt-length", "prefix-hex")
	cmd.MarkFlagsMutuallyExclusive("difficulty", "bits")
	return cmd
}

func runExplain(ctx context.Context, env environment, f explainFlags) error {
	const longest = 1 << 20
	if f.saltLength < 0 || f.saltLength > longest {
		return usagef("--salt-length must be 0 to %d, not %d", longest, f.saltLength)
	}
	if f.given("salt-length") {
		f.salt = strings.Repeat("0", f.saltLength)
	}
	options, err := f.options(env.lookup)
	if err != nil {
		return err
	}
	s, err := f.newSolver(options)
	if err != nil {
		return err
	}
	puzzle, err := f.puzzle()
	if err != nil {
		return err
	}
	plan, err := s.Explain(ctx, puzzle)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(env.stdout, newPlanJSON(puzzle, options.MinNonce, plan))
	}
	return printPlan(env.stdout, puzzle, options.MinNonce, plan)
}

func printPlan(out io.Writer, puzzle solver.Puzzle, minNonce uint64, plan solver.Plan) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	prefix, bits := len(puzzle.Prefix), puzzle.Bits
	fmt.Fprintf(w, "prefix\t%d bytes, %d of them in blocks that are hashed once\n", prefix, prefix/64*64)
	fmt.Fprintf(w, "puzzle\t%d zero bits, %.4g hex digits\n", bits, float64(bits)/4)
	from := ""
	if minNonce > 0 {
		from = fmt.Sprintf("from %d ", minNonce)
	}
	fmt.Fprintf(w, "nonces\t%sup to %d: %s\n", from, plan.MaxNonce, plan.WhyMax)
	for _, l := range plan.Wider {
		fmt.Fprintf(w, "wider\tup to %d would be %.3g times as fast\n", l.MaxNonce, l.Speedup)
	}
	fmt.Fprintf(w, "kernel\t%s: %s\n", plan.Backend, plan.Why)
	fmt.Fprintf(w, "rate\t%.1f MH/s on one thread, measured now\n", plan.HashRate/1e6)
	if s := plan.Sequential; s != nil {
		fmt.Fprintf(w, "order\tnumeric: %.1f MH/s up to the smallest solution, %s of the %.1f MH/s in any order\n",
			s.HashRate/1e6, percent(s.HashRate/s.AnyOrder), s.AnyOrder/1e6)
		fmt.Fprintf(w, "bound\t%.1f MH/s, %s: the most that numeric order permits with this kernel\n",
			s.Bound/1e6, percent(s.Bound/s.AnyOrder))
	}
	fmt.Fprintln(w)

	fmt.Fprintf(w, "WIDTH\tNONCES\tWORD\tCHUNK\tOPS/HASH\tREACHED\tCHANCE\n")
	for _, s := range plan.Segments {
		word := fmt.Sprint(s.Word)
		shared := s.Together > 1 && s.Word == 0
		if s.Together > 1 && !shared {
			word = fmt.Sprintf("%d x %d", s.Word-1, s.Word)
		}
		if s.Blocks > 1 {
			word += fmt.Sprintf(" (block %d/%d)", s.Block+1, s.Blocks)
		}
		if shared {
			word += fmt.Sprintf(", %d first blocks", s.Together)
		}
		if s.Tails > 0 {
			word += fmt.Sprintf(" + %d digits", s.Tails)
			if s.Tails == 1 {
				word = strings.TrimSuffix(word, "s")
			}
		}
		fmt.Fprintf(w, "%d\t%d-%d\t%s\t%d\t%.1f\t%s\t%s\n", s.Width, s.First, s.Last,
			word, s.ChunkSize, s.OpsPerHash, percent(s.Reached), percent(s.Chance))
	}

	threads := "1 thread"
	if plan.Workers > 1 {
		threads = fmt.Sprintf("%d threads, if each is as fast as one alone", plan.Workers)
	}
	fmt.Fprintf(w, "\nhashes\t%s on average\n", roughly(plan.Hashes))
	fmt.Fprintf(w, "time\t%s on average, with %s\n", human(plan.Time()), threads)
	for _, chance := range quantiles {
		end := "never: there are too few nonces"
		if d, ok := plan.Quantile(chance); ok {
			end = human(d)
		}
		fmt.Fprintf(w, "p%.0f\t%s\n", 100*chance, end)
	}
	fmt.Fprintf(w, "missed\t%s is the chance of taking longer than the %.0f s until a challenge expires\n",
		percent(plan.Missed(solver.ChallengeLifetime)), solver.ChallengeLifetime.Seconds())
	fmt.Fprintf(w, "none\t%s is the chance that no nonce is a solution\n", percent(plan.Missed(math.MaxInt64)))
	return w.Flush()
}

var quantiles = []float64{0.5, 0.95, 0.99}

// planJSON is how --json shows a plan. Times are in seconds.
type planJSON struct {
	Prefix   int         `json:"prefix"` // bytes
	Bits     int         `json:"bits"`
	MinNonce uint64      `json:"minNonce,omitempty"`
	MaxNonce uint64      `json:"maxNonce"`
	WhyMax   string      `json:"whyMax"`
	Wider    []widerJSON `json:"wider"` // how much faster larger limits would be
	Backend  string      `json:"backend"`
	Why      string      `json:"why"`
	Threads  int         `json:"threads"`
	HashRate float64     `json:"hashRate"` // of one thread, where most of the search goes
	// What numeric order costs; only with --sequential.
	Sequential *sequentialJSON `json:"sequential,omitempty"`
	Segments   []segmentJSON   `json:"segments"`
	Hashes     float64         `json:"hashes"`
	Seconds    float64         `json:"seconds"`
	P50        *float64        `json:"p50"` // null: there are too few nonces
	P95        *float64        `json:"p95"`
	P99        *float64        `json:"p99"`
	Missed     float64         `json:"missed"`   // chance of taking longer than a challenge's lifetime
	NotFound   float64         `json:"notFound"` // chance that no nonce is a solution
}

// sequentialJSON holds hashes per second of one thread.
type sequentialJSON struct {
	HashRate float64 `json:"hashRate"` // nonces up to the smallest solution
	Bound    float64 `json:"bound"`    // the most that numeric order permits with this kernel
	AnyOrder float64 `json:"anyOrder"` // without --sequential
}

type widerJSON struct {
	MaxNonce uint64  `json:"maxNonce"`
	Speedup  float64 `json:"speedup"` // how many times as fast
}

type segmentJSON struct {
	Width         int     `json:"width"`
	First         uint64  `json:"first"`
	Last          uint64  `json:"last"`
	Word          int     `json:"word"`
	Block         int     `json:"block"`
	Blocks        int     `json:"blocks"`
	Tails         int     `json:"tails"` // number of digits of the second block that vary too
	ChunkSize     uint64  `json:"chunkSize"`
	Together      int     `json:"together"` // number of chunks searched together
	OpsPerHash    float64 `json:"opsPerHash"`
	RoundsPerHash float64 `json:"roundsPerHash,omitempty"` // SHA256RNDS2
	HashRate      float64 `json:"hashRate"`                // hashes per second of one thread
	Reached       float64 `json:"reached"`
	Chance        float64 `json:"chance"`
}

func newPlanJSON(puzzle solver.Puzzle, minNonce uint64, plan solver.Plan) planJSON {
	p := planJSON{
		Prefix:   len(puzzle.Prefix),
		Bits:     puzzle.Bits,
		MinNonce: minNonce,
		MaxNonce: plan.MaxNonce,
		WhyMax:   plan.WhyMax,
		Backend:  plan.Backend,
		Why:      plan.Why,
		Threads:  plan.Workers,
		HashRate: plan.HashRate,
		Hashes:   plan.Hashes,
		Seconds:  plan.Time().Seconds(),
		Missed:   plan.Missed(solver.ChallengeLifetime),
		NotFound: plan.Missed(math.MaxInt64),
	}
	if s := plan.Sequential; s != nil {
		p.Sequential = new(sequentialJSON(*s))
	}
	p.Wider = []widerJSON{}
	for _, l := range plan.Wider {
		p.Wider = append(p.Wider, widerJSON(l))
	}
	for _, s := range plan.Segments {
		p.Segments = append(p.Segments, segmentJSON(s))
	}
	for i, seconds := range []**float64{&p.P50, &p.P95, &p.P99} {
		if d, ok := plan.Quantile(quantiles[i]); ok {
			*seconds = new(d.Seconds())
		}
	}
	return p
}
