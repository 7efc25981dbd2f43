package main

import (
	"context"
	"log/slog"

	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// gktincRoutes check visitors and forms for programs not written in Go, by the rules of
// a gktinc.Guard.
type gktincRoutes struct {
	*formGuard
	agent    *agentServer
	verdicts *metrics.Vec[*metrics.Counter]
}

// pageParameters describe a form, both for its page and for its verdict.
var pageParameters = []string{"url", "field", "field-optional", "form"}

// openGKTinc returns the routes of GKTinc, or nil if there are no keys. With --emulator
// it uses the emulator's keys.
func (f *agentFlags) openGKTinc(ctx context.Context, env environment, log *slog.Logger) (*gktincRoutes, error) {
	if f.emulatorURL == "" && !hasGKTincKeys(env) {
		if flag := f.gktinc.firstGiven(); flag != "" {
			return nil, usagef("--%s needs the GKTinc keys: set GKTINC_HASHID, and GKTINC_API_KEY or GKTINC_API_KEY_FILE", flag)
		}
		return nil, nil
	}
	sharedURL, err := f.sharedURL(env)
	if err != nil {
		return nil, err
	}
	guard, err := f.gktinc.open(ctx, env, f.emulatorURL, sharedURL, log)
	if err != nil {
		return nil, err
	}
	// Callers of the routes have shown the bearer or may use the socket, and they speak for the
	// visitor. The address that they connect from does not matter.
	guard.options.Proxies.TrustSocket = true
	return &gktincRoutes{formGuard: guard}, nil
}
