package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
	"github.com/gkpow/gkpow/solver"
)

// agentFlags are the flags of gkpow agent.
type agentFlags struct {
	engineFlags
	accountFlags
	gktinc                     guardFlags
	listen, socket, bearerFile string
	write, format              string
}

func newAgent(env environment) *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Serve tokens and verdicts to local programs in any language",
		Long: `Serve tokens to programs on this machine until interrupted. While programs ask for
the token, the agent renews it ahead of time; an idle agent uses no quota.

  GET /token     {"token":"...","expiresAt":1700000360,"expiresIn":240.5}
  DELETE /token  with {"token":"..."}: a service rejected it, so stop serving it
  GET /healthz   {"status":"ok"} while the agent runs
  GET /readyz    200 if the agent can get a token, else 503
  GET /metrics   metrics for Prometheus
  GET /status    what "gkpow agent status" prints, as JSON; GET / shows it as a page

--write also keeps a live token in a file, for programs that read files, and renews
the token even if no program reads it. The agent replaces the file atomically, and
removes it when the agent stops or has no live token.

With the GKTinc keys, the agent also checks the visitors of web sites and their forms,
for nginx's auth_request, Traefik's ForwardAuth and programs in any language:

  GET /gktinc/level-check         204 or 403, by the visitor's address alone
  GET /gktinc/page?url=URL        the elements that a page with a form must contain
  POST /gktinc/validate?url=URL   200 or 403, for the form in the body
  POST /gktinc/validate           the same, for a form described in JSON

A TCP request needs the header "Authorization: Bearer ..." with the content of the
bearer file: 26 random characters, new at every start, readable only by its owner. A
unix socket (mode 0600) needs no bearer. Under systemd the agent uses the socket that
systemd passes, and reports when it is ready. The agent prints the variables that
programs need as shell exports, and logs events to standard error as JSON objects.
docs/agent.md has example programs.

SIGHUP makes the agent reread the key files. It also rereads them, once, when a
service rejects a key.

` + accountHelp + `

The GKTinc keys also come from the environment. They are enough on their own:

` + gktincVariables,
		Args: noSuchCommand,
		RunE: action(func(ctx context.Context) error { return agent(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.accountFlags.register(flags)
	f.registerCache(flags)
	f.engineFlags.register(flags)
	f.gktinc.register(flags, "X-Real-IP")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8788", "loopback address and port to listen on; port 0 picks a free one")
	flags.StringVar(&f.socket, "socket", "", "unix socket to listen on instead of --listen")
	flags.StringVar(&f.bearerFile, "bearer-file", "", "where to write the bearer (default: gkpow/agent-PORT.bearer in the user's cache directory)")
	flags.StringVar(&f.write, "write", "", "file, with mode 0600, in which to keep a live token for programs that read files")
	flags.StringVar(&f.format, "format", "token", "format of the --write file: "+strings.Join(tokenFormats, ", "))
	cmd.MarkFlagsMutuallyExclusive("listen", "socket")
	cmd.AddCommand(newAgentStatus(env))
	return cmd
}

func agent(ctx context.Context, env environment, f agentFlags) error {
	if f.given("bearer-file") && f.bearerFile == "" {
		return usagef("--bearer-file is empty: name a file, or omit the flag to use one in the user's cache directory")
	}
	if f.given("socket") {
		if err := checkSocket(f.socket); err != nil {
			return err
		}
	}
	if f.given("format") && !f.given("write") {
		return usagef("--format needs --write: it sets the format of that file")
	}
	if err := checkTokenFormat(f.format); err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	log := newLog(env)
	registry := &metrics.Registry{}
	registry.CollectProcess()

	keys := &agentKeys{log: log}
	state := newAgentState(env, registry)
	source, stop, err := f.openTokens(ctx, env, keys, state, registry, log)
	if err != nil {
		return err
	}
	defer stop()
	routes, err := f.openGKTinc(ctx, env, log)
	if err != nil {
		return err
	}
	if routes != nil {
		defer routes.close()
	}
	if routes != nil && f.emulatorURL == "" {
		keys.add("GKTINC_API_KEY", env, routes.reload)
	}

	var file *tokenFile
	if f.given("write") {
		if source == nil {
			return fmt.Errorf("%w: --write needs GKCAPTCHA_SITE_KEY and the secret key", errKeys)
		}
		if file, err = newTokenFile("write", f.write, f.format, log); err != nil {
			return err
		}
		file.onFailure = state.failed
	}

	in, err := f.listenOn(ctx, env, log)
	if err != nil {
		return err
	}
	defer in.remove()
	if file != nil {
		defer file.start(ctx, source, state)()
	}
	handler := newAgentServer(source, in.bearer, registry, log)
	state.addTo(handler)
	handler.onFailure = state.failed
	handler.onRefused = state.change
	if routes != nil {
		routes.addTo(handler, registry)
	}
	server := handler.server()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(in) }()
	log.Info("listening", "address", in.Addr().String())
	if _, err := io.WriteString(env.stdout, in.exports); err != nil {
		return errors.Join(err, server.Close())
	}
	tellSystemd(log, daemon.SdNotifyReady)

	for serving := true; serving; {
		select {
		case err := <-failed:
			return err
		case <-hangup:
			tellSystemd(log, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
			keys.reload()
			tellSystemd(log, daemon.SdNotifyReady)
		case <-ctx.Done():
			serving = false
		}
	}
	tellSystemd(log, daemon.SdNotifyStopping)
	log.Info("stopping")
	grace, cancel := context.WithTimeout(context.Background(), gracePeriod)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		log.Warn("requests were cut off", "after", gracePeriod.String())
		_ = server.Close()
	}
	return nil
}

// openTokens returns the source of tokens, and a function that closes it. The source is
// nil if only the GKTinc keys are set.
func (f *agentFlags) openTokens(ctx context.Context, env environment, keys *agentKeys, state *agentState, registry *metrics.Registry, log *slog.Logger) (client.TokenSource, func(), error) {
	if !f.emulator && !hasAny(env, "GKCAPTCHA_SITE_KEY", "GKCAPTCHA_SECRET_KEY", "GKCAPTCHA_SECRET_KEY_FILE") && hasGKTincKeys(env) {
		return nil, func() {}, nil
	}
	s, err := f.newSolver(solver.Options{})
	if err != nil {
		return nil, nil, err
	}
	config, stop, err := f.config(ctx, env, s)
	if err != nil {
		return nil, nil, err
	}
	exchanges := &exchangeMetrics{}
	exchanges.register(registry, "gkcaptcha")
	config.OnExchange = exchanges.onExchange
	env.stderr = logWriter{log} // for warnings of the cache
	if _, err := f.sharedURL(env); err != nil {
		stop()
		return nil, nil, err
	}
	open := func() (*client.Client, error) { return newClient(config) }
	caches := &agentCaches{refused: state.change}
	tokens, err := client.NewReloader(func() (*client.Client, error) { return open() },
		func(c *client.Client) client.TokenSource { return caches.open(f, env, c) })
	if err != nil {
		stop()
		return nil, nil, err
	}
	registerShared(registry, caches.stats)
	if !f.emulator {
		open = func() (*client.Client, error) {
			if err := checkReadable(env, "GKCAPTCHA_SECRET_KEY"); err != nil {
				return nil, err
			}
			config := config
			if err := readKeys(ctx, &config, env); err != nil {
				return nil, err
			}
			return newClient(config)
		}
		keys.add("GKCAPTCHA_SECRET_KEY", env, tokens.Reload)
	}
	registerTraffic(registry, "gkcaptcha", func() client.Traffic { return tokens.Client().Traffic() })
	count := newTokenMetrics(env, registry, log)
	source := client.NewSource(tokens, client.SourceOptions{
		OnToken: func(t client.Token) { count(t); state.gotToken(t) },
		OnError: func(err error) { log.Warn("renewal failed", "error", err.Error()); state.failed(err) },
	})
	caches.source.Store(source)
	return source, func() { source.Close(); caches.close(); stop() }, nil
}

// gracePeriod is how long a server that stops waits for requests in progress.
const gracePeriod = 5 * time.Second

func tellSystemd(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("could not notify systemd", "state", state, "error", err.Error())
	}
}

// newTokenMetrics registers the metrics of tokens, and returns a hook that counts and
// logs each token.
func newTokenMetrics(env environment, registry *metrics.Registry, log *slog.Logger) func(client.Token) {
	tokens := registry.CounterVec("gkpow_tokens_total", "Tokens obtained, by source.", "from")
	for _, from := range []string{"service", "cache"} {
		tokens.With(from) // so that rates start at 0, and alerts see an agent that never got a token
	}
	hashes := registry.Counter("gkpow_hashes_total", "Hashes computed to solve challenges.")
	seconds := registry.Histogram("gkpow_solve_seconds", "Time to solve a challenge.", metrics.ExponentialBounds(0.01, 2, 13))
	expires := registry.Gauge("gkpow_token_expires_timestamp_seconds", "When the token expires, by the local clock.")
	known := map[string]bool{} // kernels whose fault has been logged
	return func(t client.Token) {
		expires.Set(float64(t.Expires().Unix()))
		if t.Rounds == 0 {
			tokens.With("cache").Inc()
			log.Info("token", "from", "cache", "expires", t.ExpiresAt)
			return
		}
		tokens.With("service").Inc()
		hashes.Add(float64(t.Solution.Hashes))
		seconds.Observe(t.Solution.Elapsed.Seconds())
		log.Info("token", "from", "service", "expires", t.ExpiresAt, "challenges", t.Rounds,
			"solveSeconds", t.Solution.Elapsed.Seconds(), "backend", t.Solution.Backend)
		for _, b := range env.kernels() {
			if b.Fault != nil && !known[b.Name] {
				known[b.Name] = true
				log.Error("kernel fault", "error", faultOf(b).Error())
			}
		}
	}
}

// A logWriter logs each write as a warning.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(line []byte) (int, error) {
	w.log.Warn(strings.TrimPrefix(strings.TrimSpace(string(line)), "gkpow: warning: "))
	return len(line), nil
}
