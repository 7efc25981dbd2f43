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

// DefaultHeader is where the vendor's back ends look for a token.
const DefaultHeader = "X-Captcha-Token"

// TransportOptions configure a Transport. The zero value sends the token as
// DefaultHeader to wherever the program sends requests, but not along redirects
// that lead elsewhere.
type TransportOptions struct {
	Base http.RoundTripper // sends the requests; nil is http.DefaultTransport

	Header string // "" is DefaultHeader
	Prefix string // before the token, such as "Bearer "

	// Hosts are the only ones that get the token, each as in a URL: "example.com"
	// or "example.com:8443", without a port the scheme's own. Requests to others
	// are sent without. Empty means the host of each request that the program
	// makes, and along its redirects that scheme, host and port only.
	Hosts []string

	// Rejected reports whether the service did not accept the token; it must
	// leave the body alone. nil is status 401 or 403.
	Rejected func(*http.Response) bool
}

// A Transport is an http.RoundTripper that adds a token to requests. It is safe
// for concurrent use if its parts are.
//
// A request whose token is rejected is sent once more with a fresh one, if its
// body can be sent again (http.Request.GetBody) or it has none. If the fresh token
// is rejected as well, the token is not the reason: requests rejected with that one
// are not repeated, and none is for a second. That time doubles with each repetition
// that does not help, up to five minutes, and ends with one that does. So a service
// that always refuses does not use up the quota, even if each request has a token of
// its own (SourceOptions.SingleUse).
//
// The token is sent over https only, or to loopback addresses. Instead of
// sending a request over http to another host that should get the token,
// RoundTrip fails with ErrMisconfigured; a redirect there goes without it.
type Transport struct {
	tokens   TokenSource
	base     http.RoundTripper
	header   string
	prefix   string
	hosts    []string
	rejected func(*http.Response) bool

	mu       sync.Mutex // guards what follows
	replayed Token      // the latest that was got for a repetition and rejected
	pause    time.Duration
	until    time.Time // no repetition before this
}

// How long no request is repeated after a repetition that did not help.
const (
	firstPause = time.Second
	maxPause   = 5 * time.Minute
)

// NewTransport returns a Transport. Give it a *Source: a *Client gets a new
// token for every request. If the TokenSource is an Invalidator, it is told of
// tokens that are rejected.
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

// RoundTrip sends a copy of the request with a token added. Errors of getting
// one are those of the TokenSource.
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
	if t.isStubborn(token) {
		return response, nil
	}
	if keeper, ok := t.tokens.(Invalidator); ok {
		keeper.Invalidate(token)
	}
	repetition, fresh := t.again(request, token)
	if repetition == nil {
		return response, nil
	}
	discard(response)
	response, err = t.send(request, repetition)
	if err == nil {
		t.repeated(fresh, !t.rejected(response))
	}
	return response, err
}

// isStubborn reports whether a repetition would not help against the rejection of
// this token, as far as earlier ones tell.
func (t *Transport) isStubborn(token Token) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.replayed.is(token) || time.Now().Before(t.until)
}

// repeated notes whether a repetition with a fresh token has helped.
func (t *Transport) repeated(fresh Token, helped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if helped {
		t.replayed, t.pause, t.until = Token{}, 0, time.Time{}
		return
	}
	t.replayed = fresh
	t.pause = min(max(2*t.pause, firstPause), maxPause)
	t.until = time.Now().Add(t.pause)
}

// CloseIdleConnections closes those of the base, as http.Client asks it to.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// again returns the request with a fresh token, nil if there is no other token or
// the body is gone.
func (t *Transport) again(request *http.Request, rejected Token) (*http.Request, Token) {
	hasBody := request.Body != nil && request.Body != http.NoBody
	if hasBody && request.GetBody == nil {
		return nil, Token{}
	}
	fresh, err := t.tokens.Token(request.Context())
	if err != nil || fresh.is(rejected) {
		return nil, Token{}
	}
	repetition := t.with(request, fresh)
	if hasBody {
		if repetition.Body, err = request.GetBody(); err != nil {
			return nil, Token{}
		}
	}
	return repetition, fresh
}

func (t *Transport) with(request *http.Request, token Token) *http.Request {
	r := request.Clone(request.Context())
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	r.Header.Set(t.header, t.prefix+token.Value.Reveal())
	return r
}

// send hands the copy to the base. The response shows the program its own
// request, which holds no token.
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
	for first.Response != nil { // http.Client says so which redirect it follows
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

// closeBody is what a RoundTripper owes a request that it does not send.
func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}

// discard reads what little may be left, so that the connection can be used
// again, and closes the body.
func discard(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
	_ = response.Body.Close()
}
