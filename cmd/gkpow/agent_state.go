package main

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
	"github.com/gkpow/gkpow/solver"
)

// An agentState records the agent's tokens and failures since it started, for operators.
// It is safe for concurrent use.
type agentState struct {
	env      environment
	started  time.Time
	changed  chan struct{} // announces that there may be another token
	failures *metrics.Vec[*metrics.Counter]

	probing sync.Mutex // held while a call of /readyz asks for a token

	mu        sync.Mutex // guards the fields below
	token     client.Token
	got       int             // tokens
	solved    solver.Solution // the latest
	last      []agentFailure  // the latest first, up to keptFailures
	unhealthy bool            // whether the latest attempt failed
	eager     bool            // whether the agent asks for a token by itself
	asked     time.Time       // when /readyz last asked for a token
}

// keptFailures is how many failures the status shows.
const keptFailures = 5

// newAgentState registers the metrics of failures and of the build.
func newAgentState(env environment, registry *metrics.Registry) *agentState {
	s := &agentState{env: env, started: time.Now(), changed: make(chan struct{}, 1)}
	s.failures = registry.CounterVec("gkpow_token_failures_total", "Failed attempts to obtain a token, by kind of error.", "kind")
	build := solver.BuildInfo()
	registry.Gauge("gkpow_build_info", "Always 1; the labels give the version, commit and kernel.",
		"version", build.Version, "commit", build.Revision, "kernel", firstKernel(env)).Set(1)
	for _, kind := range failureKinds {
		s.failures.With(kind.name) // so that rates start at 0
	}
	return s
}

// change announces that there may be another token.
func (s *agentState) change() {
	select {
	case s.changed <- struct{}{}:
	default: // announced already
	}
}

// expectToken records that the agent requests tokens by itself, so that it is not ready
// before it has one.
func (s *agentState) expectToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eager = true
}

// gotToken records a new token.
func (s *agentState) gotToken(t client.Token) {
	defer s.change()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.unhealthy = t, false
	s.got++
	if t.Rounds > 0 {
		s.solved = t.Solution
	}
}

// failed records a failed attempt to get a token.
func (s *agentState) failed(err error) {
	kind := kindOfFailure(err).name
	s.failures.With(kind).Inc()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unhealthy = true
	s.last = slices.Insert(s.last, 0, agentFailure{time.Now(), kind, words(err.Error())})
	s.last = s.last[:min(len(s.last), keptFailures)]
}

// status returns the current status.
func (s *agentState) status() agentStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	status := agentStatus{
		Version:      solver.BuildInfo().Version,
		Kernel:       firstKernel(s.env),
		Uptime:       now.Sub(s.started).Seconds(),
		Ready:        !s.unhealthy && (s.got > 0 || !s.eager),
		Tokens:       s.got,
		HashRate:     s.solved.HashRate(),
		RenewsItself: s.eager,
		Failures:     append([]agentFailure{}, s.last...),
	}
	if s.solved.Backend != "" {
		status.Kernel = s.solved.Backend
	}
	if left := s.token.Expires().Sub(now); s.got > 0 && left > 0 {
		status.ExpiresIn = left.Seconds()
		status.RenewsIn = renewsIn(s.token, now).Seconds()
		if received := s.token.Received(); !received.IsZero() {
			status.Age = now.Sub(received).Seconds()
		}
	}
	return status
}

// addTo adds /readyz, /status and the page on / to an agent's routes.
func (s *agentState) addTo(a *agentServer) {
	get := func(h http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{http.MethodGet: h, http.MethodHead: h}
	}
	a.routes["/readyz"] = route{methods: get(func(w http.ResponseWriter, r *http.Request) { s.ready(a, w, r) }), allow: "GET, HEAD", open: true}
	a.routes["/status"] = route{methods: get(func(w http.ResponseWriter, _ *http.Request) { a.answer(w, http.StatusOK, s.status()) }), allow: "GET, HEAD"}
	a.routes["/"] = route{methods: get(s.page), allow: "GET, HEAD"}
}

// readyInterval is how often /readyz asks for a token while there is none.
const readyInterval = 5 * time.Second

// ready answers whether the agent can get a token.
func (s *agentState) ready(a *agentServer, w http.ResponseWriter, r *http.Request) {
	if a.source != nil {
		s.probe(r.Context(), a.source)
	}
	s.mu.Lock()
	ready := a.source == nil || s.got > 0 && !s.unhealthy
	kind := "unavailable"
	if len(s.last) > 0 {
		kind = s.last[0].Kind
	}
	s.mu.Unlock()
	if !ready {
		a.answer(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "error": kind})
		return
	}
	a.answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

// probe requests a token if the agent has had none yet or the latest attempt failed, so probes
// do not renew a token that nobody uses. Probes that arrive meanwhile wait for the result.
func (s *agentState) probe(ctx context.Context, source client.TokenSource) {
	s.probing.Lock()
	defer s.probing.Unlock()
	s.mu.Lock()
	ask := (s.got == 0 || s.unhealthy) && time.Since(s.asked) >= readyInterval
	s.mu.Unlock()
	if !ask {
		return
	}
	_, err := source.Token(ctx)
	if err != nil && ctx.Err() == nil {
		s.failed(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = time.Now()
	if err == nil {
		s.unhealthy = false
	}
}

// page answers with the status as a web page.
func (s *agentState) page(w http.ResponseWriter, _ *http.Request) {
	status := s.status()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, status.page())
}

// renewsIn returns the time after which a request starts a renewal in client.Source, or 0
// if any request does.
func renewsIn(t client.Token, now time.Time) time.Duration {
	received := t.Received()
	if received.IsZero() {
		return 0
	}
	return max(t.Expires().Sub(now)-t.Expires().Sub(received)/5, 0)
}
