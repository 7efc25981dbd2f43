package main

import (
	"github.com/spf13/pflag"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/diskcache"
	"github.com/gkpow/gkpow/client/rediscache"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// cacheHelp is the section on the shared cache in the help of commands that use it.
const cacheHelp = `The machines of a fleet can share one token through a Redis or Valkey server. Set
` + cacheVariable + ` or --cache-url to its URL, for example

  rediss://user@host:6379?password_file=/run/secrets/redis

gkpow asks the server first. While the server is unavailable, each machine gets its own
token and keeps it in the user's cache directory. docs/fleet.md lists the parameters.`

// registerCache registers the flags of commands that use the caches.
func (f *accountFlags) registerCache(flags *pflag.FlagSet) {
	flags.BoolVar(&f.noCache, "no-cache", false, "neither use nor keep tokens in the user's cache directory or a shared cache")
	flags.StringVar(&f.cacheURL, "cache-url", "", "URL of a Redis or Valkey server that shares the token (default: $"+cacheVariable+")")
}

// sharedURL returns the URL of the shared cache, or "" if there is none. It rejects a
// password on the command line, which other users could read.
func (f *accountFlags) sharedURL(env environment) (string, error) {
	url, from := f.cacheURL, "--cache-url"
	if url == "" {
		url, _ = env.lookup(cacheVariable)
		from = cacheVariable
	}
	if url == "" || f.noCache || f.emulator {
		return "", nil
	}
	password, err := rediscache.CheckURL(url)
	switch {
	case err != nil:
		return "", usagef("%s: %w", from, err)
	case password && f.cacheURL != "":
		return "", usagef("--cache-url contains a password, which other users can see: set %s instead, or use the parameter password_file", cacheVariable)
	}
	return url, nil
}

// tokens returns the source of tokens, and a function that closes it. The source asks the shared
// cache first, if there is one, then the cache on disk, and then the client. It does not cache an
// emulator's tokens, which are useless elsewhere. If rejected is not nil, the source calls it with
// each token that another machine reports as rejected.
func (f *accountFlags) tokens(env environment, c *client.Client, rejected func(client.Token)) (client.TokenSource, func(), error) {
	if f.emulator || f.noCache {
		return c, func() {}, nil
	}
	warnings := func(err error) { warn(env, err) }
	disk := diskcache.New(c, diskcache.Options{Dir: env.cacheDir, MinLeft: f.minLeft, OnWarning: warnings})
	url, err := f.sharedURL(env)
	if err != nil || url == "" {
		return disk, func() {}, err
	}
	shared, err := rediscache.New(c, rediscache.Options{URL: url, From: disk, Bare: true, OnRefused: rejected, OnWarning: warnings})
	if err != nil {
		return nil, nil, &usageError{err}
	}
	return shared, shared.Close, nil
}

// registerShared registers the metrics of the shared cache, if there is one.
func registerShared(registry *metrics.Registry, shared func() (rediscache.Stats, bool)) {
	if _, ok := shared(); !ok {
		return
	}
	registry.GaugeFunc("gkpow_cache_up", "1 if the shared cache answered last time and accepts writes, else 0.", func() float64 {
		if stats, _ := shared(); stats.Up {
			return 1
		}
		return 0
	})
	counter := func(name, help string, value func(rediscache.Stats) uint64) {
		registry.CounterFunc(name, help, func() float64 { stats, _ := shared(); return float64(value(stats)) })
	}
	counter("gkpow_cache_errors_total", "Failed exchanges with the shared cache.", func(s rediscache.Stats) uint64 { return s.Errors })
	counter("gkpow_cache_shared_total", "Tokens that came from the shared cache.", func(s rediscache.Stats) uint64 { return s.Shared })
	counter("gkpow_cache_alone_total", "Tokens obtained without the shared cache because it was unavailable.", func(s rediscache.Stats) uint64 { return s.Alone })
	counter("gkpow_cache_refused_total", "Tokens dropped because another machine reported them as rejected.", func(s rediscache.Stats) uint64 { return s.Refused })
}
