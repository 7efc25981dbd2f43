package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
	"github.com/gkpow/gkpow/solver"
)

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
	caches := &agentCaches{rejected: state.change}
	tokens, err := client.NewReloader(func() (*client.Client, error) { return open() },
		func(c *client.Client) client.TokenSource { return caches.open(&f.accountFlags, env, c) })
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
