package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"

	"github.com/spf13/pflag"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
)

// gktincAgentFlags are the flags of gkpow agent about GKTinc.
type gktincAgentFlags struct {
	policy               gktinc.Policy
	askLevel, preEnforce bool
	ipHeader             string
	trusted              []string

	given func(flag string) bool // whether a flag is on the command line
}

func (f *gktincAgentFlags) register(flags *pflag.FlagSet) {
	f.given = flags.Changed
	flags.TextVar(&f.policy, "policy", gktinc.Closed, "GKTinc: what counts without its verdict: closed, open-on-outage or open")
	flags.BoolVar(&f.askLevel, "ask-level", false, "GKTinc: ask for the level of the visitor's address for every page")
	flags.BoolVar(&f.preEnforce, "pre-enforce", false, "GKTinc: with --ask-level, refuse the forms of addresses that it blocks")
	flags.StringVar(&f.ipHeader, "client-ip-header", "X-Real-IP", "GKTinc: header with the visitor's address: X-Real-IP, X-Forwarded-For or Forwarded")
	flags.StringSliceVar(&f.trusted, "trusted-proxy", nil, "GKTinc: address or prefix of a proxy before the caller, which that header may list (may be repeated)")
}

// options returns what the flags say of all forms.
func (f *gktincAgentFlags) options() (gktinc.GuardOptions, error) {
	// Whoever gets as far as the routes has shown the bearer or may use the
	// socket, and speaks for the visitor: where he connects from says nothing.
	o := gktinc.GuardOptions{AskLevel: f.askLevel, PreEnforce: f.preEnforce, Store: gktinc.NewMemoryStore(0),
		Proxies: gktinc.Proxies{TrustSocket: true, Header: f.ipHeader}}
	for _, s := range f.trusted {
		prefix, err := netip.ParsePrefix(s)
		if ip, ipErr := netip.ParseAddr(s); ipErr == nil {
			prefix, err = ip.Prefix(ip.BitLen())
		}
		if err != nil {
			return o, usagef("--trusted-proxy %q is not an address or prefix, as 10.0.0.0/8", s)
		}
		o.Proxies.Trusted = append(o.Proxies.Trusted, prefix)
	}
	switch {
	case f.preEnforce && !f.askLevel:
		return o, usagef("--pre-enforce needs --ask-level")
	case !slices.Contains([]string{"", gktinc.HeaderRealIP, gktinc.HeaderForwardedFor, gktinc.HeaderForwarded}, http.CanonicalHeaderKey(f.ipHeader)):
		return o, usagef("--client-ip-header %q is not X-Real-IP, X-Forwarded-For or Forwarded", f.ipHeader)
	}
	return o, nil
}

// open returns the routes of GKTinc, nil if there are no keys. An emulator's keys
// are known.
func (f *gktincAgentFlags) open(ctx context.Context, env environment, emulatorURL string, log *slog.Logger) (*gktincRoutes, error) {
	var config gktinc.Config
	switch {
	case emulatorURL != "":
		config = gktinc.Config{URL: emulatorURL, HashID: gktest.GKTincHashID, APIKey: client.NewSecret(gktest.GKTincAPIKey)}
	case hasGKTincKeys(env):
		if err := readGKTinc(ctx, &config, env); err != nil {
			return nil, err
		}
	default:
		for _, flag := range []string{"policy", "ask-level", "pre-enforce", "client-ip-header", "trusted-proxy"} {
			if f.given(flag) {
				return nil, usagef("--%s is about GKTinc: set GKTINC_HASHID, and GKTINC_API_KEY or GKTINC_API_KEY_FILE", flag)
			}
		}
		return nil, nil
	}
	options, err := f.options()
	if err != nil {
		return nil, err
	}
	options.OnError = func(_ *http.Request, err error) { log.Warn("the visitor is not kept out", "error", err.Error()) }
	config.Policy = f.policy
	config.OnDegraded = func(err error) { log.Warn("the policy lets the visitor in", "error", err.Error()) }
	c, err := gktinc.New(config)
	if err != nil {
		return nil, &usageError{err}
	}
	routes := &gktincRoutes{options: options}
	routes.client.Store(c)
	routes.reopen = func() (*gktinc.Client, error) {
		config := config
		if err := checkReadable(env, "GKTINC_API_KEY"); err != nil {
			return nil, err
		}
		if err := readGKTinc(ctx, &config, env); err != nil {
			return nil, err
		}
		return gktinc.New(config)
	}
	return routes, nil
}

// hasGKTincKeys reports whether there is at least a part of the keys.
func hasGKTincKeys(env environment) bool {
	return hasAny(env, "GKTINC_HASHID", "GKTINC_API_KEY", "GKTINC_API_KEY_FILE")
}

// hasAny reports whether one of the variables is set.
func hasAny(env environment, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		value, _ := env.lookup(name)
		return value != ""
	})
}
