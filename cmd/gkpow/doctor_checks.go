package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/gkpow/gkpow/client/diskcache"
	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/client/rediscache"
)

// keyFile checks the file of a key, if there is one.
func (d *diagnosis) keyFile(env environment, variable string) {
	file, _ := env.lookup(variable + "_FILE")
	if file == "" {
		return
	}
	info, err := os.Stat(file)
	if err != nil {
		return // the check of the keys has reported this
	}
	d.check("key file", nil, "%s (%s_FILE), mode %04o", file, variable, info.Mode().Perm())
	if runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		d.advise(fmt.Sprintf("other users may read or change it: chmod 600 %s", shellQuote(file)))
	}
}

// route reports the URL and the proxy of requests, and which variables set them.
func (d *diagnosis) route(env environment, variable, standard string) {
	target, from := standard, "the default, since "+variable+" is not set"
	if value, _ := env.lookup(variable); value != "" {
		target, from = value, variable
	}
	parsed, err := url.Parse(target)
	if err != nil {
		return // the check of the keys has reported this
	}
	d.check("URL", nil, "%s (%s)", parsed.Redacted(), from)

	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: parsed})
	name, value := proxyVariable(env, parsed.Scheme)
	switch {
	case err != nil:
		d.check("proxy", fmt.Errorf("%s is not the URL of a proxy", name), "")
		d.advise("set " + name + " to something like http://proxy.example.com:3128, or unset it")
	case proxy != nil:
		d.check("proxy", nil, "%s (%s)", proxy.Redacted(), name)
	case value != "":
		d.check("proxy", nil, "none, although %s is set: gkpow connects directly to loopback addresses and those in NO_PROXY", name)
	default:
		d.check("proxy", nil, "none: %s is not set", name)
	}
}

// proxyVariable returns the variable that names the proxy for a scheme.
func proxyVariable(env environment, scheme string) (name, value string) {
	name = strings.ToUpper(scheme) + "_PROXY"
	for _, name := range []string{name, strings.ToLower(name)} {
		if value, _ := env.lookup(name); value != "" {
			return name, value
		}
	}
	return name, ""
}

// cacheDir checks the directory that holds the tokens.
func (d *diagnosis) cacheDir(env environment) {
	dir, err := env.tokenDir()
	if err == nil {
		err = diskcache.Check(dir)
	}
	if err != nil {
		d.check("cache", fmt.Errorf("gkpow cannot keep tokens, so each command gets a new one: %w", err), "")
		d.advise("give the directory to the user who runs gkpow, with permission to write, or set " + cacheVariableOf() + " to a directory in which gkpow can create its own")
		return
	}
	d.check("cache", nil, "%s is writable and belongs to this user", dir)
}

// cacheVariableOf returns the variable that sets the user's cache directory.
func cacheVariableOf() string {
	switch runtime.GOOS {
	case "windows":
		return "LocalAppData"
	case "darwin", "ios":
		return "HOME"
	}
	return "XDG_CACHE_HOME"
}

// gktinc checks whether GKTinc accepts its keys: it requests the level of an address
// reserved for documentation (RFC 5737).
func (d *diagnosis) gktinc(ctx context.Context, env environment) {
	var config gktinc.Config
	err := readGKTinc(ctx, &config, env)
	var c *gktinc.Client
	if err == nil {
		if c, err = gktinc.New(config); err != nil {
			err = configError(err)
		}
	}
	if !d.check("GKTinc keys", err, "set") {
		return
	}
	d.keyFile(env, "GKTINC_API_KEY")
	d.route(env, "GKTINC_API_URL", gktinc.DefaultURL)
	level, err := c.ChallengeLevel(ctx, netip.AddrFrom4([4]byte{192, 0, 2, 1}))
	d.check("GKTinc", err, "accepts the keys: challenge level %d for a documentation address", level.ChallengeLevel)
}

// sharedCache checks whether the shared cache works, if there is one.
func (d *diagnosis) sharedCache(ctx context.Context, env environment, f *accountFlags) {
	url, err := f.sharedURL(env)
	if url == "" && err == nil {
		return
	}
	var report rediscache.Report
	if err == nil {
		report, err = rediscache.Check(ctx, url)
	}
	encryption := "TLS"
	if !report.Encrypted {
		encryption = "without TLS"
	}
	d.check("shared cache", err, "%s at %s, %s: read and written in %v",
		cmp.Or(report.Server, "a server"), report.Address, encryption, report.Latency.Round(10*time.Microsecond))
}
