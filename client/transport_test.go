package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// numbered is a TokenSource that returns token-1 until it is invalidated, then token-2,
// and so on.
type numbered struct{ n int }

func (s *numbered) Token(context.Context) (Token, error) {
	return Token{Value: NewSecret(fmt.Sprint("token-", s.n+1))}, nil
}

func (s *numbered) Invalidate(token Token) {
	if token.Value.Reveal() == fmt.Sprint("token-", s.n+1) {
		s.n++
	}
}

// watched is a body that counts how often it is closed.
type watched struct {
	io.Reader
	closed *int
}

func (w watched) Close() error {
	*w.closed++
	return nil
}

// wire is a base transport that records the requests.
type wire struct {
	sent   []string // "METHOD URL HEADER BODY"
	header string
	answer func(n int, r *http.Request) *http.Response // of the nth request, from 1
	opened int
	closed int
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		data, _ := io.ReadAll(r.Body)
		body = " " + string(data)
		r.Body.Close()
	}
	w.sent = append(w.sent, fmt.Sprintf("%s %s %s%s", r.Method, r.URL, r.Header.Get(w.header), body))
	response := answerOf(200, "ok")
	if w.answer != nil {
		response = w.answer(len(w.sent), r)
	}
	w.opened++
	response.Body = watched{response.Body, &w.closed}
	response.Request = r
	return response, nil
}

func rejects(first int) func(int, *http.Request) *http.Response {
	return func(n int, _ *http.Request) *http.Response {
		if n <= first {
			return answerOf(403, "no")
		}
		return answerOf(200, "ok")
	}
}

func TestTransportRetries(t *testing.T) {
	noGetBody := func(r *http.Request) { r.GetBody = nil }
	badGetBody := func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") } }
	for name, r := range map[string]struct {
		body   string
		change func(*http.Request)
		answer func(int, *http.Request) *http.Response
		sent   []string
		status int
	}{
		"accepted":           {"", nil, nil, []string{"token-1"}, 200},
		"rejected once":      {"", nil, rejects(1), []string{"token-1", "token-2"}, 200},
		"always rejected":    {"", nil, rejects(9), []string{"token-1", "token-2"}, 403},
		"body":               {"b", nil, rejects(1), []string{"token-1 b", "token-2 b"}, 200},
		"body without copy":  {"b", noGetBody, rejects(1), []string{"token-1 b"}, 403},
		"body copy fails":    {"b", badGetBody, rejects(1), []string{"token-1 b"}, 403},
		"other status":       {"", nil, func(int, *http.Request) *http.Response { return answerOf(429, "no") }, []string{"token-1"}, 429},
		"http.NoBody, no it": {"", func(r *http.Request) { r.Body = http.NoBody }, rejects(1), []string{"token-1 ", "token-2 "}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			base := &wire{header: DefaultHeader, answer: r.answer}
			transport := NewTransport(new(numbered), TransportOptions{Base: base})
			var body io.Reader
			if r.body != "" {
				body = strings.NewReader(r.body)
			}
			request, err := http.NewRequest("POST", "https://a.example/", body)
			require.NoError(t, err)
			if r.change != nil {
				r.change(request)
			}
			response, err := transport.RoundTrip(request)
			require.NoError(t, err)
			require.Equal(t, r.status, response.StatusCode)
			for i := range r.sent {
				r.sent[i] = "POST https://a.example/ " + r.sent[i]
			}
			require.Equal(t, r.sent, base.sent)
			require.Empty(t, request.Header, "the caller's request was changed")
			require.Same(t, request, response.Request)
			data, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, r.status != 200, string(data) == "no")
			require.Equal(t, base.opened-1, base.closed, "a body is left open, or the response's was closed")
		})
	}
}

// If a fresh token does not help, rejections cost one token, not one per request.
func TestFutileRetryIsNotRepeated(t *testing.T) {
	base := &wire{header: DefaultHeader, answer: rejects(100)}
	tokens := new(numbered)
	transport := NewTransport(tokens, TransportOptions{Base: base})
	for range 10 {
		request, _ := http.NewRequest("GET", "https://a.example/", nil)
		_, err := transport.RoundTrip(request)
		require.NoError(t, err)
	}
	require.Len(t, base.sent, 11)
	require.Equal(t, 1, tokens.n)
}

// With single-use tokens, one request that fails even with a fresh token must not make all
// others cost two tokens each.
func TestFutileRetriesOfSingleUseTokens(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		m := &mint{took: time.Nanosecond}
		base := &wire{header: DefaultHeader, answer: rejects(1 << 30)}
		source := NewSource(m, SourceOptions{SingleUse: true})
		defer source.Close()
		transport := NewTransport(source, TransportOptions{Base: base})
		ask := func() {
			request, _ := http.NewRequest("GET", "https://a.example/", nil)
			_, err := transport.RoundTrip(request)
			require.NoError(t, err)
		}
		for range 1000 {
			ask()
		}
		require.EqualValues(t, 1001, m.tokens.Load(), "one retry in all")
		for range 3600 { // an hour
			time.Sleep(time.Second)
			ask()
		}
		require.Less(t, m.tokens.Load(), int32(1001+3600+25), "one retry in five minutes, after the first few")

		// Once a retry has helped, rejected requests are retried again.
		time.Sleep(maxPause)
		base.answer = func(n int, _ *http.Request) *http.Response { return answerOf([]int{200, 403}[n%2], "") }
		base.sent = nil
		for range 10 {
			ask()
		}
		require.Len(t, base.sent, 20)
	})
}

func TestTransportOptions(t *testing.T) {
	base := &wire{header: "Authorization", answer: func(n int, _ *http.Request) *http.Response {
		return answerOf(map[int]int{1: 418, 2: 401}[n], "")
	}}
	transport := NewTransport(new(numbered), TransportOptions{
		Base: base, Header: "authorization", Prefix: "Bearer ",
		Rejected: func(r *http.Response) bool { return r.StatusCode == 418 },
	})
	request, _ := http.NewRequest("GET", "https://a.example/", nil)
	request.Header.Set("Authorization", "the caller's")
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.Equal(t, 401, response.StatusCode)
	require.Equal(t, []string{"GET https://a.example/ Bearer token-1", "GET https://a.example/ Bearer token-2"}, base.sent)
	require.Equal(t, "the caller's", request.Header.Get("Authorization"))
}

func TestTransportFailsWithTheSource(t *testing.T) {
	failing := sourceFunc(func(context.Context) (Token, error) { return Token{}, &Error{Op: "challenge", Kind: ErrQuotaExceeded} })
	closed := 0
	request, _ := http.NewRequest("POST", "https://a.example/", watched{strings.NewReader("b"), &closed})
	base := &wire{}
	_, err := (&http.Client{Transport: NewTransport(failing, TransportOptions{Base: base})}).Do(request)
	require.ErrorIs(t, err, ErrQuotaExceeded)
	require.Empty(t, base.sent)
	require.Equal(t, 1, closed)
}

// redirects returns a handler that redirects each path to another URL.
func redirects(to map[string]string) func(int, *http.Request) *http.Response {
	return func(_ int, r *http.Request) *http.Response {
		response := answerOf(200, "")
		if target, ok := to[r.URL.String()]; ok {
			response.StatusCode = 307
			response.Header.Set("Location", target)
		}
		return response
	}
}

func TestTransportHosts(t *testing.T) {
	for name, r := range map[string]struct {
		hosts []string
		first string
		to    map[string]string
		sent  []string
	}{
		"same origin": {nil, "https://a.example/", map[string]string{"https://a.example/": "https://A.example:443/b"},
			[]string{"https://a.example/ T", "https://A.example:443/b T"}},
		"cross origin and back": {nil, "https://a.example/",
			map[string]string{"https://a.example/": "https://b.example/", "https://b.example/": "https://a.example/2"},
			[]string{"https://a.example/ T", "https://b.example/ ", "https://a.example/2 T"}},
		"other port": {nil, "https://a.example/", map[string]string{"https://a.example/": "https://a.example:444/"}, []string{"https://a.example/ T", "https://a.example:444/ "}},
		"subdomain":  {nil, "https://a.example/", map[string]string{"https://a.example/": "https://x.a.example/"}, []string{"https://a.example/ T", "https://x.a.example/ "}},
		"downgrade":  {nil, "https://a.example/", map[string]string{"https://a.example/": "http://a.example/"}, []string{"https://a.example/ T", "http://a.example/ "}},
		"downgrade, same port": {nil, "https://a.example:8443/", map[string]string{"https://a.example:8443/": "http://a.example:8443/"},
			[]string{"https://a.example:8443/ T", "http://a.example:8443/ "}},
		"downgrade, listed": {[]string{"a.example"}, "https://a.example/", map[string]string{"https://a.example/": "http://a.example/"}, []string{"https://a.example/ T", "http://a.example/ "}},
		"loopback":          {nil, "http://127.0.0.1:8080/", nil, []string{"http://127.0.0.1:8080/ T"}},
		"loopback v6":       {[]string{"[::1]:8080"}, "http://[::1]:8080/", nil, []string{"http://[::1]:8080/ T"}},
		"listed":            {[]string{"b.example:8443", "A.example"}, "https://a.EXAMPLE/", map[string]string{"https://a.EXAMPLE/": "https://b.example:8443/"}, []string{"https://a.EXAMPLE/ T", "https://b.example:8443/ T"}},
		"not listed":        {[]string{"b.example"}, "https://a.example/", map[string]string{"https://a.example/": "https://b.example/"}, []string{"https://a.example/ ", "https://b.example/ T"}},
		"plain, not listed": {[]string{"b.example"}, "http://a.example/", nil, []string{"http://a.example/ "}},
		"listed port":       {[]string{"a.example"}, "https://a.example:444/", nil, []string{"https://a.example:444/ "}},
	} {
		t.Run(name, func(t *testing.T) {
			base := &wire{header: DefaultHeader, answer: redirects(r.to)}
			hc := &http.Client{Transport: NewTransport(new(numbered), TransportOptions{Base: base, Hosts: r.hosts})}
			response, err := hc.Get(r.first)
			require.NoError(t, err)
			response.Body.Close()
			for i := range r.sent {
				r.sent[i] = "GET " + strings.Replace(r.sent[i], "T", "token-1", 1)
			}
			require.Equal(t, r.sent, base.sent)
		})
	}
	t.Run("a header set by the caller does not go to another host", func(t *testing.T) {
		base := &wire{header: DefaultHeader, answer: redirects(map[string]string{"https://a.example/": "https://b.example/"})}
		request, _ := http.NewRequest("GET", "https://a.example/", nil)
		request.Header.Set(DefaultHeader, "an older token")
		_, err := (&http.Client{Transport: NewTransport(new(numbered), TransportOptions{Base: base})}).Do(request)
		require.NoError(t, err)
		require.Equal(t, []string{"GET https://a.example/ token-1", "GET https://b.example/ "}, base.sent)
	})
	for _, plain := range []string{"http://a.example/", "http://10.0.0.1/", "http://localhost.example/"} {
		base := &wire{}
		closed := 0
		request, _ := http.NewRequest("POST", plain, watched{strings.NewReader("b"), &closed})
		_, err := NewTransport(new(numbered), TransportOptions{Base: base}).RoundTrip(request)
		require.ErrorIs(t, err, ErrMisconfigured)
		require.ErrorContains(t, err, "use https")
		require.Empty(t, base.sent)
		require.Equal(t, 1, closed)
	}
}

// A retry reuses the connection of the rejected attempt.
func TestTransportReusesConnections(t *testing.T) {
	var addresses []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addresses = append(addresses, r.RemoteAddr)
		if r.Header.Get(DefaultHeader) != "token-2" {
			w.WriteHeader(401)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	}))
	defer server.Close()
	base := &http.Transport{}
	hc := &http.Client{Transport: NewTransport(new(numbered), TransportOptions{Base: base})}
	response, err := hc.Post(server.URL, "text/plain", strings.NewReader("body"))
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	require.Equal(t, 200, response.StatusCode)
	require.Len(t, addresses, 2)
	require.Equal(t, addresses[0], addresses[1])
	hc.CloseIdleConnections()
}
