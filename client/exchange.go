package client

import (
	"bytes"
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
	"regexp"
	"time"
)

// maxBody bounds an answer, after decompression.
const maxBody = 1 << 20

// maxHeader bounds an answer's header, in the client's own transport.
const maxHeader = 64 << 10

// newHTTPClient returns a copy of the caller's client, or an own one. It hands
// redirects back unfollowed: 307 and 308 repeat the body, and with it the
// secret key, to wherever they point.
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

// An answer is what the service said. The fields are nil if it was not a JSON
// object.
type answer struct {
	response *http.Response // its body has been read and closed
	status   int
	data     []byte // the body
	fields   object
	clock    serverClock
}

// post sends a request to the API and returns an answer of status 2xx that is a
// JSON object and does not say success:false. Anything else is an *Error.
func (c *Client) post(ctx context.Context, op, path string, body any) (answer, error) {
	a, err := c.send(ctx, op, path, body, nil)
	if err == nil {
		err = c.failure(op, a)
	}
	if err != nil {
		return answer{}, err
	}
	return a, nil
}

// send sends a request to the API and returns its whole answer, whatever it
// says.
func (c *Client) send(ctx context.Context, op, path string, body any, header http.Header) (answer, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return answer{}, &Error{Op: op, Kind: ErrRejected, Err: errors.New("the request cannot be encoded as JSON")}
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodPost, c.endpoint(path), bytes.NewReader(encoded))
	if err != nil {
		return answer{}, c.transportError(ctx, limited, op, 0, err)
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.userAgent)

	response, err := c.do(request)
	if err != nil {
		return answer{}, c.transportError(ctx, limited, op, 0, err)
	}
	received := c.now()
	defer response.Body.Close()
	var data []byte
	if response.StatusCode >= 200 { // the body of a 101 is a bare connection that heeds no context
		data, err = io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	}
	if err != nil {
		return answer{}, c.transportError(ctx, limited, op, response.StatusCode, err)
	}
	if len(data) > maxBody {
		return answer{}, &Error{Op: op, Kind: ErrUnavailable, Status: response.StatusCode,
			Err: errors.New("answer larger than 1 MiB")}
	}
	return answer{
		response: response,
		status:   response.StatusCode,
		data:     data,
		fields:   decodeObject(data),
		clock:    readClock(received, response.Header),
	}, nil
}

// failure returns nil if the answer is of status 2xx, a JSON object, and
// without success:false. A documented code says what the failure is, or else
// the status does.
func (c *Client) failure(op string, a answer) error {
	ok := a.status >= 200 && a.status < 300
	if ok && a.fields != nil && (!a.fields.has("success") || a.fields.isTrue("success")) {
		return nil
	}
	e := &Error{Op: op, Status: a.status, Code: a.fields.code(c.redact)}
	e.Kind = e.Code.kind()
	if e.Kind == nil {
		e.Kind = statusKind(a.status)
		switch {
		case a.status >= 300 && a.status < 400:
			e.Err = c.redirected(a.response)
		case a.fields == nil:
			e.Err = c.notJSON(a.response)
			if ok || e.Kind == ErrRejected {
				e.Kind = ErrUnavailable // the API did not reject anything
			}
		case ok:
			e.Err = errors.New("the service says that it failed")
		}
	}
	e.passing = e.Kind == ErrUnavailable && (a.status >= 500 || a.status == http.StatusRequestTimeout)
	wait, clamped := retryAfter(a.fields, a.response.Header, a.clock)
	e.RetryAfter = wait
	if clamped {
		more := fmt.Errorf("the service asks to wait longer than %v, which is the most that is passed on", maxRetryAfter)
		if e.Err != nil {
			more = fmt.Errorf("%w; %w", e.Err, more)
		}
		e.Err = more
	}
	return e
}

// hostForm keeps a hostile Location from writing anything else into an error.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]{1,255}$`)

func (c *Client) redirected(response *http.Response) error {
	to := "elsewhere"
	if target, err := response.Location(); err == nil &&
		(target.Scheme == "http" || target.Scheme == "https") && hostForm.MatchString(target.Host) {
		to = c.redact(target.Scheme + "://" + target.Host)
	}
	return fmt.Errorf("redirected to %s, which is not followed because the request holds the secret key: "+
		"if the API has moved there, set Config.URL (GKCAPTCHA_API_URL) to it", to)
}

var mediaForm = regexp.MustCompile(`^[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}$`)

func (c *Client) notJSON(response *http.Response) error {
	media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || !mediaForm.MatchString(media) {
		media = "unknown"
	}
	return fmt.Errorf("the answer is not a JSON object (media type %s): "+
		"something other than the API has answered, such as a proxy, or Config.URL is wrong", c.redact(media))
}

// transportError explains why there was no answer, or no whole one. Its text may
// quote what a hostile server sent, so it is redacted; if there was anything to
// redact, the original is not wrapped.
func (c *Client) transportError(caller, limited context.Context, op string, status int, err error) error {
	if ended := contextError(caller); ended != nil {
		return interrupted(op, ended)
	}
	failure := &Error{Op: op, Kind: ErrUnavailable, Status: status, passing: !isTLS(err)}
	if limited.Err() != nil {
		failure.timedOut = true
		failure.Err = fmt.Errorf("no complete answer within %v (Config.Timeout)", c.timeout)
		return failure
	}
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	text := err.Error()
	safe := c.redact(text)
	why := &cause{text: printable(safe)}
	if safe == text && !isContextError(err) {
		why.unwrap = func() error { return err }
	}
	failure.Err = why
	return failure
}

// isTLS reports whether the two sides do not trust or understand each other,
// which another attempt does not change.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.Is(err, http.ErrSchemeMismatch)
}

// rounded makes a duration readable in a message.
func rounded(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
