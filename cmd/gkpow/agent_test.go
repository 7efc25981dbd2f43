package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// A journal collects an agent's log.
type journal struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

// check fails the test if a line is not JSON or contains a secret.
func (j *journal) check(t *testing.T, secrets ...string) {
	for line := range strings.Lines(j.String()) {
		var event struct{ Time, Level, Msg string }
		require.NoError(t, json.Unmarshal([]byte(line), &event), line)
		require.NotEmpty(t, event.Time, line)
		require.NotEmpty(t, event.Level, line)
		require.NotEmpty(t, event.Msg, line)
		for _, s := range append(secrets, "SENTINEL", "eyJ") {
			require.NotContains(t, line, s)
		}
	}
}

// A runningAgent is an agent that runs in this process.
type runningAgent struct {
	t                       *testing.T
	url, bearerFile, socket string
	bearer                  string
	http                    *http.Client
	journal                 *journal
	cancel                  func()
	exited                  chan int
}

// exports matches the lines that an agent prints.
var exports = regexp.MustCompile(`^export GKPOW_AGENT_([A-Z_]+)='(.*)'\n$`)

// startAgent starts an agent for the user and stops it when the test ends.
func (u *user) startAgent(t *testing.T, args ...string) *runningAgent {
	return startAgent(t, u.environment(nil, nil), args...)
}

func startAgent(t *testing.T, env environment, args ...string) *runningAgent {
	ctx, cancel := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	a := &runningAgent{t: t, http: &http.Client{Transport: &http.Transport{}}, journal: &journal{}, cancel: cancel, exited: make(chan int, 1)}
	env.stdout, env.stderr = writer, a.journal
	go func() {
		a.exited <- run(ctx, append([]string{"agent"}, args...), env)
		writer.Close()
	}()
	t.Cleanup(func() { a.stop(); a.http.CloseIdleConnections() })
	lines := bufio.NewReader(reader)
	for a.bearerFile == "" && a.socket == "" {
		line, err := lines.ReadString('\n')
		require.NoError(t, err, a.journal)
		found := exports.FindStringSubmatch(line)
		require.NotNil(t, found, line)
		switch found[1] {
		case "URL":
			a.url = found[2]
		case "BEARER_FILE":
			a.bearerFile = found[2]
			data, err := os.ReadFile(a.bearerFile)
			require.NoError(t, err)
			require.Regexp(t, `^[A-Z2-7]{26}\n$`, string(data))
			a.bearer = strings.TrimSpace(string(data))
		case "SOCKET":
			a.socket, a.url = found[2], "http://agent"
			a.http = socketClient(a.socket)
		}
	}
	return a
}

func socketClient(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

// stop stops the agent, waits for it and checks its journal.
func (a *runningAgent) stop() {
	a.cancel()
	if code, ok := <-a.exited; ok {
		close(a.exited)
		require.Equal(a.t, exitOK, code, a.journal)
	}
	secrets := []string{}
	if a.bearer != "" {
		secrets = append(secrets, a.bearer)
	}
	a.journal.check(a.t, secrets...)
}

// call sends a request with the bearer and returns the response's status, header and body.
func (a *runningAgent) call(method, path, body string) (int, http.Header, string) {
	request, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	require.NoError(a.t, err)
	if a.bearer != "" {
		request.Header.Set("Authorization", "Bearer "+a.bearer)
	}
	response, err := a.http.Do(request)
	require.NoError(a.t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	return response.StatusCode, response.Header, string(data)
}

func (a *runningAgent) token() string {
	status, header, body := a.call("GET", "/token", "")
	require.Equal(a.t, 200, status, body)
	require.Equal(a.t, "no-store", header.Get("Cache-Control"))
	require.Equal(a.t, "application/json", header.Get("Content-Type"))
	var answer struct {
		Token     string
		ExpiresAt int64
		ExpiresIn float64
	}
	require.NoError(a.t, json.Unmarshal([]byte(body), &answer))
	require.Regexp(a.t, `^eyJ`, answer.Token)
	require.InDelta(a.t, time.Now().Unix()+300, answer.ExpiresAt, 60)
	require.InDelta(a.t, 300, answer.ExpiresIn, 60)
	return answer.Token
}

func TestAgent(t *testing.T) {
	u := newUser(t, gktest.Options{})
	a := u.startAgent(t, "--listen", "127.0.0.1:0")
	require.Regexp(t, `^http://127\.0\.0\.1:[0-9]+$`, a.url)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(a.bearerFile)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	require.Zero(t, u.service.Counts().Challenges, "the agent must not request a token before a program asks")

	first := a.token()
	require.Equal(t, first, a.token())
	require.Equal(t, 1, u.service.Counts().Challenges)
	code, stdout, stderr := u.run(t.Context(), "token")
	require.Equal(t, exitOK, code, stderr)
	require.Equal(t, first+"\n", stdout, "commands and the agent must share the cache")

	status, _, body := a.call("DELETE", "/token", `{"token":"eyJ.another.one"}`)
	require.Equal(t, 204, status)
	require.Empty(t, body)
	require.Equal(t, first, a.token())
	status, _, _ = a.call("DELETE", "/token", fmt.Sprintf(`{"token":%q}`, first))
	require.Equal(t, 204, status)
	second := a.token()
	require.NotEqual(t, first, second)
	require.Equal(t, 2, u.service.Counts().Challenges)
	for _, body := range []string{"", "{}", "[]", `{"token":7}`} {
		status, _, answer := a.call("DELETE", "/token", body)
		require.Equal(t, 400, status)
		require.Contains(t, answer, `"error":"bad_request"`)
	}

	status, _, metrics := a.call("GET", "/metrics", "")
	require.Equal(t, 200, status)
	for _, line := range []string{
		`gkpow_agent_requests_total{path="/token",status="200"} 4`,
		`gkpow_agent_requests_total{path="/token",status="204"} 2`,
		`gkpow_agent_requests_total{path="/token",status="400"} 4`,
		`gkpow_tokens_total{from="service"} 2`,
		`gkpow_solve_seconds_count 2`,
	} {
		require.Contains(t, metrics, line+"\n")
	}
	require.Regexp(t, `(?m)^gkpow_hashes_total [1-9]`, metrics)
	require.Regexp(t, `(?m)^gkpow_token_expires_timestamp_seconds 1`, metrics)
	require.Contains(t, metrics, "go_goroutines")
	for _, s := range []string{"SENTINEL", "eyJ", a.bearer} {
		require.NotContains(t, metrics, s)
	}

	a.stop()
	for _, message := range []string{"listening", "token", "stopping"} {
		require.Contains(t, a.journal.String(), `"msg":"`+message+`"`)
	}
	_, err := os.Stat(a.bearerFile)
	require.ErrorIs(t, err, os.ErrNotExist)

	// A new agent takes the token from the cache.
	again := u.startAgent(t, "--listen", "127.0.0.1:0")
	require.NotEqual(t, a.bearer, again.bearer)
	require.Equal(t, second, again.token())
	require.Equal(t, 2, u.service.Counts().Challenges)
	_, _, metrics = again.call("GET", "/metrics", "")
	require.Contains(t, metrics, `gkpow_tokens_total{from="cache"} 1`+"\n")
}

// The agent renews a token before it expires, and no request fails meanwhile.
func TestAgentRenews(t *testing.T) {
	t.Parallel()
	u := newUser(t, gktest.Options{TokenLifetime: 10 * time.Second})
	a := u.startAgent(t, "--listen", "127.0.0.1:0")
	tokens := map[string]bool{}
	for deadline := time.Now().Add(time.Minute); len(tokens) < 2; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "the agent did not renew the token")
		status, _, body := a.call("GET", "/token", "")
		require.Equal(t, 200, status, body)
		var answer struct{ Token string }
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		tokens[answer.Token] = true
	}
}

// sourceFunc is a TokenSource made from a function.
type sourceFunc func(context.Context) (client.Token, error)

func (f sourceFunc) Token(ctx context.Context) (client.Token, error) { return f(ctx) }

// always returns the same token every time.
func always(context.Context) (client.Token, error) {
	return client.Token{Value: client.NewSecret("eyJ.a.b"), ExpiresAt: time.Now().Add(5 * time.Minute)}, nil
}

func TestAgentRefuses(t *testing.T) {
	const bearer = "Bearer RIGHT"
	for _, test := range []struct {
		name, method, path, host, bearer string
		status                           int
		code                             string // "" if the request succeeds
	}{
		{"token", "GET", "/token", "127.0.0.1:8788", bearer, 200, ""},
		{"scheme in lower case", "GET", "/token", "127.0.0.1:8788", "bearer RIGHT", 200, ""},
		{"head", "HEAD", "/token", "127.0.0.1:8788", bearer, 200, ""},
		{"query", "GET", "/token?x=1", "127.0.0.1:8788", bearer, 200, ""},
		{"localhost", "GET", "/token", "localhost", bearer, 200, ""},
		{"Localhost with port", "GET", "/token", "Localhost:1", bearer, 200, ""},
		{"IPv6", "GET", "/token", "[::1]:8788", bearer, 200, ""},
		{"IPv6 without port", "GET", "/token", "[::1]", bearer, 200, ""},
		{"health needs no bearer", "GET", "/healthz", "127.0.0.1", "", 200, ""},
		{"metrics", "GET", "/metrics", "127.0.0.1", bearer, 200, ""},

		{"no bearer", "GET", "/token", "127.0.0.1", "", 401, "unauthorized"},
		{"wrong bearer", "GET", "/token", "127.0.0.1", "Bearer WRONG", 401, "unauthorized"},
		{"empty bearer", "GET", "/token", "127.0.0.1", "Bearer ", 401, "unauthorized"},
		{"longer bearer", "GET", "/token", "127.0.0.1", bearer + "X", 401, "unauthorized"},
		{"basic", "GET", "/token", "127.0.0.1", "Basic RIGHT", 401, "unauthorized"},
		{"without scheme", "GET", "/token", "127.0.0.1", "RIGHT", 401, "unauthorized"},
		{"delete", "DELETE", "/token", "127.0.0.1", "", 401, "unauthorized"},
		{"metrics without", "GET", "/metrics", "127.0.0.1", "", 401, "unauthorized"},

		{"DNS rebinding", "GET", "/token", "evil.example", bearer, 421, "wrong_host"},
		{"with port", "GET", "/token", "evil.example:8788", bearer, 421, "wrong_host"},
		{"without bearer", "GET", "/token", "evil.example", "", 421, "wrong_host"},
		{"health", "GET", "/healthz", "evil.example", "", 421, "wrong_host"},
		{"no such path", "GET", "/x", "evil.example", "", 421, "wrong_host"},
		{"localhost in front", "GET", "/token", "localhost.evil.example", bearer, 421, "wrong_host"},
		{"address in front", "GET", "/token", "127.0.0.1.evil.example", bearer, 421, "wrong_host"},
		{"IPv6 elsewhere", "GET", "/token", "[2001:db8::1]:8788", bearer, 421, "wrong_host"},
		{"IPv6 elsewhere without port", "GET", "/token", "[2001:db8::1]", bearer, 421, "wrong_host"},
		{"address of the network", "GET", "/token", "192.0.2.1:8788", bearer, 421, "wrong_host"},
		{"any address", "GET", "/token", "0.0.0.0:8788", bearer, 421, "wrong_host"},
		{"no host", "GET", "/token", "", bearer, 421, "wrong_host"},

		{"unknown path", "GET", "/", "127.0.0.1", "", 404, "not_found"},
		{"below", "GET", "/token/", "127.0.0.1", bearer, 404, "not_found"},
		{"two slashes", "GET", "//token", "127.0.0.1", bearer, 404, "not_found"},
		{"post", "POST", "/token", "127.0.0.1", bearer, 405, "method_not_allowed"},
		{"post without bearer", "POST", "/token", "127.0.0.1", "", 401, "unauthorized"},
		{"preflight", "OPTIONS", "/token", "127.0.0.1", "", 401, "unauthorized"},
		{"put health", "PUT", "/healthz", "127.0.0.1", "", 405, "method_not_allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAgentServer(sourceFunc(always), "RIGHT", &metrics.Registry{}, slog.New(slog.DiscardHandler))
			request := httptest.NewRequest(test.method, "http://127.0.0.1"+test.path, nil)
			request.Host = test.host
			if test.bearer != "" {
				request.Header.Set("Authorization", test.bearer)
			}
			answer := httptest.NewRecorder()
			a.ServeHTTP(answer, request)
			require.Equal(t, test.status, answer.Code)
			require.Empty(t, answer.Header().Get("Access-Control-Allow-Origin"))
			if test.code == "" {
				return
			}
			require.Equal(t, "application/json", answer.Header().Get("Content-Type"))
			var body struct{ Error, Message string }
			require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &body), answer.Body)
			require.Equal(t, test.code, body.Error)
			require.NotEmpty(t, body.Message)
			require.NotContains(t, answer.Body.String(), "eyJ")
			require.Equal(t, test.status == 401, answer.Header().Get("WWW-Authenticate") == "Bearer")
			require.Equal(t, test.status == 405, answer.Header().Get("Allow") != "")
		})
	}
}

func TestAgentErrors(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, test := range []struct {
		name    string
		options gktest.Options
		url     string
		status  int
		code    string
	}{
		{name: "quota", options: gktest.Options{Quota: 1}, status: 503, code: "quota_exceeded"},
		{name: "rate limit", options: gktest.Options{RateLimit: 2}, status: 429, code: "rate_limited"},
		{name: "disabled", options: gktest.Options{M2MDisabled: true}, status: 500, code: "misconfigured"},
		{name: "too hard", options: gktest.Options{Difficulty: 9}, status: 502, code: "rejected"},
		{name: "nobody there", url: gone.URL, status: 502, code: "unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, test.options)
			if test.url != "" {
				u.url = test.url
			}
			code, _, stderr := u.run(t.Context(), "token", "--no-cache") // uses up the quota or the rate limit
			if test.name == "quota" || test.name == "rate limit" {
				require.Equal(t, exitOK, code, stderr)
			}
			a := u.startAgent(t, "--listen", "127.0.0.1:0")
			for range 2 {
				status, header, body := a.call("GET", "/token", "")
				require.Equal(t, test.status, status, body)
				require.NotContains(t, body, "SENTINEL")
				var answer struct {
					Error, Message string
					RetryAfter     float64
				}
				require.NoError(t, json.Unmarshal([]byte(body), &answer))
				require.Equal(t, test.code, answer.Error)
				require.NotEmpty(t, answer.Message)
				require.NotContains(t, answer.Message, "client: ")
				if status == 429 {
					require.Regexp(t, `^[1-9][0-9]?$`, header.Get("Retry-After"))
					require.Greater(t, answer.RetryAfter, 0.0)
				}
			}
			require.Contains(t, a.journal.String(), `"msg":"no token"`)
			status, _, _ := a.call("GET", "/healthz", "")
			require.Equal(t, 200, status)
		})
	}
}

func TestAgentKinds(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
		code   string
	}{
		{&client.Error{Kind: client.ErrRateLimited, RetryAfter: 1500 * time.Millisecond}, 429, "rate_limited"},
		{&client.Error{Kind: client.ErrExpired}, 504, "expired"},
		{&client.Error{Kind: client.ErrRejected}, 502, "rejected"},
		{&client.Error{Kind: client.ErrDifficulty}, 502, "rejected"},
		{&client.Error{Kind: client.ErrQuotaExceeded}, 503, "quota_exceeded"},
		{&client.Error{Kind: client.ErrMisconfigured}, 500, "misconfigured"},
		{&client.Error{Kind: client.ErrUnavailable}, 502, "unavailable"},
		{errors.New("anything"), 502, "unavailable"},
	} {
		a := newAgentServer(sourceFunc(func(context.Context) (client.Token, error) { return client.Token{}, test.err }),
			"", &metrics.Registry{}, slog.New(slog.DiscardHandler))
		answer := httptest.NewRecorder()
		a.ServeHTTP(answer, httptest.NewRequest("GET", "/token", nil))
		require.Equal(t, test.status, answer.Code)
		require.Contains(t, answer.Body.String(), `"error":"`+test.code+`"`)
		if test.status == 429 {
			require.Equal(t, "2", answer.Header().Get("Retry-After"))
		}
	}
}

func TestAgentOneSolve(t *testing.T) {
	u := newUser(t, gktest.Options{Difficulty: 4})
	a := u.startAgent(t, "--listen", "127.0.0.1:0")
	tokens := make([]string, 1000)
	start := make(chan struct{})
	var running sync.WaitGroup
	for i := range tokens {
		running.Go(func() {
			request, err := http.NewRequest("GET", a.url+"/token", nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+a.bearer)
			<-start
			response, err := a.http.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			var answer struct{ Token string }
			if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
				t.Error(err)
			}
			tokens[i] = answer.Token
		})
	}
	close(start)
	running.Wait()
	for _, token := range tokens {
		require.Regexp(t, `^eyJ`, token)
		require.Equal(t, tokens[0], token)
	}
	require.Equal(t, gktest.Counts{Challenges: 1, Verifies: 1, Tokens: 1}, u.service.Counts())
}

// A stopping agent finishes the requests in progress.
func TestAgentStopsGracefully(t *testing.T) {
	u := newUser(t, gktest.Options{})
	asked, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/m2m/verify") {
			close(asked)
			<-release
		}
		u.service.ServeHTTP(w, r)
	}))
	defer slow.Close()
	u.url = slow.URL
	a := u.startAgent(t, "--listen", "127.0.0.1:0")
	served := make(chan string, 1)
	go func() {
		defer close(served)
		_, _, body := a.call("GET", "/token", "")
		served <- body
	}()
	<-asked
	a.cancel()
	require.Eventually(t, func() bool { // the agent accepts no new connections
		connection, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		if err == nil {
			connection.Close()
		}
		return err != nil
	}, time.Minute, 5*time.Millisecond)
	close(release)
	require.Contains(t, <-served, `"token":"eyJ`)
	a.stop()
}

func TestAgentListens(t *testing.T) {
	u := newUser(t, gktest.Options{})
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "evil.example:0", "127.0.0.1", "127.0.0.1:http-SENTINEL"} {
		code, stdout, stderr := u.run(t.Context(), "agent", "--listen", address)
		require.Equal(t, exitUsage, code, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, "--listen "+address)
	}
	code, _, stderr := u.run(t.Context(), "agent", "--listen", "127.0.0.1:0", "--socket", "s")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "cannot be used together")

	// Each agent has its own bearer and never removes another agent's file.
	one, two := u.startAgent(t, "--listen", "127.0.0.1:0"), u.startAgent(t, "--listen", "127.0.0.1:0")
	require.NotEqual(t, one.bearerFile, two.bearerFile)
	file := filepath.Join(t.TempDir(), "bearer")
	require.NoError(t, os.WriteFile(file, []byte("old"), 0o644))
	three := u.startAgent(t, "--listen", "127.0.0.1:0", "--bearer-file", file)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	four := u.startAgent(t, "--listen", "127.0.0.1:0", "--bearer-file", file)
	require.NotEqual(t, three.bearer, four.bearer)
	one.stop()
	three.stop()
	require.FileExists(t, two.bearerFile)
	require.FileExists(t, file)
	require.Equal(t, two.token(), four.token())

	code, _, stderr = u.run(t.Context(), "agent", "--listen", strings.TrimPrefix(two.url, "http://"))
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--listen")
	require.FileExists(t, two.bearerFile, "an agent that could not listen has removed another agent's bearer file")

	u.url = "http://gkcaptcha.invalid"
	code, _, stderr = u.run(t.Context(), "agent")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "https")
	require.NotContains(t, stderr, "SENTINEL")
}

// BenchmarkAgent measures requests for a cached token by several clients, which keep their
// loopback TCP connections open.
func BenchmarkAgent(b *testing.B) {
	source := client.NewSource(sourceFunc(always), client.SourceOptions{})
	defer source.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := newAgentServer(source, "RIGHT", &metrics.Registry{}, slog.New(slog.DiscardHandler)).server()
	go server.Serve(listener)
	defer server.Close()
	address := listener.Addr().String()
	request := []byte("GET /token HTTP/1.1\r\nHost: " + address + "\r\nAuthorization: Bearer RIGHT\r\n\r\n")

	var failed atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			b.Error(err)
			return
		}
		defer connection.Close()
		answers := bufio.NewReader(connection)
		for pb.Next() {
			if _, err := connection.Write(request); err != nil {
				b.Error(err)
				return
			}
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
				failed.Add(1)
			}
		}
	})
	if failed.Load() > 0 {
		b.Fatalf("%d answers contained no token", failed.Load())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
