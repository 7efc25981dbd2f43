package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/gkpow/gkpow/client/internal/jsonobject"
	"github.com/gkpow/gkpow/client/internal/pattern"
)

// maxBody is the maximum size of a response, in bytes after decompression.
const maxBody = 1 << 20

// maxHeader is the maximum size of a response's header in bytes, unless the user supplies
// the HTTP client.
const maxHeader = 64 << 10

// newHTTPClient returns a copy of the given client, or a new one if that is nil. It does
// not follow redirects: 307 and 308 would send the body, and with it the secret key, to
// wherever they point.
func newHTTPClient(given *http.Client) *http.Client {
	var hc http.Client
	if given != nil {
		hc = *given
	} else {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
		if standard, ok := http.DefaultTransport.(*http.Transport); ok {
			transport = standard.Clone()
		}
		if transport.TLSClientConfig == nil {
			transport.TLSClientConfig = new(tls.Config)
		}
		transport.TLSClientConfig.MinVersion = max(transport.TLSClientConfig.MinVersion, tls.VersionTLS12)
		transport.MaxResponseHeaderBytes = maxHeader
		hc.Transport = transport
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &hc
}

// An answer is a response of the service whose body has been read.
type answer struct {
	response *http.Response // with its body closed
	status   int
	data     []byte            // the body
	fields   jsonobject.Object // nil if the body is not a JSON object
	clock    serverClock
}

// ask sends a request and returns a response that APIConfig.Readable accepts.
// Anything else is an *Error.
func (a *API) ask(ctx context.Context, r APIRequest) (answer, error) {
	got, err := a.send(ctx, r)
	if err == nil {
		err = a.failure(r.Op, got)
	}
	if err != nil {
		return answer{}, err
	}
	return got, nil
}

// send sends a request if the gate admits it, and returns the whole response, whatever it
// contains.
func (a *API) send(ctx context.Context, r APIRequest) (answer, error) {
	r.limit = cmp.Or(r.limit, a.timeout)
	limited, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	request, err := a.request(limited, r)
	if err != nil {
		return answer{}, err
	}
	leave, err := a.gate.enter(limited)
	if err != nil {
		return answer{}, a.notSent(ctx, r.Op, err)
	}
	begun := time.Now()
	got, err := a.exchange(ctx, r, request)
	took := time.Since(begun)
	leave(outcomeOf(got, err, took))
	a.observe(r.Op, got, err, took)
	return got, err
}

// exchange sends a request, whose context times out after r.limit, and reads the response.
func (a *API) exchange(ctx context.Context, r APIRequest, request *http.Request) (answer, error) {
	response, err := a.do(request)
	if err != nil {
		return answer{}, a.transportError(ctx, request.Context(), r, 0, err)
	}
	received := a.now()
	defer response.Body.Close()
	var data []byte
	if response.StatusCode >= 200 { // the body of a 101 is a raw connection, which ignores the context
		data, err = io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	}
	if err != nil {
		return answer{}, a.transportError(ctx, request.Context(), r, response.StatusCode, err)
	}
	if len(data) > maxBody {
		return answer{}, &Error{Op: r.Op, Kind: ErrUnavailable, Status: response.StatusCode,
			Err: errors.New("the response is larger than 1 MiB")}
	}
	return answer{
		response: response,
		status:   response.StatusCode,
		data:     data,
		fields:   jsonobject.Decode(data),
		clock:    readClock(received, response.Header),
	}, nil
}

func (a *API) request(ctx context.Context, r APIRequest) (*http.Request, error) {
	method, body := cmp.Or(r.Method, http.MethodGet), io.Reader(nil)
	if r.Body != nil {
		encoded, err := json.Marshal(r.Body)
		if err != nil {
			return nil, &Error{Op: r.Op, Kind: ErrRejected, Err: errors.New("the request cannot be encoded as JSON")}
		}
		method, body = cmp.Or(r.Method, http.MethodPost), bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.endpoint(r.Path), body)
	if err != nil {
		return nil, &Error{Op: r.Op, Kind: ErrRejected, Err: errors.New("the request's method or path is malformed")}
	}
	maps.Copy(request.Header, r.Header)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", a.userAgent)
	return request, nil
}

// failure returns nil if the response is a JSON object that APIConfig.Readable accepts.
// Otherwise it returns an *Error whose kind depends on the documented code, or else on
// the status.
func (a *API) failure(op string, got answer) error {
	ok := got.status >= 200 && got.status < 300
	redirect := got.status >= 300 && got.status < 400
	clientError := got.status >= 400 && got.status < 500
	readable := ok && (!got.fields.Has("success") || got.fields.IsTrue("success"))
	if a.readable != nil && got.fields != nil {
		readable = a.readable(got.status, got.data)
	}
	if readable && got.fields != nil {
		return nil
	}
	e := &Error{Op: op, Status: got.status, Code: errorCode(got.fields, a.redact), advise: a.advise}
	e.Kind = a.kind(got.status, e.Code)
	switch {
	case redirect && e.Code.kind() == nil:
		e.Err = a.redirected(got.response)
	case got.fields == nil || clientError && !a.own(got.fields):
		e.Err = a.foreign(got)
		if ok || e.Kind == ErrRejected || !a.own(got.fields) {
			// A proxy or a firewall has answered, so the status and the code say
			// nothing about the keys, the quota or the request.
			e.Kind, e.Code = ErrUnavailable, ""
		}
	case ok && e.Code.kind() == nil:
		e.Err = errors.New("the service reports a failure")
	}
	e.transient = e.Kind == ErrUnavailable && (got.status >= 500 ||
		got.status == http.StatusRequestTimeout || got.status == http.StatusTooManyRequests)
	wait, clamped := retryAfter(got.fields, got.response.Header, got.clock)
	e.RetryAfter = wait
	if clamped {
		more := fmt.Errorf("the service asks to wait longer than %v, so the wait was capped", maxRetryAfter)
		if e.Err != nil {
			more = fmt.Errorf("%w; %w", e.Err, more)
		}
		e.Err = more
	}
	return e
}

// hostForm matches hosts that are safe to show, so that a hostile Location cannot put
// other text into an error.
var hostForm = pattern.New(`^[A-Za-z0-9.:\[\]-]{1,255}$`)

func (a *API) redirected(response *http.Response) error {
	to := "elsewhere"
	if target, err := response.Location(); err == nil &&
		(target.Scheme == "http" || target.Scheme == "https") && hostForm().MatchString(target.Host) {
		to = a.redact(target.Scheme + "://" + target.Host)
	}
	return fmt.Errorf("redirected to %s, but redirects are not followed because the request contains the secret key: "+
		"if the API has moved there, set Config.URL (%s) to its new URL", to, a.variable)
}

var mediaForm = pattern.New(`^[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}$`)

// foreign returns an error that explains a response that does not come from the API.
func (a *API) foreign(got answer) error {
	media, _, err := mime.ParseMediaType(got.response.Header.Get("Content-Type"))
	if err != nil || !mediaForm().MatchString(media) {
		media = "unknown"
	}
	what := "is not a JSON object (media type " + a.redact(media) + ")"
	if got.fields != nil {
		what = "is JSON, but not in the API's format"
	}
	return fmt.Errorf("the response %s: something other than the API answered, such as a proxy or a firewall, or Config.URL is wrong", what)
}

// transportError returns an error that explains why there was no complete response. The
// text may quote a hostile server, so it is redacted; if that changes the text, the
// result does not wrap the original error.
func (a *API) transportError(caller, limited context.Context, r APIRequest, status int, err error) error {
	if ended := contextError(caller); ended != nil {
		return interrupted(r.Op, ended)
	}
	failure := &Error{Op: r.Op, Kind: ErrUnavailable, Status: status, transient: !isTLS(err)}
	if contextError(limited) != nil {
		failure.timedOut = true
		failure.Err = fmt.Errorf("no complete response within %v (Config.Timeout)", r.limit.Round(time.Millisecond))
		return failure
	}
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	text := err.Error()
	safe := a.redact(text)
	why := &cause{text: printable(safe)}
	if safe == text && !isContextError(err) {
		why.unwrap = func() error { return err }
	}
	failure.Err = why
	return failure
}

// isTLS reports whether the TLS handshake failed, because one side does not trust or
// understand the other. A retry would not help.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.Is(err, http.ErrSchemeMismatch)
}

// rounded rounds a duration for a message.
func rounded(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
