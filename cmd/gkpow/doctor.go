package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/solver"
)

// doctorFlags are the flags of gkpow doctor.
type doctorFlags struct {
	searchFlags
	accountFlags
	json bool
}

func newDoctor(env environment) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check keys, service, clock, plan and CPU, and suggest fixes",
		Long: `Check everything that a token needs, and suggest a fix for each problem. The checks
cover the keys and their file, the URL and the proxy (and which variables set them),
the connection to the service, the clock, the plan, the cache directory, the kernel,
and the time to solve a challenge. gkpow also checks GKTinc if its keys are set.

gkpow requests one challenge, which may count against the quota, and does not submit
a solution. The exit code is that of the first failed check.

` + accountHelp,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error { return runDoctor(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.accountFlags.register(flags)
	f.registerCache(flags)
	f.searchFlags.registerForService(flags)
	flags.BoolVar(&f.json, "json", false, "print a JSON array")
	return cmd
}

func runDoctor(ctx context.Context, env environment, f doctorFlags) error {
	ctx, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	s, err := f.newSolver(solver.Options{})
	if err != nil {
		return err
	}

	var d diagnosis
	puzzle, err := solver.NewPuzzle("7f8e9d0cab12cd34ef567890a1b2c3d4", solver.ServiceDifficulty)
	if err != nil {
		return err
	}
	gktincOnly := !f.emulator && hasGKTincKeys(env) && !hasAny(env, "GKCAPTCHA_SITE_KEY", "GKCAPTCHA_SECRET_KEY", "GKCAPTCHA_SECRET_KEY_FILE")
	if !gktincOnly {
		c, stop, err := f.open(ctx, env, s)
		if d.check("keys", err, "set") {
			defer stop()
			if given, ok := d.service(ctx, env, f, c); ok {
				puzzle = given
			}
		}
		if !f.emulator {
			d.keyFile(env, "GKCAPTCHA_SECRET_KEY")
			d.route(env, "GKCAPTCHA_API_URL", client.DefaultURL)
			d.cacheDir(env)
		}
	}
	d.sharedCache(ctx, env, &f.accountFlags)
	if hasGKTincKeys(env) && !f.emulator {
		d.gktinc(ctx, env)
	}
	d.engine(ctx, env, s, f.threads, puzzle)

	if err := d.print(env, f.json); err != nil {
		return err
	}
	for _, found := range d {
		if found.err != nil {
			return found.err
		}
	}
	return nil
}

// service checks whether the service answers and issues challenges. It returns the puzzle of the
// challenge that it got.
func (d *diagnosis) service(ctx context.Context, env environment, f doctorFlags, c *client.Client) (solver.Puzzle, bool) {
	url, _ := env.lookup("GKCAPTCHA_API_URL")
	if url == "" {
		url = client.DefaultURL
	}
	if !f.emulator {
		state, err := reach(ctx, url)
		switch {
		case err != nil:
			d.check("connection", err, "")
			return solver.Puzzle{}, false
		case state == nil:
			d.check("connection", nil, "reached, without TLS")
		default:
			d.check("connection", nil, "reached, %s, certificate until %s",
				tls.VersionName(state.Version), state.PeerCertificates[0].NotAfter.Format(time.DateOnly))
		}
	}
	asked := time.Now()
	challenge, err := c.Challenge(ctx)
	took := time.Since(asked)
	if !d.check("plan", err, "M2M is enabled: got a challenge of difficulty %d, with a salt of %d characters", challenge.Difficulty, len(challenge.Salt)) {
		return solver.Puzzle{}, false
	}
	const setClock = "tokens are not affected, since gkpow uses the service's clock for them; other programs may be, so synchronize this clock with NTP"
	switch skew := challenge.ExpiresAt.Sub(challenge.Deadline()).Round(time.Second); {
	case skew > 2*time.Second:
		d.check("clock", nil, "%v behind the service's", skew)
		d.advise(setClock)
	case skew < -2*time.Second-took: // the Date may be as old as the request
		d.check("clock", nil, "%v ahead of the service's", -skew)
		d.advise(setClock)
	default:
		d.check("clock", nil, "agrees with the service's to within a second or two, the precision of HTTP dates")
	}
	puzzle, err := challenge.Puzzle()
	return puzzle, err == nil
}

// reach sends a request to the URL. Any response counts as success.
func reach(ctx context.Context, url string) (*tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return nil, &usageError{err}
	}
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := direct.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", client.ErrUnavailable, err)
	}
	response.Body.Close()
	return response.TLS, nil
}

// trialTime is how long the doctor searches to measure the rate of this machine.
const trialTime = 100 * time.Millisecond

// engine measures the rate of this machine. It searches for trialTime, even on a busy machine, with
// the kernel and the number of threads that a challenge would get; 0 threads means one for each
// CPU.
func (d *diagnosis) engine(ctx context.Context, env environment, s *solver.Solver, threads int, puzzle solver.Puzzle) {
	rate, kernel, err := tryEngine(ctx, s, puzzle)
	for _, b := range env.kernels() {
		if b.Fault != nil {
			d.check("kernels", faultOf(b), "")
		}
	}
	with := "1 thread"
	if threads = cmp.Or(threads, runtime.GOMAXPROCS(0)); threads > 1 {
		with = fmt.Sprintf("%d threads", threads)
	}
	if !d.check("kernel", err, "%s: %.1f MH/s with %s", kernel, rate/1e6, with) {
		return
	}
	hashes := math.Ldexp(1, puzzle.Bits) // on average
	missed := math.Exp(-rate * solver.ChallengeLifetime.Seconds() / hashes)
	often := "almost never"
	if missed >= 1e-6 {
		often = "in " + percent(missed) + " of cases"
	}
	d.check("time to solve", nil, "difficulty %d takes %s on average with %s; %s longer than the challenge's %.0f s",
		puzzle.Bits/4, human(toDuration(hashes/rate)), with, often, solver.ChallengeLifetime.Seconds())
	if missed > 0.01 {
		d.advise("allow more --threads, or use a faster machine: a challenge that expires counts against the quota all the same")
	}
}

// tryEngine returns the rate of all threads together, in hashes per second, and the
// kernel.
func tryEngine(ctx context.Context, s *solver.Solver, puzzle solver.Puzzle) (rate float64, kernel string, err error) {
	puzzle.Bits = solver.MaxBits // no nonce solves it
	limited, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	_, err = s.Solve(limited, puzzle)
	var stopped *solver.StoppedError
	if !errors.As(err, &stopped) || ctx.Err() != nil {
		return 0, "", err
	}
	puzzle.Bits = 4 * 4 // a millisecond's work for a usual kernel
	solution, err := s.Solve(ctx, puzzle)
	return max(1, float64(stopped.Hashes)/stopped.Elapsed.Seconds()), solution.Backend, err
}

// toDuration converts seconds to a Duration, up to the longest one.
func toDuration(s float64) time.Duration {
	if s >= math.MaxInt64/1e9 {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}
