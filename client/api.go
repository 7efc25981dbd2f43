package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gkpow/gkpow/client/internal/jsonobject"
)

// An APIConfig describes a JSON API to NewAPI.
type APIConfig struct {
	// These fields describe the service, for requests and for error messages.

	Name       string // name of the service; Error.Op is then "NAME/OP". "" means gkCAPTCHA, without "NAME/"
	DefaultURL string // URL of the vendor's service
	Variable   string // environment variable that sets the URL

	// Kind classifies an error response: it returns one of the Err variables for a
	// status and an error code, which is "" if the response has none. If Kind is nil, the
	// status alone decides, or, if Name is "", the rules of gkCAPTCHA.
	Kind func(status int, code Code) error

	// Advise returns what the user can do about an error, or "" if it does not know. If
	// Advise is nil, errors contain no advice, or, if Name is "", that of gkCAPTCHA.
	Advise func(*Error) string

	// These fields are configured by the user, as in Config and with the same
	// defaults.

	URL        string         // "" means DefaultURL
	HTTPClient *http.Client   // nil means a new client
	MaxRetries int            // retries of a failed request; 0 means 2, negative means none
	Timeout    time.Duration  // of each request, up to the last byte of the response; 0 means 10 s
	UserAgent  string         // header User-Agent, printable ASCII; "" means DefaultUserAgent()
	Limits     Limits         // on concurrent requests, on requests to a failing service, and on the time of a call
	OnExchange func(Exchange) // nil, or called after each request that was sent; must be safe for concurrent use

	// Readable reports whether Do should return a response; otherwise Do returns an
	// *Error. It is called with JSON objects only. nil accepts responses with status 2xx
	// whose field success is true or absent.
	Readable func(status int, body []byte) bool

	Secrets []Secret // values that errors must not show
}

// An API is a client of the JSON API at one URL. Client and package gktinc make all
// their requests through it. It uses https, or http to a loopback address; it does not
// follow redirects; it requires TLS 1.2, unless the user supplies the HTTP client. Each
// response is a JSON object of at most 1 MiB, and each failure is an *Error that shows no
// secret. An API is safe for concurrent use.
type API struct {
	prefix     string // of Error.Op
	variable   string
	userAgent  string
	timeout    time.Duration
	maxRetries uint
	kind       func(int, Code) error
	own        func(jsonobject.Object) bool // reports whether an error has the API's format
	advise     func(*Error) string
	readable   func(status int, body []byte) bool // nil as in APIConfig
	total      time.Duration                      // 0 means no limit
	gate       *gate
	onExchange func(Exchange) // nil as in APIConfig

	// These are functions, since the buffers of a transport and a compiled expression
	// contain the secrets, and a dump would follow pointers to them.
	do       func(*http.Request) (*http.Response, error)
	redact   func(string) string
	endpoint func(path string) string

	now func() time.Time
}

// NewAPI returns an API. It makes no requests. The error is ErrMisconfigured.
func NewAPI(config APIConfig) (*API, error) {
	a := &API{
		variable:   config.Variable,
		userAgent:  cmp.Or(config.UserAgent, DefaultUserAgent()),
		timeout:    cmp.Or(config.Timeout, defaultTimeout),
		maxRetries: uint(max(cmp.Or(config.MaxRetries, defaultMaxRetries), 0)),
		kind:       config.Kind,
		advise:     config.Advise,
		readable:   config.Readable,
		total:      config.Limits.Total,
		onExchange: config.OnExchange,
		do:         newHTTPClient(config.HTTPClient).Do,
		now:        time.Now,
	}
	a.own = func(jsonobject.Object) bool { return true }
	if config.Name != "" {
		a.prefix = config.Name + "/"
		if a.kind == nil {
			a.kind = func(status int, _ Code) error { return statusKind(status) }
		}
		if a.advise == nil {
			a.advise = func(*Error) string { return "" }
		}
	} else if a.kind == nil {
		a.kind, a.own = errorKind, isErrorResponse
	}
	switch {
	case config.Timeout < 0:
		return nil, a.misconfigured("Timeout is %v: set it to a positive duration, or to 0 for the default", config.Timeout)
	case strings.ContainsFunc(config.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }):
		return nil, a.misconfigured("UserAgent has characters that a header cannot contain: use printable ASCII")
	}
	if field, fault := config.Limits.check(); fault != "" {
		return nil, a.misconfigured("Limits.%s %s", field, fault)
	}
	a.gate = newGate(config.Limits)
	base, fault := parseURL(cmp.Or(config.URL, config.DefaultURL))
	if fault != "" {
		return nil, a.misconfigured("URL %s (example: %s)", fault, config.DefaultURL)
	}
	a.endpoint = func(path string) string { return endpoint(base, path) }
	var secrets []string
	for _, secret := range config.Secrets {
		secrets = append(secrets, secret.Reveal())
	}
	a.redact = newRedactor(secrets...)
	return a, nil
}

func (a *API) misconfigured(format string, args ...any) *Error {
	failure := misconfigured(format, args...)
	failure.Op = a.prefix + failure.Op
	return failure
}

// An APIRequest is one request to an API.
type APIRequest struct {
	Op     string      // operation, in one word, for Error.Op
	Method string      // "" means GET, or POST if there is a body
	Path   string      // appended to the URL; escaped, with a leading slash
	Header http.Header // in addition to Content-Type, Accept and User-Agent
	Body   any         // sent as JSON; nil means no body

	limit time.Duration // for the response; 0 means APIConfig.Timeout
}

// An APIAnswer is a response that APIConfig.Readable accepts.
type APIAnswer struct {
	Status   int    // 2xx, unless APIConfig.Readable accepts others
	Body     []byte // a JSON object
	Attempts int    // requests made; 1 if there were no retries
}

// Do sends a request, with retries according to Config.MaxRetries and Limits. It returns
// a response that APIConfig.Readable accepts; anything else is an *Error. When ctx is
// done, Do returns at once, with an error for which errors.Is finds context.Canceled or
// context.DeadlineExceeded.
func (a *API) Do(ctx context.Context, r APIRequest) (APIAnswer, error) {
	r.Op = a.prefix + r.Op
	end := time.Now().Add(a.total)
	attempts := 0
	return retry(ctx, a, r.Op, func() (APIAnswer, error) {
		attempts++
		if a.total > 0 {
			r.limit = min(a.timeout, time.Until(end))
		}
		got, err := a.ask(ctx, r)
		if failure := new(Error); a.total > 0 && errors.As(err, &failure) {
			// Retry only if that leaves the service time to answer.
			failure.transient = failure.transient && time.Until(end) > max(failure.RetryAfter, firstWait)+minAttempt
		}
		return APIAnswer{Status: got.status, Body: got.data, Attempts: attempts}, err
	})
}

// minAttempt is the minimum time for an attempt: with less than that left of Limits.Total,
// Do does not retry.
const minAttempt = 500 * time.Millisecond

// Printable makes text from a response safe to show: a single line of at most 300 bytes,
// without secrets.
func (a *API) Printable(s string) string { return printable(a.redact(s)) }
