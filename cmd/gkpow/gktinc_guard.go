package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// A formGuard makes the guards of forms that share one set of flags.
type formGuard struct {
	log     *slog.Logger
	client  atomic.Pointer[gktinc.Client]
	reopen  func(used *gktinc.Client) (*gktinc.Client, error) // with the current keys
	opening sync.Mutex
	options gktinc.GuardOptions // URL and Field are left out
	close   func()

	exchanges *exchangeMetrics
}

// renewed reports whether to retry with a new key: the service rejected the key of the
// client that was used, and the key file now has another one.
func (g *formGuard) renewed(used *gktinc.Client, err error) bool {
	var failure *client.Error
	if !errors.As(err, &failure) || failure.Status != http.StatusUnauthorized && failure.Status != http.StatusForbidden {
		return false
	}
	changed, err := g.replace(used)
	if err != nil {
		g.log.Warn("could not reread the key", "error", err.Error())
	}
	return changed
}

// reload rereads the key and reports whether it changed.
func (g *formGuard) reload() (changed bool, err error) { return g.replace(g.client.Load()) }

// replace replaces the client that was used with a new one, unless another request has
// already done so.
func (g *formGuard) replace(used *gktinc.Client) (changed bool, err error) {
	g.opening.Lock()
	defer g.opening.Unlock()
	if g.client.Load() != used {
		return true, nil
	}
	c, err := g.reopen(used)
	if err != nil {
		return false, err
	}
	if c.Salt() == used.Salt() { // the salt derives from the keys
		return false, nil
	}
	g.client.Store(c)
	return true, nil
}

// of returns the guard of the form that the parameters describe.
func (g *formGuard) of(query url.Values) (*gktinc.Guard, error) {
	o := g.options
	o.URL = query.Get("url")
	o.Field = query.Get("field")
	o.FieldFromPage = o.Field == ""
	o.FieldOptional = query.Has("field-optional")
	o.Page.FormID = query.Get("form")
	o.Page.InputID = query.Get("input")
	o.Page.Verbose = query.Has("verbose")
	if query.Has("script") {
		o.Page.ScriptURL = query.Get("script")
	}
	if _, err := gktinc.PageURL(o.URL); err != nil {
		return nil, fmt.Errorf("the parameter url: %w", err)
	}
	guard, err := g.client.Load().NewGuard(o)
	if err != nil {
		return nil, errors.New("the parameter script is not the URL of a script: use https")
	}
	return guard, nil
}

// newVerdictMetrics registers the counter of verdicts.
func newVerdictMetrics(registry *metrics.Registry) *metrics.Vec[*metrics.Counter] {
	return registry.CounterVec("gkpow_gktinc_verdicts_total",
		"Verdicts on visitors' levels and on forms, by outcome and reason.", "of", "allowed", "reason")
}

func countVerdict(verdicts *metrics.Vec[*metrics.Counter], of string, v gktinc.Verdict) {
	verdicts.With(of, strconv.FormatBool(v.Allowed), string(v.Reason)).Inc()
}
