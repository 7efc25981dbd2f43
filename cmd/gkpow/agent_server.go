package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// An agentServer answers local programs. It is an http.Handler.
type agentServer struct {
	source   client.TokenSource
	log      *slog.Logger
	routes   map[string]route // by path
	requests *metrics.Vec[*metrics.Counter]

	onFailure  func(error) // if not nil, called with the reason that a caller got no token
	onRejected func()      // if not nil, called after a caller reports a rejected token

	// bearer is the SHA-256 of the bearer that callers must send. It is nil on a unix
	// socket, which the file mode protects and no browser can reach.
	bearer *[sha256.Size]byte
}

// A route is the handlers of a path.
type route struct {
	open    bool // whether callers need no bearer
	methods map[string]http.HandlerFunc
	allow   string // the methods, as in the Allow header
}

// tokenAnswer is the body of GET /token.
type tokenAnswer struct {
	Token     string  `json:"token"`
	ExpiresAt int64   `json:"expiresAt"` // Unix seconds, by the service's clock
	ExpiresIn float64 `json:"expiresIn"` // seconds from now
}

// errorAnswer is the body of every response except 2xx.
type errorAnswer struct {
	Error      string  `json:"error"`
	Message    string  `json:"message"`
	RetryAfter float64 `json:"retryAfter,omitempty"` // seconds
}

// newAgentServer returns a server of tokens; if source is nil it serves no tokens. The
// bearer is "" for a unix socket.
func newAgentServer(source client.TokenSource, bearer string, registry *metrics.Registry, log *slog.Logger) *agentServer {
	a := &agentServer{source: source, log: log}
	if bearer != "" {
		sum := sha256.Sum256([]byte(bearer))
		a.bearer = &sum
	}
	a.requests = registry.CounterVec("gkpow_agent_requests_total", "Requests answered, by path and status.", "path", "status")

	get := func(h http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{http.MethodGet: h, http.MethodHead: h}
	}
	a.routes = map[string]route{
		"/healthz": {methods: get(a.health), allow: "GET, HEAD", open: true},
		"/metrics": {methods: get(registry.ServeHTTP), allow: "GET, HEAD"},
	}
	if source != nil {
		token := get(a.token)
		token[http.MethodDelete] = a.invalidate
		a.routes["/token"] = route{methods: token, allow: "GET, HEAD, DELETE"}
	}
	return a
}

// server returns an HTTP server with timeouts, so that slow callers cannot block it.
func (a *agentServer) server() *http.Server {
	return &http.Server{
		Handler:           a,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
}

// ServeHTTP answers a request after the checks that every request must pass.
func (a *agentServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
	path := r.URL.Path
	found, ok := a.routes[path]
	if !ok {
		path = "other"
	}
	handle := found.methods[r.Method]
	switch {
	case a.bearer != nil && !isLocalHost(r.Host):
		a.fail(recorder, http.StatusMisdirectedRequest, "wrong_host", "use the host 127.0.0.1, [::1] or localhost")
	case !ok:
		a.fail(recorder, http.StatusNotFound, "not_found", "no such path: use "+strings.Join(slices.Sorted(maps.Keys(a.routes)), ", "))
	case !found.open && !a.authorized(r):
		recorder.Header().Set("WWW-Authenticate", "Bearer")
		a.fail(recorder, http.StatusUnauthorized, "unauthorized", "send Authorization: Bearer with the content of the agent's bearer file")
	case handle == nil:
		recorder.Header().Set("Allow", found.allow)
		a.fail(recorder, http.StatusMethodNotAllowed, "method_not_allowed", "use "+found.allow)
	default:
		handle(recorder, r)
	}
	a.requests.With(path, strconv.Itoa(recorder.status)).Inc()
}

// isLocalHost reports whether a Host header names this machine by address or as localhost,
// which DNS rebinding cannot achieve.
func isLocalHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (a *agentServer) authorized(r *http.Request) bool {
	if a.bearer == nil {
		return true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(given))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], a.bearer[:]) == 1
}

func (a *agentServer) health(w http.ResponseWriter, _ *http.Request) {
	a.answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (a *agentServer) token(w http.ResponseWriter, r *http.Request) {
	token, err := a.source.Token(r.Context())
	if err != nil {
		if a.onFailure != nil && r.Context().Err() == nil {
			a.onFailure(err)
		}
		a.failed(w, r, "no token", err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	a.answer(w, http.StatusOK, tokenAnswer{
		Token:     token.Value.Reveal(),
		ExpiresAt: token.ExpiresAt.Unix(),
		ExpiresIn: math.Max(0, time.Until(token.Expires()).Seconds()),
	})
}

// invalidate drops a token that a service rejected. The body is
// {"token":"..."}, as GET /token gave it.
func (a *agentServer) invalidate(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&body); err != nil || body.Token == "" {
		a.fail(w, http.StatusBadRequest, "bad_request", `send {"token":"..."}`)
		return
	}
	if source, ok := a.source.(client.Invalidator); ok {
		source.Invalidate(client.Token{Value: client.NewSecret(body.Token)})
	}
	if a.onRejected != nil {
		a.onRejected()
	}
	w.WriteHeader(http.StatusNoContent)
}

// statusCallerGone is a status for the metrics only: the caller has gone.
const statusCallerGone = 499

// failed logs a failure, and answers with it.
func (a *agentServer) failed(w http.ResponseWriter, r *http.Request, missing string, err error) {
	if status, body, gone := a.failure(w, r, missing, err); !gone {
		a.answer(w, status, body)
	}
}

// failure logs a failure and returns the response for it. If the caller has gone it only
// says so.
func (a *agentServer) failure(w http.ResponseWriter, r *http.Request, missing string, err error) (status int, answer errorAnswer, gone bool) {
	if r.Context().Err() != nil {
		w.WriteHeader(statusCallerGone)
		return 0, errorAnswer{}, true
	}
	kind := kindOfFailure(err)
	answer = errorAnswer{Error: kind.name, Message: words(err.Error())}
	var failure *client.Error
	if errors.As(err, &failure) && failure.RetryAfter > 0 {
		answer.RetryAfter = failure.RetryAfter.Seconds()
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(answer.RetryAfter))))
	}
	a.log.Warn(missing, "error", err.Error())
	return kind.status, answer, false
}

func (a *agentServer) fail(w http.ResponseWriter, status int, code, message string) {
	a.answer(w, status, errorAnswer{Error: code, Message: words(message)})
}

func (a *agentServer) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = printJSON(w, body)
}

// gracePeriod is how long a server that stops waits for requests in progress.
const gracePeriod = 5 * time.Second
