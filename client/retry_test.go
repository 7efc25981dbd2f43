package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// fails answers the first requests to a path with the given handlers, passes later ones
// on, and counts all of them.
func fails(service http.Handler, path string, answers ...http.HandlerFunc) (h http.Handler, asked *int) {
	asked = new(int)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, path) {
			*asked++
			if *asked <= len(answers) {
				answers[*asked-1](w, r)
				return
			}
		}
		service.ServeHTTP(w, r)
	}), asked
}

func TestRetries(t *testing.T) {
	const second = time.Second
	down := saysJSON(503, `{}`)
	for name, r := range map[string]struct {
		answers  []http.HandlerFunc
		retries  int
		deadline time.Duration // 0 means none
		kind     error         // nil if Token returns a token
		asked    int
		least    time.Duration // bounds on the time that it takes
		most     time.Duration
	}{
		"503 once":              {[]http.HandlerFunc{down}, 0, 0, nil, 2, second / 4, second / 3},
		"HTML 502 twice":        {[]http.HandlerFunc{says(502, "text/html", "<p>"), says(500, "text/html", "<p>")}, 0, 0, nil, 3, 3 * second / 4, second},
		"408":                   {[]http.HandlerFunc{saysJSON(408, `{}`)}, 0, 0, nil, 2, second / 4, second / 3},
		"permanent 503":         {[]http.HandlerFunc{down, down, down}, 0, 0, ErrUnavailable, 3, 3 * second / 4, second},
		"none allowed":          {[]http.HandlerFunc{down}, -1, 0, ErrUnavailable, 1, 0, 0},
		"one allowed":           {[]http.HandlerFunc{down, down}, 1, 0, ErrUnavailable, 2, second / 4, second / 3},
		"Retry-After":           {[]http.HandlerFunc{saysJSON(503, `{}`, "Retry-After", "20")}, 0, 0, nil, 2, 20 * second, 25 * second},
		"Retry-After too long":  {[]http.HandlerFunc{saysJSON(503, `{}`, "Retry-After", "31")}, 0, 0, ErrUnavailable, 1, 0, 0},
		"after the deadline":    {[]http.HandlerFunc{saysJSON(503, `{}`, "Retry-After", "20")}, 0, 20 * second, ErrUnavailable, 1, 0, 0},
		"before the first wait": {[]http.HandlerFunc{down}, 0, second / 10, ErrUnavailable, 1, 0, 0},

		"rate limit, no deadline":    {[]http.HandlerFunc{saysJSON(429, `{"error":"rate_limited","retryAfter":10}`)}, 0, 0, ErrRateLimited, 1, 0, 0},
		"rate limit, short deadline": {[]http.HandlerFunc{saysJSON(429, `{"error":"rate_limited","retryAfter":10}`)}, 0, 10 * second, ErrRateLimited, 1, 0, 0},
		"rate limit, long deadline":  {[]http.HandlerFunc{saysJSON(429, `{"error":"rate_limited","retryAfter":10}`)}, 0, 60 * second, nil, 2, 10 * second, 13 * second},
		"bare 429, long deadline":    {[]http.HandlerFunc{saysJSON(429, `{}`, "Retry-After", "3")}, 0, 60 * second, nil, 2, 3 * second, 4 * second},
		"quota, long deadline":       {[]http.HandlerFunc{saysJSON(429, `{"error":"quota_exceeded","retryAfter":1}`)}, 0, 60 * second, ErrQuotaExceeded, 1, 0, 0},

		"invalid key":          {[]http.HandlerFunc{saysJSON(401, `{"error":"invalid_key"}`)}, 0, 60 * second, ErrMisconfigured, 1, 0, 0},
		"HTML 200":             {[]http.HandlerFunc{says(200, "text/html", "<p>")}, 0, 0, ErrUnavailable, 1, 0, 0},
		"redirect":             {[]http.HandlerFunc{saysJSON(307, ``, "Location", "https://a.example")}, 0, 0, ErrUnavailable, 1, 0, 0},
		"unknown 400":          {[]http.HandlerFunc{saysJSON(400, `{"success":false,"error":"whatever"}`)}, 0, 0, ErrRejected, 1, 0, 0},
		"firewall":             {[]http.HandlerFunc{says(403, "text/html", "<p>")}, 0, 60 * second, ErrUnavailable, 1, 0, 0},
		"code on a 503":        {[]http.HandlerFunc{saysJSON(503, `{"error":"quota_exceeded"}`)}, 0, 0, ErrQuotaExceeded, 1, 0, 0},
		"wrong types in a 200": {[]http.HandlerFunc{saysJSON(200, `{"challengeId":7,"token":7,"success":true}`)}, 0, 0, ErrUnavailable, 1, 0, 0},
	} {
		for _, path := range []string{"/challenge", "/verify"} {
			bubble(t, name+path, func(t *testing.T) {
				h, asked := fails(gktest.New(gktest.Options{Difficulty: 1}), path, r.answers...)
				c := newMemoryClient(t, h, func(c *Config) { c.MaxRetries = r.retries })
				ctx := t.Context()
				if r.deadline != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, r.deadline)
					defer cancel()
				}
				start := time.Now()
				_, err := c.Token(ctx)
				took := time.Since(start)
				if r.kind == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, r.kind)
				}
				require.Equal(t, r.asked, *asked)
				if took < r.least || took > r.most {
					t.Errorf("took %v; want %v to %v", took, r.least, r.most)
				}
				if r.kind != nil && r.asked > 1 {
					require.ErrorContains(t, err, fmt.Sprintf("(%d attempts)", r.asked))
				}
			})
		}
	}
}

// The service accepted the solution, but its response was lost. The retry gets
// challenge_expired, and a new round gets a token.
func TestLostAnswerStartsNewRound(t *testing.T) {
	for name, lose := range map[string]func(*http.Response) (*http.Response, error){
		"reset": func(*http.Response) (*http.Response, error) { return nil, syscall.ECONNRESET },
		"502":   func(*http.Response) (*http.Response, error) { return answerOf(502, "<p>"), nil },
		"cut off": func(r *http.Response) (*http.Response, error) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"suc`), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF })))
			return r, nil
		},
	} {
		bubble(t, name, func(t *testing.T) {
			service := gktest.New(gktest.Options{Difficulty: 1})
			lost := false
			base := inMemory(service).Transport
			c := newMemoryClient(t, nil, func(c *Config) {
				c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					response, err := base.RoundTrip(r)
					if strings.HasSuffix(r.URL.Path, "/verify") && !lost {
						lost = true
						return lose(response)
					}
					return response, err
				})}
			})
			token, err := c.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, 2, token.Rounds)
			require.Equal(t, gktest.Counts{Challenges: 2, Verifies: 3, Tokens: 2}, service.Counts())
		})
	}
}

func answerOf(status int, body string) *http.Response {
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	return w.Result()
}

func TestContextEndsWhileWaiting(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		c := newMemoryClient(t, saysJSON(503, `{}`, "Retry-After", "20"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := c.Token(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrUnavailable)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestTLSIsNotRetried(t *testing.T) {
	for name, cause := range map[string]error{
		"certificate": &tls.CertificateVerificationError{Err: errors.New("x")},
		"not TLS":     tls.RecordHeaderError{Msg: "x"},
		"plain HTTP":  http.ErrSchemeMismatch,
	} {
		asked := 0
		c := newMemoryClient(t, nil, func(c *Config) {
			c.HTTPClient = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				asked++
				return nil, cause
			})}
		})
		_, err := c.Token(t.Context())
		require.ErrorIs(t, err, ErrUnavailable, name)
		require.Equal(t, 1, asked, name)
	}
}

func TestJitterOnlyAdds(t *testing.T) {
	for _, wait := range []time.Duration{0, 1, time.Second, time.Minute, 24 * time.Hour} {
		for range 100 {
			got := withJitter(wait)
			if got < wait || got > wait+min(wait/4, maxJitter) {
				t.Fatalf("withJitter(%v) = %v", wait, got)
			}
		}
	}
}

// If the service never answers, a call takes two Config.Timeouts and no longer.
func TestTimeoutIsRetriedOnce(t *testing.T) {
	asked := make(chan struct{}, 10)
	silent := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-r.Context().Done()
	})
	c := newClient(t, silent, func(c *Config) { c.MaxRetries, c.Timeout = 5, 50*time.Millisecond })
	_, err := c.Token(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	require.Len(t, asked, 2)
}

// When the context is done during a wait, the error still contains the reason for the
// wait.
func TestWaitEndsWithCause(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		c := newMemoryClient(t, nil, func(c *Config) {
			c.HTTPClient = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return nil, syscall.ECONNREFUSED
			})}
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err := c.Token(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrUnavailable)
		require.ErrorContains(t, err, "context canceled; the last attempt: challenge: unavailable: ")
		require.ErrorContains(t, err, "connection refused")
	})
}
