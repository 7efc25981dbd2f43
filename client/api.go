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
	// What the service is, for requests and for the texts of errors.

	Name       string // of the service; Error.Op is "NAME/OP". "" is gkCAPTCHA, without "NAME/"
	DefaultURL string // where its vendor runs it
	Variable   string // the environment variable that users set the URL by

	// Kind classifies an answer that is an error, by its status and by its code,
	// "" if it had none: it returns one of the Err variables. Advise says what to
	// do about such an error, "" if it does not know. nil is what gkCAPTCHA means.
	Kind   func(status int, code Code) error
	Advise func(*Error) string

	// What the user has configured, as in Config and with the same zero values.

	URL        string // "" is DefaultURL
	HTTPClient *http.Client
	MaxRetries int
	Timeout    time.Duration
	UserAgent  string
	Limits     Limits

	// Readable reports whether an answer is one that the caller wants to read; nil
	// is one of status 2xx whose success, if it is there, is true. It is asked about
	// JSON objects only. Anything else is an *Error.
	Readable func(status int, body []byte) bool

	Secrets []Secret // what errors must not show
}

// An API is a JSON API at one URL, and the one way in which this module talks to
// services: over https, or http to a loopback address; without following
// redirects; with TLS 1.2 at least, unless the HTTP client is the user's; each
// answer a JSON object of at most 1 MiB; each failure an *Error that shows no
// secret. It is what Client and packages like gktinc are made of. It is safe for
// concurrent use.
type API struct {
	prefix     string // of Error.Op
	variable   string
	userAgent  string
	timeout    time.Duration
	maxRetries uint
	kind       func(int, Code) error
	own        func(jsonobject.Object) bool // whether an error is in the form of the API's
	advise     func(*Error) string
	readable   func(status int, body []byte) bool // nil as in APIConfig
	total      time.Duration                      // 0 is no limit
	gate       *gate

	// These are functions because a dump follows pointers into a transport's
	// buffers and into a compiled expression, which hold the secrets.
	do       func(*http.Request) (*http.Response, error)
	redact   func(string) string
	endpoint func(path string) string

	now func() time.Time
}

// NewAPI returns an API. It sends nothing. Its errors are ErrMisconfigured.
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
		do:         newHTTPClient(config.HTTPClient).Do,
		now:        time.Now,
	}
	if config.Name != "" {
		a.prefix = config.Name + "/"
	}
	a.own = func(jsonobject.Object) bool { return true }
	if a.kind == nil {
		a.kind, a.own = answerKind, isAnswer
	}
	switch {
	case config.Timeout < 0:
		return nil, a.misconfigured("Timeout is %v: set it to a positive duration, or to 0 for the default", config.Timeout)
	case strings.ContainsFunc(config.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }):
		return nil, a.misconfigured("UserAgent has characters that a header cannot hold: use printable ASCII")
	}
	if field, fault := config.Limits.check(); fault != "" {
		return nil, a.misconfigured("Limits.%s %s", field, fault)
	}
	a.gate = newGate(config.Limits)
	base, fault := parseURL(cmp.Or(config.URL, config.DefaultURL))
	if fault != "" {
		return nil, a.misconfigured("URL %s, as in %s", fault, config.DefaultURL)
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
	Op     string      // what it is for, in one word, for Error.Op
	Method string      // "" is GET, or POST if there is a body
	Path   string      // from the URL on, escaped, with a slash first
	Header http.Header // besides Content-Type, Accept and User-Agent
	Body   any         // sent as JSON; nil is no body

	limit time.Duration // for the answer; 0 is APIConfig.Timeout
}

// An APIAnswer is a JSON object that APIConfig.Readable accepts.
type APIAnswer struct {
	Status   int // 2xx unless APIConfig.Readable accepts others
	Body     []byte
	Attempts int // requests that were made; 1 if the first was answered
}

// Do sends a request and repeats it as Config.MaxRetries and Limits say. It returns
// an answer that APIConfig.Readable accepts; anything else is an *Error. When the
// context ends, Do returns at once, with an error that errors.Is finds to be
// context.Canceled or context.DeadlineExceeded.
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
			// A repetition must leave the service time for an answer.
			failure.passing = failure.passing && time.Until(end) > max(failure.RetryAfter, firstWait)+minAttempt
		}
		return APIAnswer{Status: got.status, Body: got.data, Attempts: attempts}, err
	})
}

// minAttempt is the least time that an attempt within Limits.Total is worth making.
const minAttempt = 500 * time.Millisecond

// Printable makes text of an answer fit to be shown: on one line, of at most 300
// bytes, without the secrets.
func (a *API) Printable(s string) string { return printable(a.redact(s)) }
