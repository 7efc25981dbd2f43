package main

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
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

// An agentFailure is the reason that a request for a token, or a renewal, failed.
type agentFailure struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Message string    `json:"message"`
}

// agentStatus is the body of GET /status.
type agentStatus struct {
	Version  string  `json:"version"`
	Kernel   string  `json:"kernel"`
	Uptime   float64 `json:"uptime"` // seconds
	Ready    bool    `json:"ready"`
	Tokens   int     `json:"tokens"`             // got since the start
	HashRate float64 `json:"hashRate,omitempty"` // of the latest search, hashes per second

	RenewsItself bool `json:"renewsItself"` // whether the agent renews its token without a request

	// Figures of the token in use, in seconds; omitted if there is none. After RenewsIn the
	// agent, or the first request, starts a renewal.
	Age       float64 `json:"age,omitempty"`
	RenewsIn  float64 `json:"renewsIn,omitempty"`
	ExpiresIn float64 `json:"expiresIn,omitempty"`

	Failures []agentFailure `json:"failures"` // the latest first
}

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

// rows returns the status as names and values for people.
func (s agentStatus) rows() [][2]string {
	seconds := func(n float64) string { return time.Duration(n * float64(time.Second)).Round(time.Second).String() }
	token := "none in use"
	renewal := "with the next request"
	if s.RenewsItself {
		renewal = "as soon as the service gives a token"
	}
	if s.ExpiresIn > 0 {
		token = "got " + seconds(s.Age) + " ago, expires in " + seconds(s.ExpiresIn)
		if s.RenewsItself {
			renewal = "in " + seconds(s.RenewsIn)
		} else if s.RenewsIn > 0 {
			renewal = "with the first request in " + seconds(s.RenewsIn) + " or later"
		}
	}
	rate := "no search yet"
	if s.HashRate > 0 {
		rate = strconv.FormatFloat(s.HashRate/1e6, 'f', 1, 64) + " MH/s in the latest search"
	}
	return [][2]string{
		{"token", token},
		{"next renewal", renewal},
		{"tokens so far", strconv.Itoa(s.Tokens)},
		{"kernel", s.Kernel},
		{"rate", rate},
		{"running for", seconds(s.Uptime)},
		{"version", s.Version},
	}
}
