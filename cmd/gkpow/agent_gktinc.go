package main

import (
	"context"
	"log/slog"
	"slices"
)

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

// hasGKTincKeys reports whether at least some of the keys are set.
func hasGKTincKeys(env environment) bool {
	return hasAny(env, "GKTINC_HASHID", "GKTINC_API_KEY", "GKTINC_API_KEY_FILE")
}

// hasAny reports whether at least one of the variables is set.
func hasAny(env environment, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		value, _ := env.lookup(name)
		return value != ""
	})
}
