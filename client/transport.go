package client

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultHeader is the header in which the vendor's back ends expect a token.
const DefaultHeader = "X-Captcha-Token"

// TransportOptions configure a Transport. The zero value adds the token as DefaultHeader
// to all requests of the program, but not to redirects to another host.
type TransportOptions struct {
	Base http.RoundTripper // sends the requests; nil means http.DefaultTransport

	Header string // "" means DefaultHeader
	Prefix string // text before the token, such as "Bearer "

	// Hosts are the hosts that get the token, written as in a URL: "example.com" or
	// "example.com:8443". Without a port, the scheme's default port applies. Requests to
	// other hosts are sent without a token. Empty means all hosts; redirects then get
	// the token only if they keep the scheme, host and port of the original request.
	Hosts []string

	// Rejected reports whether the response means that the token was rejected. It must
	// not read the body. nil means status 401 or 403.
	Rejected func(*http.Response) bool
}

// A Transport is an http.RoundTripper that adds a token to requests. It is safe for
// concurrent use if the TokenSource and the base are.
//
// When a token is rejected, the Transport retries the request once with a fresh token,
// unless the request has a body that cannot be sent again (see http.Request.GetBody). If
// the fresh token is rejected too, the cause is not the token. The Transport then no longer
// retries requests that are rejected with that token, and pauses all retries for a second.
// The pause doubles with each retry that fails, up to five minutes; a retry that succeeds
// ends it. So a service that rejects everything does not use up the quota, not even if each
// request has its own token (SourceOptions.SingleUse).
//
// The Transport sends the token over https, or to loopback addresses, only. If a request
// would send it unencrypted to another host, RoundTrip returns ErrMisconfigured; a
// redirect to such a host is sent without the token.
type Transport struct {
	tokens   TokenSource
	base     http.RoundTripper
	header   string
	prefix   string
	hosts    []string
	rejected func(*http.Response) bool

	mu      sync.Mutex // guards the fields below
	retried Token      // the latest token that was rejected in a retry
	pause   time.Duration
	until   time.Time // no retries before this
}

// The pause in retries after a retry that did not help.
const (
	firstPause = time.Second
	maxPause   = 5 * time.Minute
)

// NewTransport returns a Transport. Pass a *Source; a *Client would get a new token for
// every request. If the TokenSource is an Invalidator, the Transport reports rejected
// tokens to it.
func NewTransport(tokens TokenSource, options TransportOptions) *Transport {
	t := &Transport{
		tokens:   tokens,
		base:     options.Base,
		header:   http.CanonicalHeaderKey(cmp.Or(options.Header, DefaultHeader)),
		prefix:   options.Prefix,
		hosts:    slices.Clone(options.Hosts),
		rejected: options.Rejected,
	}
	if t.base == nil {
		t.base = http.DefaultTransport
	}
	if t.rejected == nil {
		t.rejected = func(r *http.Response) bool {
			return r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden
		}
	}
	return t
}

// RoundTrip sends a copy of the request with a token. If it cannot get a token, it returns
// the error of the TokenSource.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if !t.entitled(request) {
		bare := request.Clone(request.Context())
		bare.Header.Del(t.header)
		return t.send(request, bare)
	}
	if !confidential(request.URL) {
		closeBody(request)
		return nil, &Error{Op: "transport", Kind: ErrMisconfigured, Err: errors.New(
			"the token would be sent unencrypted: use https (http is for localhost and loopback addresses only)")}
	}
	token, err := t.tokens.Token(request.Context())
	if err != nil {
		closeBody(request)
		return nil, err
	}
	response, err := t.send(request, t.with(request, token))
	if err != nil || !t.rejected(response) {
		return response, err
	}
	if t.isRetryFutile(token) {
		return response, nil
	}
	if keeper, ok := t.tokens.(Invalidator); ok {
		keeper.Invalidate(token)
	}
	retry, fresh := t.retryRequest(request, token)
	if retry == nil {
		return response, nil
	}
	discard(response)
	response, err = t.send(request, retry)
	if err == nil {
		t.recordRetry(fresh, !t.rejected(response))
	}
	return response, err
}

// isRetryFutile reports whether earlier retries have shown that a retry will not help after
// the rejection of this token.
func (t *Transport) isRetryFutile(token Token) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.retried.is(token) || time.Now().Before(t.until)
}

// recordRetry records whether a retry with a fresh token helped.
func (t *Transport) recordRetry(fresh Token, helped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if helped {
		t.retried, t.pause, t.until = Token{}, 0, time.Time{}
		return
	}
	t.retried = fresh
	t.pause = min(max(2*t.pause, firstPause), maxPause)
	t.until = time.Now().Add(t.pause)
}

// CloseIdleConnections closes the idle connections of the base. http.Client calls it.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// retryRequest returns the request with a fresh token; nil if there is no other token or
// the body cannot be sent again.
func (t *Transport) retryRequest(request *http.Request, rejected Token) (*http.Request, Token) {
	hasBody := request.Body != nil && request.Body != http.NoBody
	if hasBody && request.GetBody == nil {
		return nil, Token{}
	}
	fresh, err := t.tokens.Token(request.Context())
	if err != nil || fresh.is(rejected) {
		return nil, Token{}
	}
	retry := t.with(request, fresh)
	if hasBody {
		if retry.Body, err = request.GetBody(); err != nil {
			return nil, Token{}
		}
	}
	return retry, fresh
}

func (t *Transport) with(request *http.Request, token Token) *http.Request {
	r := request.Clone(request.Context())
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	r.Header.Set(t.header, t.prefix+token.Value.Reveal())
	return r
}

// send passes the copy to the base. The response refers to the original request, which
// contains no token.
func (t *Transport) send(original, sent *http.Request) (*http.Response, error) {
	response, err := t.base.RoundTrip(sent)
	if response != nil {
		response.Request = original
	}
	return response, err
}

// entitled reports whether the request should get a token.
func (t *Transport) entitled(request *http.Request) bool {
	if len(t.hosts) > 0 {
		return slices.ContainsFunc(t.hosts, func(host string) bool {
			return hostPort(request.URL.Scheme, host) == origin(request.URL)
		}) && (request.Response == nil || confidential(request.URL))
	}
	first := request
	for first.Response != nil { // http.Client sets Response to the redirect that it follows
		if first = first.Response.Request; first == nil {
			return false
		}
	}
	return first == request || request.URL.Scheme == first.URL.Scheme && origin(request.URL) == origin(first.URL)
}

func confidential(u *url.URL) bool { return u.Scheme == "https" || isLoopback(u.Hostname()) }

func origin(u *url.URL) string { return hostPort(u.Scheme, u.Host) }

// hostPort returns the host in lower case with its port.
func hostPort(scheme, host string) string {
	port := "443"
	if scheme == "http" {
		port = "80"
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, cmp.Or(p, port)
	}
	return net.JoinHostPort(strings.Trim(strings.ToLower(host), "[]"), port)
}

// closeBody closes the body of a request that is not sent, as a RoundTripper must.
func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}

// discard closes the body. It first reads up to 64 KiB of it, so that the connection can be
// reused.
func discard(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
	_ = response.Body.Close()
}
