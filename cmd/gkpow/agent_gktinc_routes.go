package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktinc"
)

// gktincRoutes judge visitors and forms for programs that are no Go programs, by
// the rules of a gktinc.Guard.
type gktincRoutes struct {
	agent    *agentServer
	client   atomic.Pointer[gktinc.Client]
	reopen   func() (*gktinc.Client, error) // with the keys as they are now
	opening  sync.Mutex
	options  gktinc.GuardOptions // of all forms
	verdicts *prometheus.CounterVec
}

// addTo adds the routes to an agent's.
func (g *gktincRoutes) addTo(a *agentServer, registry *prometheus.Registry) {
	g.agent = a
	g.verdicts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gkpow_gktinc_verdicts_total",
		Help: "Visitors judged by their level, and forms, by outcome and its reason.",
	}, []string{"of", "allowed", "reason"})
	registry.MustRegister(g.verdicts)
	// Traefik asks by GET unless told otherwise, with a body too.
	either := func(h http.HandlerFunc) route {
		return route{methods: map[string]http.HandlerFunc{http.MethodGet: h, http.MethodPost: h}, allow: "GET, POST"}
	}
	a.routes["/gktinc/level-check"] = either(g.checkLevel)
	a.routes["/gktinc/page"] = either(g.page)
	a.routes["/gktinc/validate"] = either(g.validate)
}

// A refusal is the body of the answer about a visitor or a form that is not let
// in. A proxy may show it to the visitor, so it does not say how well he did.
type refusal struct {
	errorAnswer
	Reason gktinc.Reason `json:"reason"`
	Action gktinc.Action `json:"action,omitempty"`
}

// checkLevel answers 204 or 403, for the address alone.
func (g *gktincRoutes) checkLevel(w http.ResponseWriter, r *http.Request) {
	if _, ok := g.query(w, r); !ok || !g.visitor(w, r) {
		return
	}
	c := g.client.Load()
	level, verdict, err := c.CheckLevel(r.Context(), g.options.Proxies.ClientIP(r))
	if g.renewed(c, err) {
		level, verdict, err = g.client.Load().CheckLevel(r.Context(), g.options.Proxies.ClientIP(r))
	}
	g.count("level", verdict)
	if err != nil {
		g.failed(w, r, err)
		return
	}
	w.Header().Set("X-Gktinc-Action", string(verdict.Action))
	w.Header().Set("X-Gktinc-Level", strconv.Itoa(level.ChallengeLevel))
	w.Header().Set("X-Gktinc-Reason", string(verdict.Reason))
	if !verdict.Allowed {
		g.refuse(w, "the visitor", verdict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// A hiddenField is what the hidden input of a page sends, for programs that write or
// send the form themselves.
type hiddenField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// page answers with what a page with a form has to hold.
func (g *gktincRoutes) page(w http.ResponseWriter, r *http.Request) {
	query, ok := g.query(w, r, "url", "field", "field-optional", "form", "input", "script", "verbose", "nonce")
	if !ok || !g.visitor(w, r) {
		return
	}
	guard, ok := g.guard(w, query)
	if !ok {
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
	g.agent.answer(w, http.StatusOK, struct {
		Config  gktinc.PageConfig `json:"gktinc_config"`
		Blocked bool              `json:"gktinc_blocked"`
		Once    hiddenField       `json:"once"`
		Field   string            `json:"field"`   // HTML
		Scripts string            `json:"scripts"` // HTML
	}{page.Config, page.Blocked, hiddenField{page.OnceField, page.OnceValue}, string(field), string(scripts)})
}

// validate answers 200 or 403, for the form in the body.
func (g *gktincRoutes) validate(w http.ResponseWriter, r *http.Request) {
	query, ok := g.query(w, r, "url", "field", "field-optional", "form")
	if !ok || !g.visitor(w, r) {
		return
	}
	guard, ok := g.guard(w, query)
	if !ok {
		return
	}
	verdict, err := guard.Check(r)
	g.count("form", verdict)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		g.agent.fail(w, http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the form has more than %d bytes", tooLarge.Limit))
	case errors.Is(err, gktinc.ErrForm), errors.Is(err, client.ErrRejected):
		g.agent.fail(w, http.StatusBadRequest, "bad_request", err.Error())
	case err != nil:
		g.failed(w, r, err)
	case !verdict.Allowed:
		g.refuse(w, "the form", verdict)
	default:
		g.agent.answer(w, http.StatusOK, newGKTincVerdictJSON(verdict))
	}
}

// query returns the parameters in the URL, if they are all known.
func (g *gktincRoutes) query(w http.ResponseWriter, r *http.Request, known ...string) (url.Values, bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	for name := range query {
		if !slices.Contains(known, name) {
			err = fmt.Errorf("there is no parameter %.40q here", name)
		}
	}
	if err != nil {
		g.agent.fail(w, http.StatusBadRequest, "bad_request", err.Error())
		return nil, false
	}
	return query, true
}

// visitor makes sure that the visitor's address is known.
func (g *gktincRoutes) visitor(w http.ResponseWriter, r *http.Request) bool {
	r.RemoteAddr = "@" // see gktincAgentFlags.options
	if g.options.Proxies.ClientIP(r).IsValid() {
		return true
	}
	g.agent.fail(w, http.StatusBadRequest, "bad_request", fmt.Sprintf("send the visitor's address in the header %s", g.options.Proxies.Header))
	return false
}

// guard returns the guard of the form that the parameters name.
func (g *gktincRoutes) guard(w http.ResponseWriter, query url.Values) (*gktinc.Guard, bool) {
	o := g.options
	o.URL = query.Get("url")
	o.Field = query.Get("field")
	o.FieldFromPage = o.Field == ""
	o.FieldOptional = query.Has("field-optional")
	o.Page = gktinc.PageOptions{
		ScriptURL: query.Get("script"),
		FormID:    query.Get("form"),
		InputID:   query.Get("input"),
		Verbose:   query.Has("verbose"),
	}
	guard, err := g.client.Load().NewGuard(o)
	if err != nil {
		g.agent.fail(w, http.StatusBadRequest, "bad_request", err.Error())
		return nil, false
	}
	return guard, true
}

func (g *gktincRoutes) failed(w http.ResponseWriter, r *http.Request, err error) {
	g.renewed(g.client.Load(), err) // for the next request: this one's form cannot be checked twice
	g.agent.failed(w, r, "no verdict", err)
}

func (g *gktincRoutes) count(of string, v gktinc.Verdict) {
	g.verdicts.WithLabelValues(of, strconv.FormatBool(v.Allowed), string(v.Reason)).Inc()
}

func (g *gktincRoutes) refuse(w http.ResponseWriter, what string, v gktinc.Verdict) {
	why := strings.ReplaceAll(string(v.Reason), "_", " ")
	if v.Reason == gktinc.ReasonAction {
		why = "action " + string(v.Action)
	}
	g.agent.answer(w, http.StatusForbidden, refusal{
		errorAnswer: errorAnswer{Error: "denied", Message: what + " is not accepted: " + why},
		Reason:      v.Reason,
		Action:      v.Action,
	})
}

// renewed reports whether the service has refused the key of the client that was
// used, and the key file has another one by now, with which to ask again.
func (g *gktincRoutes) renewed(used *gktinc.Client, err error) bool {
	var failure *client.Error
	if !errors.As(err, &failure) || failure.Status != http.StatusUnauthorized && failure.Status != http.StatusForbidden {
		return false
	}
	changed, err := g.replace(used)
	if err != nil {
		g.agent.log.Warn("the key could not be read again", "error", err.Error())
	}
	return changed
}

// reload reads the key again and reports whether it has changed.
func (g *gktincRoutes) reload() (changed bool, err error) { return g.replace(g.client.Load()) }

// replace opens a client in the place of the one that was used, unless another
// request has done so.
func (g *gktincRoutes) replace(used *gktinc.Client) (changed bool, err error) {
	g.opening.Lock()
	defer g.opening.Unlock()
	if g.client.Load() != used {
		return true, nil
	}
	c, err := g.reopen()
	if err != nil {
		return false, err
	}
	if c.Salt() == used.Salt() { // which is made of the keys
		return false, nil
	}
	g.client.Store(c)
	return true, nil
}
