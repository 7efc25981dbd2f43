package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/solver"
)

// emulatorFlags are the flags of gkpow emulator.
type emulatorFlags struct {
	listen     string
	difficulty int
	options    gktest.Options
	sdkShape   bool

	gktincAction string
}

func newEmulator(env environment) *cobra.Command {
	var f emulatorFlags
	cmd := &cobra.Command{
		Use:   "emulator",
		Short: "Serve an emulator of both services, gkCAPTCHA and GKTinc",
		Long: `Serve an emulator of both services, gkCAPTCHA and GKTinc, until interrupted, for
tests and for work without an account. It prints its URL and keys as shell exports:

  $ gkpow emulator > emulator.env &
  $ . ./emulator.env
  $ gkpow token
  $ gkpow gktinc level 203.0.113.10

It answers POST /api/v1/m2m/challenge, /api/v1/m2m/verify and
/api/v1/token/verify as documented. A challenge is good for one attempt.

For GKTinc it answers GET /v3/tinc/HASHID/get_challenge_level/IP and POST
/v3/tinc/HASHID/validate_challenge as documented, and checks every field. It
accepts any base64 solution, such as AAAA, unless --gktinc-action says
otherwise. Pages may load /stand-in-for-gktinc-setup.js from it in place of the
vendor's script (gkpow agent --script).

The emulator logs requests to standard error, without their content.`,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error { return runEmulator(ctx, env, f) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8787", "address and port to listen on; port 0 picks a free one")
	flags.IntVar(&f.difficulty, "difficulty", solver.ServiceDifficulty, "leading zero hex digits that challenges require, 0 to 64")
	flags.DurationVar(&f.options.ChallengeLifetime, "challenge-lifetime", solver.ChallengeLifetime, "lifetime of challenges, 1s or more")
	flags.DurationVar(&f.options.TokenLifetime, "token-lifetime", 5*time.Minute, "lifetime of tokens, 1s or more")
	flags.IntVar(&f.options.RateLimit, "rate-limit", 0, "requests per minute; any more get rate_limited (default: no limit)")
	flags.IntVar(&f.options.Quota, "quota", 0, "challenges per month; any more get quota_exceeded (default: no limit)")
	flags.BoolVar(&f.options.M2MDisabled, "m2m-disabled", false, "answer with m2m_disabled")
	flags.BoolVar(&f.options.SingleUse, "single-use", false, "let /token/verify accept each token only once")
	flags.BoolVar(&f.sdkShape, "sdk-shape", false, "let /token/verify answer as the vendor's SDKs expect, not as its documentation says")
	g := &f.options.GKTinc
	flags.IntVar(&g.Level, "gktinc-level", 3, "GKTinc's challenge level, 1 to 1000")
	flags.StringVar(&g.LevelAction, "gktinc-level-action", "ACCEPT", "GKTinc's action for an address, such as BLOCK")
	flags.StringVar(&f.gktincAction, "gktinc-action", "", "GKTinc's action for every validation, such as BLOCK (default: by the solution)")
	flags.BoolVar(&g.SingleUse, "gktinc-single-use", false, "let GKTinc accept each value of once only one time")
	flags.IntVar(&g.Fault.Status, "gktinc-status", 0, "answer GKTinc requests with this HTTP status, 200 to 599")
	flags.BoolVar(&g.Fault.HTML, "gktinc-html", false, "answer GKTinc requests with an HTML page")
	flags.DurationVar(&g.Fault.Delay, "gktinc-delay", 0, "delay before each GKTinc response")
	return cmd
}

func runEmulator(ctx context.Context, env environment, f emulatorFlags) error {
	switch {
	case f.options.ChallengeLifetime < time.Second:
		return usagef("--challenge-lifetime must be 1s or more, not %v", f.options.ChallengeLifetime)
	case f.options.TokenLifetime < time.Second:
		return usagef("--token-lifetime must be 1s or more, not %v", f.options.TokenLifetime)
	case f.options.RateLimit < 0:
		return usagef("--rate-limit %d is negative", f.options.RateLimit)
	case f.options.Quota < 0:
		return usagef("--quota %d is negative", f.options.Quota)
	}
	switch g := &f.options.GKTinc; {
	case g.Level < 1 || g.Level > 1000:
		return usagef("--gktinc-level must be 1 to 1000, not %d", g.Level)
	case g.Fault.Status != 0 && (g.Fault.Status < 200 || g.Fault.Status > 599):
		return usagef("--gktinc-status must be 200 to 599, not %d", g.Fault.Status)
	case g.Fault.Delay < 0:
		return usagef("--gktinc-delay %v is negative", g.Fault.Delay)
	case f.gktincAction != "":
		g.Judge = func(gktest.GKTincValidation) string { return f.gktincAction }
	}
	if f.sdkShape {
		f.options.VerifyShape = gktest.ShapeSDK
	}
	e, err := startEmulator(f.listen, f.options, f.difficulty, slog.New(slog.NewTextHandler(env.stderr, nil)))
	if err != nil {
		return err
	}
	defer e.stop()
	if _, err := fmt.Fprintf(env.stdout,
		"export GKCAPTCHA_API_URL='%s'\nexport GKCAPTCHA_SITE_KEY='%s'\nexport GKCAPTCHA_SECRET_KEY='%s'\n"+
			"export GKTINC_API_URL='%[1]s'\nexport GKTINC_HASHID='%[4]s'\nexport GKTINC_API_KEY='%[5]s'\n",
		e.url, gktest.SiteKey, gktest.SecretKey, gktest.GKTincHashID, gktest.GKTincAPIKey); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-e.failed:
		return err
	}
}

// An emulator is a running emulator of the service.
type emulator struct {
	url    string
	failed <-chan error // receives the error if the server fails
	server *http.Server
}

// startEmulator listens and serves. Requests are logged unless log is nil.
func startEmulator(address string, o gktest.Options, difficulty int, log *slog.Logger) (*emulator, error) {
	switch {
	case difficulty < 0 || difficulty > 64:
		return nil, usagef("--difficulty must be 0 to 64, not %d", difficulty)
	case difficulty == 0:
		difficulty = gktest.NoWork
	}
	o.Difficulty = difficulty
	var handler http.Handler = gktest.New(o)
	if log != nil {
		handler = logRequests(handler, log)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usagef("cannot listen on %s: %w", address, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	return &emulator{url: "http://" + listener.Addr().String(), failed: failed, server: server}, nil
}

// stop waits up to a second for requests in progress.
func (e *emulator) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = e.server.Shutdown(ctx)
}

// logRequests logs the outcome of each request, but none of its content.
func logRequests(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(recorder, r)
		log.Info("answered", "method", r.Method, "path", r.URL.Path, "status", recorder.status)
	})
}
