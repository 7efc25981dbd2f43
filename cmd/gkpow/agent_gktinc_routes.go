package main

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// addTo adds the routes to those of an agent.
func (g *gktincRoutes) addTo(a *agentServer, registry *metrics.Registry) {
	g.agent = a
	g.verdicts = newVerdictMetrics(registry)
	g.exchanges.register(registry, "gktinc")
	registerTraffic(registry, "gktinc", func() client.Traffic { return g.client.Load().Traffic() })
	// Traefik sends GET by default, even with a body.
	either := func(h http.HandlerFunc) route {
		return route{methods: map[string]http.HandlerFunc{http.MethodGet: h, http.MethodPost: h}, allow: "GET, POST"}
	}
	a.routes["/gktinc/level-check"] = either(g.checkLevel)
	a.routes["/gktinc/page"] = either(g.page)
	a.routes["/gktinc/validate"] = either(g.validate)
}

// checkLevel answers 204 or 403, by the visitor's address alone.
func (g *gktincRoutes) checkLevel(w http.ResponseWriter, r *http.Request) {
	if _, ok := g.query(w, r); !ok || !g.visitor(w, r) {
		return
	}
	c := g.client.Load()
	level, verdict, err := c.CheckLevel(r.Context(), g.options.Proxies.ClientIP(r))
	if g.renewed(c, err) {
		level, verdict, err = g.client.Load().CheckLevel(r.Context(), g.options.Proxies.ClientIP(r))
	}
	countVerdict(g.verdicts, "level", verdict)
	if err != nil {
		g.failed(w, r, err)
		return
	}
	w.Header().Set("X-Gktinc-Action", string(verdict.Action))
	w.Header().Set("X-Gktinc-Level", strconv.Itoa(level.ChallengeLevel))
	w.Header().Set("X-Gktinc-Reason", string(verdict.Reason))
	if !verdict.Allowed {
		g.refuse(w, r, "the visitor", verdict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// A hiddenField is the hidden input of a page, for programs that write or send the form
// themselves.
type hiddenField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// page answers with the elements that a page with a form must contain.
func (g *gktincRoutes) page(w http.ResponseWriter, r *http.Request) {
	query, ok := g.query(w, r, append(pageParameters, "input", "script", "verbose", "nonce", "format")...)
	if !ok || !g.visitor(w, r) {
		return
	}
	format := query.Get("format")
	if query.Has("format") && format != "json" && format != "html" {
		g.misused(w, r, "format must be json or html")
		return
	}
	guard, err := g.of(query)
	if err != nil {
		g.misused(w, r, err.Error())
		return
	}
	page, err := guard.Page(r)
	if err != nil {
		g.failed(w, r, err)
		return
	}
	page.Nonce = query.Get("nonce")
	field, err := page.Field()
	scripts, err2 := page.Scripts()
	if err := errors.Join(err, err2); err != nil {
		g.failed(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if format == "html" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, string(field)+"\n"+string(scripts))
		return
	}
	g.agent.answer(w, http.StatusOK, struct {
		Config  gktinc.PageConfig `json:"gktinc_config"`
		Blocked bool              `json:"gktinc_blocked"`
		Once    hiddenField       `json:"once"`
		Field   string            `json:"field"`   // HTML
		Scripts string            `json:"scripts"` // HTML
	}{page.Config, page.Blocked, hiddenField{page.OnceField, page.OnceValue}, string(field), string(scripts)})
}

// namedLocation matches the name of an nginx location, such as @application. nginx replays a POST
// only to a named location; to a path it would send a GET.
var namedLocation = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^@[A-Za-z0-9_.-]{1,100}$`) })

// validate answers 200 or 403, for the form in the body or for a program's description
// of a form in JSON.
func (g *gktincRoutes) validate(w http.ResponseWriter, r *http.Request) {
	query, ok := g.query(w, r, append(pageParameters, "redirect")...)
	if !ok {
		return
	}
	redirect := query.Get("redirect")
	if query.Has("redirect") && !namedLocation().MatchString(redirect) {
		g.misused(w, r, "redirect must be a named location of nginx, such as @application")
		return
	}
	var verdict gktinc.Verdict
	var err error
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" && !query.Has("url") {
		verdict, err = g.checkJSON(r, query)
	} else {
		if !g.visitor(w, r) {
			return
		}
		guard, invalid := g.of(query)
		if invalid != nil {
			g.misused(w, r, invalid.Error())
			return
		}
		r.URL.RawQuery = "" // the proxy's, not the visitor's
		verdict, err = guard.Check(r)
	}
	countVerdict(g.verdicts, "form", verdict)
	var tooLarge *http.MaxBytesError
	var broken *net.OpError
	switch {
	case errors.As(err, &tooLarge):
		g.reject(w, r, http.StatusRequestEntityTooLarge, errorAnswer{Error: "too_large", Message: fmt.Sprintf("the form has more than %d bytes", tooLarge.Limit)})
	case errors.As(err, &broken): // its text contains addresses
		g.agent.log.Warn("could not check a form", "error", err.Error())
		g.reject(w, r, http.StatusBadRequest, errorAnswer{Error: "bad_request", Message: "the form did not arrive"})
	case errors.Is(err, gktinc.ErrForm):
		g.agent.log.Warn("could not check a form", "error", err.Error())
		g.reject(w, r, http.StatusBadRequest, errorAnswer{Error: "bad_request", Message: words(err.Error())})
	case errors.Is(err, client.ErrRejected):
		g.agent.log.Warn("could not check a form", "error", err.Error())
		g.reject(w, r, http.StatusBadRequest, errorAnswer{Error: "bad_request", Message: "a field of the form is too long or malformed"})
	case err != nil:
		g.failed(w, r, err)
	case !verdict.Allowed:
		g.refuse(w, r, "the form", verdict)
	case redirect != "":
		w.Header().Set("X-Accel-Redirect", redirect)
		w.WriteHeader(http.StatusOK)
	default:
		g.agent.answer(w, http.StatusOK, newGKTincVerdictJSON(verdict))
	}
}

// query returns the parameters of the URL. If one is unknown it answers with an error and
// returns false.
func (g *gktincRoutes) query(w http.ResponseWriter, r *http.Request, known ...string) (url.Values, bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	for name := range query {
		if !slices.Contains(known, name) {
			err = fmt.Errorf("unknown parameter %.40q", name)
		}
	}
	if err != nil {
		g.misused(w, r, err.Error())
		return nil, false
	}
	return query, true
}

// visitor reports whether the visitor's address is known. If not, it has answered with
// an error.
func (g *gktincRoutes) visitor(w http.ResponseWriter, r *http.Request) bool {
	r.RemoteAddr = "@" // see agentFlags.openGKTinc
	if g.options.Proxies.ClientIP(r).IsValid() {
		return true
	}
	g.misused(w, r, fmt.Sprintf("send the visitor's address in the header %s", g.options.Proxies.Header))
	return false
}
