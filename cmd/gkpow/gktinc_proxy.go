package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// proxyFlags are the flags of gkpow gktinc proxy.
type proxyFlags struct {
	guard                 guardFlags
	listen, metricsListen string
	upstream              string
	forms                 []string
	inject, emulator      bool
	upstreamTimeout       time.Duration
	maxRequests           int
}

func newGKTincProxy(env environment) *cobra.Command {
	var f proxyFlags
	cmd := &cobra.Command{
		Use:   "proxy --upstream URL --guard URL [--guard URL ...]",
		Short: "Guard the forms of a web application as a reverse proxy",
		Long: `Pass requests on to a web application, and check the forms among them: a form sent
to a guarded path reaches the application only if GKTinc accepts it. The application
needs no change. The proxy adds the hidden field and the scripts to pages under
guarded paths: in place of the comment <!--gktinc-->, or else at the end of the first
form with the method POST. It passes everything else on unchanged: WebSockets,
uploads of any size, chunked bodies and trailers.

  gkpow gktinc proxy --upstream http://127.0.0.1:3000 --guard example.com/login

A guard is the host and path by which GKTinc knows the page. The proxy guards that
path and everything below it, on all hosts; if the path is /, only that page.
Parameters describe the form, as for the agent: field (the monitored input, default
username), field-optional, form (its id), input, verbose and script, as in
'example.com/wp-login.php?field=log&form=loginform'.

The visitor's address is that of the connection. If the connection comes from a
--trusted-proxy, gkpow takes the address from the --client-ip-header instead, which
that proxy must set.

With GKPOW_CACHE_URL, the URL of a Redis or Valkey server, proxies on several machines
together accept a page only once (docs/fleet.md).

` + gktincHelp,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error { return runGKTincProxy(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.guard.register(flags, "X-Forwarded-For")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8789", "address and port to listen on; port 0 picks a free one")
	flags.StringVar(&f.metricsListen, "metrics-listen", "", "address and port for /metrics (Prometheus) and /healthz")
	flags.StringVar(&f.upstream, "upstream", "", "URL of the application: http://, https:// or unix:///PATH")
	flags.StringArrayVar(&f.forms, "guard", nil, "host and path of a form to guard, with parameters (may be repeated)")
	flags.BoolVar(&f.inject, "inject", true, "add the field and the scripts to pages; with --inject=false the application adds them itself, from an agent's /gktinc/page")
	flags.BoolVar(&f.emulator, "emulator", false, "use an emulator of GKTinc in this process")
	flags.DurationVar(&f.upstreamTimeout, "upstream-timeout", time.Minute, "how long the application may take to start its response")
	flags.IntVar(&f.maxRequests, "max-requests", 1000, "largest number of concurrent requests; any more get status 503")
	for _, name := range []string{"upstream", "guard"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return cmd
}

func runGKTincProxy(ctx context.Context, env environment, f proxyFlags) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	log := newLog(env)
	emulatorURL := ""
	if f.emulator {
		e, err := startEmulator("127.0.0.1:0", gktest.Options{}, 0, nil)
		if err != nil {
			return err
		}
		defer e.stop()
		emulatorURL = e.url
	}
	sharedURL, err := (&accountFlags{emulator: f.emulator}).sharedURL(env)
	if err != nil {
		return err
	}
	guard, err := f.guard.open(ctx, env, emulatorURL, sharedURL, log)
	if err != nil {
		return err
	}
	defer guard.close()
	registry := &metrics.Registry{}
	registry.CollectProcess()
	p, err := f.newProxy(guard, registry, log)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return usagef("--listen %s: %w", f.listen, err)
	}
	// No ReadTimeout, since uploads may be large; see proxy.judge for forms.
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	defer server.Close()
	if f.metricsListen != "" {
		metricsListener, err := net.Listen("tcp", f.metricsListen)
		if err != nil {
			listener.Close()
			return usagef("--metrics-listen %s: %w", f.metricsListen, err)
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", registry)
		mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"ok"}`+"\n") })
		metricsServer := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
		defer metricsServer.Close()
		go func() { failed <- metricsServer.Serve(metricsListener) }()
	}
	go func() { failed <- server.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String())
	if _, err := io.WriteString(env.stdout, "http://"+listener.Addr().String()+"\n"); err != nil {
		return err
	}
	for {
		select {
		case err := <-failed:
			return err
		case <-hangup:
			if changed, err := guard.reload(); err != nil {
				log.Error("could not reread the key, so the old one stays in use", "error", err.Error())
			} else {
				log.Info("key reread", "changed", changed)
			}
			continue
		case <-ctx.Done():
		}
		log.Info("stopping")
		grace, cancel := context.WithTimeout(context.Background(), gracePeriod)
		defer cancel()
		_ = server.Shutdown(grace)
		return nil
	}
}

// parseForms reads the values of --guard.
func (f *proxyFlags) parseForms(guard *formGuard) (guardedForms, error) {
	var forms guardedForms
	for _, text := range f.forms {
		address, parameters, _ := strings.Cut(text, "?")
		query, err := url.ParseQuery(parameters)
		if err != nil {
			return nil, usagef("--guard %s: %w", text, err)
		}
		for name := range query {
			if !slices.Contains([]string{"field", "field-optional", "form", "input", "verbose", "script"}, name) {
				return nil, usagef("--guard %s: unknown parameter %.40q", text, name)
			}
		}
		page, err := gktinc.PageURL(address)
		if err != nil {
			return nil, usagef("--guard %s: not a host and path, such as example.com/login", text)
		}
		query.Set("url", page)
		if _, err := guard.of(query); err != nil {
			return nil, usagef("--guard %s: %w", text, err)
		}
		_, path, _ := strings.Cut(page, "/")
		segments, up := pathSegments(path)
		if up {
			return nil, usagef("--guard %s: write the path without ..", text)
		}
		forms = append(forms, guardedForm{segments, query})
	}
	return forms, nil
}

// newProxy returns the handler of the proxy.
func (f *proxyFlags) newProxy(guard *formGuard, registry *metrics.Registry, log *slog.Logger) (*proxy, error) {
	forms, err := f.parseForms(guard)
	if err != nil {
		return nil, err
	}
	upstream, err := url.Parse(f.upstream)
	switch {
	case err != nil || !slices.Contains([]string{"http", "https", "unix"}, upstream.Scheme) || upstream.User != nil || upstream.RawQuery != "",
		upstream.Scheme == "unix" && (upstream.Host != "" || !filepath.IsAbs(upstream.Path)), upstream.Scheme != "unix" && upstream.Host == "":
		return nil, usagef("--upstream %s is not a URL such as http://127.0.0.1:3000 or unix:///run/app.sock", f.upstream)
	case f.maxRequests < 1:
		return nil, usagef("--max-requests must be 1 or more, not %d", f.maxRequests)
	case f.upstreamTimeout < 0:
		return nil, usagef("--upstream-timeout %v is negative", f.upstreamTimeout)
	}
	p := &proxy{formGuard: guard, forms: forms, inject: f.inject, log: log, slots: make(chan struct{}, f.maxRequests), verdicts: newVerdictMetrics(registry)}
	guard.exchanges.register(registry, "gktinc")
	registerTraffic(registry, "gktinc", func() client.Traffic { return guard.client.Load().Traffic() })
	p.requests = registry.CounterVec("gkpow_proxy_requests_total",
		"Requests by outcome: passed on unjudged, judged and passed on, refused, turned away because the proxy was busy, or failed at the application.", "outcome")
	registry.GaugeFunc("gkpow_proxy_requests", "Requests that the proxy is passing on now, including WebSockets.",
		func() float64 { return float64(len(p.slots)) })
	p.upstream = p.newReverseProxy(upstream, f.upstreamTimeout)
	return p, nil
}
