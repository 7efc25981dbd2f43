package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/client/rediscache"
)

// guardFlags are the flags of commands that guard forms: gkpow agent and gkpow gktinc
// proxy.
type guardFlags struct {
	policy               gktinc.Policy
	askLevel, preEnforce bool
	ipHeader             string
	trusted              []string
	agentID              string
	defaultLevel         int
	timeout              time.Duration
	sameIP               bool
	lifetime             time.Duration
	maxBody              int64
	onceField, onceDir   string
	formSize, script     string

	names []string               // of the flags
	given func(flag string) bool // whether a flag is on the command line
}

func (f *guardFlags) register(to *pflag.FlagSet, ipHeader string) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.TextVar(&f.policy, "policy", gktinc.Closed, "GKTinc: what to do without a verdict: closed, open-on-outage or open")
	flags.BoolVar(&f.askLevel, "ask-level", false, "GKTinc: request the level of the visitor's address for every page")
	flags.BoolVar(&f.preEnforce, "pre-enforce", false, "GKTinc: with --ask-level, reject forms from addresses that GKTinc blocks")
	flags.StringVar(&f.ipHeader, "client-ip-header", ipHeader, "GKTinc: header with the visitor's address: X-Real-IP, X-Forwarded-For or Forwarded")
	flags.StringSliceVar(&f.trusted, "trusted-proxy", nil, "GKTinc: address or prefix of a proxy whose --client-ip-header is trusted (may be repeated)")
	flags.StringVar(&f.agentID, "agent-id", "", "GKTinc: name of this site in validations (default: gkpow-go and the version)")
	flags.IntVar(&f.defaultLevel, "default-level", 3, "GKTinc: challenge level of pages for which none was requested, 1 to 1000")
	flags.DurationVar(&f.timeout, "gktinc-timeout", 5*time.Second, "GKTinc: how long a visitor waits for the service, retries included")
	flags.BoolVar(&f.sameIP, "same-ip", false, "GKTinc: reject a form that comes from a different address than the request for its page")
	flags.DurationVar(&f.lifetime, "page-lifetime", time.Hour, "GKTinc: how long a page may stay open before its form is sent, 1s or more")
	flags.Int64Var(&f.maxBody, "max-body", 1<<20, "GKTinc: largest form in bytes, files included")
	flags.StringVar(&f.onceField, "once-field", gktinc.DefaultOnceField, "GKTinc: name of the hidden field")
	flags.StringVar(&f.onceDir, "once-dir", "", "GKTinc: directory that records used pages (default: the shared cache, or gkpow/gktinc-used in the user's cache directory)")
	flags.StringVar(&f.formSize, "form-size", "php", "GKTinc: formula for form_payload_size: php, wordpress or values")
	flags.StringVar(&f.script, "script", "", "GKTinc: URL of the script on pages (default: the vendor's)")
	flags.VisitAll(func(flag *pflag.Flag) { f.names = append(f.names, flag.Name) })
	to.AddFlagSet(flags)
	f.given = to.Changed
}

// firstGiven returns the first of these flags that is on the command line, "" if none
// is.
func (f *guardFlags) firstGiven() string {
	if i := slices.IndexFunc(f.names, f.given); i >= 0 {
		return f.names[i]
	}
	return ""
}

// open returns a formGuard with the keys from the environment, or with an emulator's keys
// if emulatorURL is not "". The shared cache at sharedURL, if that is not "", records used
// pages, unless a flag says otherwise.
func (f *guardFlags) open(ctx context.Context, env environment, emulatorURL, sharedURL string, log *slog.Logger) (*formGuard, error) {
	options, err := f.options()
	if err != nil {
		return nil, err
	}
	options.OnError = func(_ *http.Request, err error) {
		log.Warn("a check failed without stopping the request", "error", err.Error())
	}
	exchanges := &exchangeMetrics{}
	config := gktinc.Config{
		OnExchange:   exchanges.onExchange,
		Policy:       f.policy,
		AgentID:      f.agentID,
		DefaultLevel: f.defaultLevel,
		Timeout:      f.timeout,
		PayloadSize:  formSizes[f.formSize],
		OnDegraded:   func(err error) { log.Warn("no verdict, so the policy admits the visitor", "error", err.Error()) },
	}
	if emulatorURL != "" {
		config.URL, config.HashID, config.APIKey = emulatorURL, gktest.GKTincHashID, client.NewSecret(gktest.GKTincAPIKey)
		if options.Page.ScriptURL == "" {
			options.Page.ScriptURL = emulatorURL + gktest.StandInPath
		}
	} else if err := readGKTinc(ctx, &config, env); err != nil {
		return nil, err
	}
	c, err := gktinc.New(config)
	if err != nil {
		return nil, configError(err)
	}
	guard := &formGuard{log: log, options: options, exchanges: exchanges}
	if guard.options.Store, guard.close, err = f.openStore(env, sharedURL, log); err != nil {
		return nil, err
	}
	guard.client.Store(c)
	guard.reopen = func(used *gktinc.Client) (*gktinc.Client, error) {
		next := config
		if err := checkReadable(env, "GKTINC_API_KEY"); err != nil {
			return nil, err
		}
		if err := readGKTinc(ctx, &next, env); err != nil {
			return nil, err
		}
		next.Predecessor = used
		return gktinc.New(next)
	}
	return guard, nil
}

// options returns the options that the flags set for all forms.
func (f *guardFlags) options() (gktinc.GuardOptions, error) {
	o := gktinc.GuardOptions{AskLevel: f.askLevel, PreEnforce: f.preEnforce, SameIP: f.sameIP, Lifetime: f.lifetime, MaxBody: f.maxBody,
		OnceField: f.onceField, Page: gktinc.PageOptions{ScriptURL: f.script}, Proxies: gktinc.Proxies{Header: f.ipHeader}}
	for _, s := range f.trusted {
		prefix, err := netip.ParsePrefix(s)
		if ip, ipErr := netip.ParseAddr(s); ipErr == nil {
			prefix, err = ip.Prefix(ip.BitLen())
		}
		if err != nil {
			return o, usagef("--trusted-proxy %q is not an address or prefix, such as 10.0.0.0/8", s)
		}
		o.Proxies.Trusted = append(o.Proxies.Trusted, prefix)
	}
	_, knownSize := formSizes[f.formSize]
	switch {
	case f.preEnforce && !f.askLevel:
		return o, usagef("--pre-enforce needs --ask-level")
	case !slices.Contains([]string{"", gktinc.HeaderRealIP, gktinc.HeaderForwardedFor, gktinc.HeaderForwarded}, http.CanonicalHeaderKey(f.ipHeader)):
		return o, usagef("--client-ip-header %q is not X-Real-IP, X-Forwarded-For or Forwarded", f.ipHeader)
	case f.defaultLevel < 0 || f.defaultLevel > 1000 || f.defaultLevel == 0 && f.given != nil && f.given("default-level"):
		return o, usagef("--default-level must be 1 to 1000, not %d", f.defaultLevel)
	case f.timeout < 0 || f.timeout == 0 && f.given != nil && f.given("gktinc-timeout"):
		return o, usagef("--gktinc-timeout must be above 0, not %v", f.timeout)
	case f.lifetime != 0 && f.lifetime < time.Second || f.lifetime == 0 && f.given != nil && f.given("page-lifetime"):
		return o, usagef("--page-lifetime must be 1s or more, not %v", f.lifetime)
	case f.maxBody < 0 || f.maxBody == 0 && f.given != nil && f.given("max-body"):
		return o, usagef("--max-body must be 1 or more, not %d", f.maxBody)
	case !knownSize:
		return o, usagef("--form-size %q is not php, wordpress or values", f.formSize)
	}
	return o, nil
}

// formSizes are the values of --form-size.
var formSizes = map[string]func(gktinc.Form) int{
	"":          gktinc.PayloadSizePHP,
	"php":       gktinc.PayloadSizePHP,
	"wordpress": gktinc.PayloadSizeWordPress,
	"values":    gktinc.PayloadSizeValues,
}

// openStore returns the store of used pages and a function that closes it. The machines of
// a fleet share it if sharedURL is not "" and --once-dir is not set.
func (f *guardFlags) openStore(env environment, sharedURL string, log *slog.Logger) (gktinc.OnceStore, func(), error) {
	if sharedURL == "" || f.onceDir != "" {
		store, err := f.openLocalStore(env, log)
		return store, func() {}, err
	}
	store, err := rediscache.NewOnceStore(rediscache.Options{
		URL: sharedURL, OnWarning: func(err error) { log.Warn(words(err.Error())) },
	})
	if err != nil {
		return nil, nil, usagef("%s: %w", cacheVariable, err)
	}
	return store, store.Close, nil
}

// openLocalStore returns this machine's store of used pages. All processes of one user
// share it, and it survives them.
func (f *guardFlags) openLocalStore(env environment, log *slog.Logger) (gktinc.OnceStore, error) {
	dir := f.onceDir
	if dir == "" {
		parent := env.cacheDir
		if parent == "" {
			user, err := os.UserCacheDir()
			if err != nil {
				log.Warn("the record of used pages is lost when the program ends: set --once-dir", "error", err.Error())
				return gktinc.NewMemoryStore(0), nil
			}
			parent = filepath.Join(user, "gkpow")
		}
		dir = filepath.Join(parent, "gktinc-used")
	}
	store, err := gktinc.OpenDiskStore(dir)
	switch {
	case err != nil && f.onceDir == "":
		log.Warn("the record of used pages is lost when the program ends: set --once-dir", "error", err.Error())
		return gktinc.NewMemoryStore(0), nil
	case err != nil:
		return nil, usagef("--once-dir: %w", err)
	}
	return store, nil
}
