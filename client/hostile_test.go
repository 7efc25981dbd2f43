package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// says returns a handler that always gives the same response.
func says(status int, media, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func saysJSON(status int, body string, header ...string) http.HandlerFunc {
	return says(status, "application/json", body, header...)
}

// newTestClient returns a client whose keys are easy to find in printed text.
func newTestClient(t testing.TB, h http.Handler, change ...func(*Config)) *Client {
	t.Helper()
	keys := func(c *Config) { c.SiteKey, c.SecretKey = testSite, NewSecret(testSecret) }
	return newClient(t, h, append([]func(*Config){keys}, change...)...)
}

// asChallenge returns a challenge that is valid until the year 9999, with one field
// changed. The value "" removes the field.
func asChallenge(name, value string) string {
	fields := [][2]string{
		{"challengeId", `"id"`}, {"salt", `"7f8e"`}, {"nonce", `"server-seed"`}, {"difficulty", `1`}, {"expiresAt", `253402300799`},
	}
	var all []string
	for _, f := range fields {
		if f[0] == name {
			f[1] = value
		}
		if f[1] != "" {
			all = append(all, fmt.Sprintf("%q:%s", f[0], f[1]))
		}
	}
	return "{" + strings.Join(all, ",") + "}"
}

func TestHostileChallenge(t *testing.T) {
	echo := fmt.Sprintf(`{"success":false,"error":%q,"message":%q,"keys":[%q,%q]}`, testSecret, testSecret, testSite, testJWT)
	for name, r := range map[string]struct {
		server http.Handler
		kind   error
		text   string
	}{
		"HTML 200":       {says(200, "text/html; charset=utf-8", "<p>"+testSecret), ErrUnavailable, "(HTTP 200): the response is not a JSON object (media type text/html)"},
		"HTML 502":       {says(502, "text/html", "<p>"+testSecret), ErrUnavailable, "(HTTP 502): the response is not a JSON object (media type text/html)"},
		"HTML 404":       {says(404, "text/html", "<p>"), ErrUnavailable, "Config.URL is wrong"},
		"HTML 401":       {says(401, "text/html", "<h1>Proxy login</h1>"), ErrUnavailable, "a proxy or a firewall"},
		"HTML 403":       {says(403, "text/html", "<p>"), ErrUnavailable, "something other than the API"},
		"HTML 429":       {says(429, "text/html", "<p>Attention required"), ErrUnavailable, "something other than the API"},
		"text 403":       {says(403, "text/plain", "error code: 1020"), ErrUnavailable, "media type text/plain"},
		"nothing 401":    {says(401, "", ""), ErrUnavailable, "media type unknown"},
		"array 403":      {saysJSON(403, `[{"success":false,"error":"m2m_disabled"}]`), ErrUnavailable, "not a JSON object"},
		"string 429":     {saysJSON(429, `"rate_limited"`), ErrUnavailable, "not a JSON object"},
		"cut off 401":    {saysJSON(401, `{"success":false,"error":"invalid_key"`), ErrUnavailable, "not a JSON object"},
		"gateway 403":    {saysJSON(403, `{"message":"Forbidden"}`), ErrUnavailable, "JSON, but not in the API's format"},
		"gateway 429":    {saysJSON(429, `{"message":"Too Many Requests"}`), ErrUnavailable, "not in the API's format"},
		"gateway error":  {saysJSON(401, `{"error":"Unauthorized","status":401}`), ErrUnavailable, "not in the API's format"},
		"success 403":    {saysJSON(403, `{"success":"false"}`), ErrUnavailable, "not in the API's format"},
		"secret media":   {says(500, "a/"+testSecret, ""), ErrUnavailable, "media type unknown"},
		"secret media 2": {says(500, "a/"+testSecret+"; x=;;", ""), ErrUnavailable, "unknown"},
		"empty":          {saysJSON(200, ""), ErrUnavailable, "not a JSON object"},
		"null":           {saysJSON(200, "null"), ErrUnavailable, "not a JSON object"},
		"array":          {saysJSON(200, "["+asChallenge("", "")+"]"), ErrUnavailable, "not a JSON object"},
		"trailing":       {saysJSON(200, asChallenge("", "")+"x"), ErrUnavailable, "not a JSON object"},
		"deep":           {saysJSON(200, strings.Repeat(`{"a":`, 20000)), ErrUnavailable, "not a JSON object"},
		"too large":      {saysJSON(200, `{"a":"`+strings.Repeat("x", 1<<20)+`"}`), ErrUnavailable, "larger than 1 MiB"},

		"no challengeId":    {saysJSON(200, asChallenge("challengeId", "")), ErrUnavailable, "challengeId is missing"},
		"null challengeId":  {saysJSON(200, asChallenge("challengeId", "null")), ErrUnavailable, "challengeId is missing"},
		"empty challengeId": {saysJSON(200, asChallenge("challengeId", `""`)), ErrUnavailable, "challengeId is not"},
		"no salt":           {saysJSON(200, asChallenge("salt", "")), ErrUnavailable, "salt is missing"},
		"salt 5 KiB":        {saysJSON(200, asChallenge("salt", `"`+strings.Repeat("s", 5<<10)+`"`)), ErrUnavailable, "salt is not a string of at most 4 KiB"},
		"salt a number":     {saysJSON(200, asChallenge("salt", "7")), ErrUnavailable, "salt is not a string"},
		"salt not UTF-8":    {saysJSON(200, asChallenge("salt", "\"a\xffb\"")), ErrUnavailable, "salt contains invalid Unicode, so its original value is lost"},
		"salt half a pair":  {saysJSON(200, asChallenge("salt", `"a\ud83d"`)), ErrUnavailable, "salt contains invalid Unicode"},
		"id not UTF-8":      {saysJSON(200, asChallenge("challengeId", "\"\xc3\"")), ErrUnavailable, "challengeId contains invalid Unicode"},
		"no difficulty":     {saysJSON(200, asChallenge("difficulty", "")), ErrUnavailable, "difficulty is missing"},
		"no expiresAt":      {saysJSON(200, asChallenge("expiresAt", "")), ErrUnavailable, "expiresAt is missing"},
		"expiresAt text":    {saysJSON(200, asChallenge("expiresAt", `"`+testSecret+`"`)), ErrUnavailable, "expiresAt is not a time"},
		"expired":           {saysJSON(200, asChallenge("expiresAt", "1700000060")), ErrExpired, "before it arrived"},
		"difficulty 300":    {saysJSON(200, asChallenge("difficulty", "300")), ErrDifficulty, "asks for 300 leading zero hex digits, outside the accepted range of 0 to 8 (Config.MaxDifficulty"},
		"difficulty 9":      {saysJSON(200, asChallenge("difficulty", "9")), ErrDifficulty, "asks for 9"},
		"difficulty 1e300":  {saysJSON(200, asChallenge("difficulty", "1e300")), ErrDifficulty, "asks for 1e+300"},
		"difficulty -1":     {saysJSON(200, asChallenge("difficulty", "-1")), ErrDifficulty, "asks for -1"},
		"difficulty 6.5":    {saysJSON(200, asChallenge("difficulty", "6.5")), ErrUnavailable, "not a whole number"},
		"difficulty 1e400":  {saysJSON(200, asChallenge("difficulty", "1e400")), ErrUnavailable, "not a whole number"},
		"difficulty NaN":    {saysJSON(200, asChallenge("difficulty", `"NaN"`)), ErrUnavailable, "not a whole number"},
		"difficulty secret": {saysJSON(200, asChallenge("difficulty", `"`+testSecret+`"`)), ErrUnavailable, "not a whole number"},

		"failure on 200":   {saysJSON(200, `{"success":false,"error":"odd"}`), ErrRejected, "odd (HTTP 200)"},
		"success a number": {saysJSON(200, `{"success":0,`+asChallenge("", "")[1:]), ErrRejected, "the service reports a failure"},
		"code on 200":      {saysJSON(200, `{"success":false,"error":"invalid_key"}`), ErrMisconfigured, "invalid_key"},
		"code over status": {saysJSON(503, `{"error":"quota_exceeded"}`), ErrQuotaExceeded, "not retried"},
		"nested code":      {saysJSON(401, `{"error":{"code":"invalid_key","message":"x"}}`), ErrMisconfigured, "invalid_key"},
		"reasonCode":       {saysJSON(400, `{"error":"No such thing","reasonCode":"m2m_disabled"}`), ErrMisconfigured, "Starter"},
		"401":              {saysJSON(401, `{"success":false}`), ErrMisconfigured, "GKCAPTCHA_SITE_KEY"},
		"403":              {saysJSON(403, `{"success":false,"error":"whatever"}`), ErrMisconfigured, "whatever (HTTP 403)"},
		"429":              {saysJSON(429, `{"success":false}`), ErrRateLimited, "rate limited (HTTP 429)"},
		"408":              {saysJSON(408, `{}`), ErrUnavailable, "(HTTP 408)"},
		"418":              {saysJSON(418, `{"success":false}`), ErrRejected, "(HTTP 418)"},
		"418 of a gateway": {saysJSON(418, `{}`), ErrUnavailable, "not in the API's format"},
		"500":              {saysJSON(500, `{"error":{"deep":[]}}`), ErrUnavailable, "(HTTP 500)"},

		"secret as code":      {saysJSON(400, echo), ErrRejected, "[redacted] (HTTP 400)"},
		"secret within code":  {saysJSON(500, `{"error":"e.`+testSecret+`.`+testSite+`"}`), ErrUnavailable, "e.[redacted].[redacted] (HTTP 500)"},
		"secret as reason":    {saysJSON(403, `{"success":false,"error":{"code":"`+testSecret+`"},"reasonCode":"`+testSecret+`"}`), ErrMisconfigured, "[redacted]"},
		"token as code":       {saysJSON(400, `{"success":false,"error":"`+testJWT[:60]+`"}`), ErrRejected, "[redacted]"},
		"sentence as code":    {saysJSON(400, `{"success":false,"error":"your key `+testSecret+` is wrong"}`), ErrRejected, "client: challenge: rejected (HTTP 400)"},
		"terminal as code":    {saysJSON(400, `{"success":false,"error":"\u001b[2J"}`), ErrRejected, "client: challenge: rejected (HTTP 400)"},
		"long code":           {saysJSON(400, `{"success":false,"error":"`+strings.Repeat("x", 65)+`"}`), ErrRejected, "client: challenge: rejected (HTTP 400)"},
		"redirect with code":  {saysJSON(302, `{"error":"m2m_disabled"}`, "Location", "https://a.example"), ErrMisconfigured, "Starter"},
		"redirect nowhere":    {saysJSON(302, `{}`), ErrUnavailable, "redirected to elsewhere"},
		"redirect to secret":  {saysJSON(307, `{}`, "Location", "https://sk-live.example/"+testSecret+"?"+testSecret), ErrUnavailable, "redirected to https://sk-live.example, but"},
		"redirect to host":    {saysJSON(307, `{}`, "Location", "https://"+testSecret+".example/"), ErrUnavailable, "redirected to elsewhere"},
		"redirect to user":    {saysJSON(308, `{}`, "Location", "https://"+testSecret+":"+testSecret+"@a.example/"), ErrUnavailable, "redirected to https://a.example, but"},
		"redirect to script":  {saysJSON(302, `{}`, "Location", "javascript:"+testSecret), ErrUnavailable, "redirected to elsewhere"},
		"redirect to garbage": {saysJSON(302, `{}`, "Location", "https://%zz/"+testSecret), ErrUnavailable, "[redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newTestClient(t, r.server).Challenge(t.Context())
			require.ErrorIs(t, err, r.kind)
			require.ErrorContains(t, err, r.text)
			require.True(t, strings.HasPrefix(err.Error(), "client: challenge: "), err.Error())
			for _, other := range []error{ErrRejected, ErrRateLimited, ErrQuotaExceeded, ErrExpired, ErrMisconfigured, ErrUnavailable, ErrDifficulty} {
				if other != r.kind {
					require.NotErrorIs(t, err, other)
				}
			}
			requireSafe(t, err, testSecret, testJWT, testJWT[:60])
			require.NotContains(t, err.Error(), "\x1b")
		})
	}
}

// submit submits a solved challenge.
func submit(t *testing.T, c *Client) (Token, error) {
	t.Helper()
	ch, err := ParseChallenge([]byte(asChallenge("", "")))
	require.NoError(t, err)
	puzzle, err := ch.Puzzle()
	require.NoError(t, err)
	solution, err := loop(t.Context(), puzzle)
	require.NoError(t, err)
	return c.Submit(t.Context(), ch, solution)
}

func TestHostileVerify(t *testing.T) {
	for name, r := range map[string]struct {
		server http.Handler
		kind   error
		text   string
	}{
		"no token":       {saysJSON(200, `{"success":true,"expiresAt":1}`), ErrUnavailable, "token is missing"},
		"null token":     {saysJSON(200, `{"success":true,"token":null}`), ErrUnavailable, "token is missing"},
		"empty token":    {saysJSON(200, `{"success":true,"token":""}`), ErrUnavailable, "token is not"},
		"number token":   {saysJSON(200, `{"success":true,"token":7}`), ErrUnavailable, "token is not"},
		"header token":   {saysJSON(200, `{"success":true,"token":"a\r\nb: `+testJWT+`"}`), ErrUnavailable, "token is not"},
		"long token":     {saysJSON(200, `{"success":true,"token":"`+strings.Repeat("x", 16<<10+1)+`"}`), ErrUnavailable, "token is not"},
		"no success":     {saysJSON(200, `{"token":"`+testJWT+`"}`), ErrUnavailable, "success is missing"},
		"success null":   {saysJSON(200, `{"success":null,"token":"`+testJWT+`"}`), ErrUnavailable, "success is missing"},
		"success false":  {saysJSON(200, `{"success":false,"token":"`+testJWT+`"}`), ErrRejected, "reports a failure"},
		"success string": {saysJSON(200, `{"success":"true","token":"`+testJWT+`"}`), ErrRejected, "reports a failure"},
		"token on 500":   {saysJSON(500, `{"success":true,"token":"`+testJWT+`"}`), ErrUnavailable, "(HTTP 500)"},
		"token on 302":   {saysJSON(302, `{"success":true,"token":"`+testJWT+`"}`), ErrUnavailable, "(HTTP 302)"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := submit(t, newTestClient(t, r.server))
			require.ErrorIs(t, err, r.kind)
			require.ErrorContains(t, err, r.text)
			require.True(t, token.Value.IsZero())
			requireSafe(t, err, testSecret, testJWT)
		})
	}
}

// The target of a redirect gets no request, not even a GET.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var seen atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer target.Close()
	jar := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	for _, given := range []*http.Client{nil, jar} {
		for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
			server := saysJSON(status, "", "Location", target.URL+"/"+testSecret)
			_, err := newTestClient(t, server, func(c *Config) { c.HTTPClient = given }).Token(t.Context())
			require.ErrorIs(t, err, ErrUnavailable)
			require.ErrorContains(t, err, "redirected to "+target.URL+", but redirects are not followed")
			require.ErrorContains(t, err, "set Config.URL")
			requireSafe(t, err, testSecret)
		}
	}
	require.Zero(t, seen.Load())
}

func TestEndlessBodyIsCutOff(t *testing.T) {
	var sent atomic.Int64
	done := make(chan struct{})
	c := newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		w.Header().Set("Content-Type", "application/json")
		block := []byte(strings.Repeat(" ", 64<<10))
		for sent.Load() < 100<<20 {
			n, err := w.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	_, err := c.Challenge(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "response is larger than 1 MiB")
	<-done
	require.Less(t, sent.Load(), int64(100<<20), "the client read the whole body")
}

func TestReadIsLimited(t *testing.T) {
	read := 0
	body := readerFunc(func(p []byte) (int, error) { read += len(p); return len(p), nil })
	c := newTestClient(t, nil, func(c *Config) {
		c.HTTPClient = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body)}, nil
		})}
	})
	_, err := c.Challenge(t.Context())
	require.ErrorContains(t, err, "response is larger than 1 MiB")
	require.Equal(t, maxBody+1, read)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestTimeout(t *testing.T) {
	// hanging sends the beginning of a response and then waits for the end of the test.
	hanging := func(t *testing.T, beginning string, change func(*Config)) *Client {
		release := make(chan struct{})
		c := newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if beginning != "" {
				_, _ = io.WriteString(w, beginning)
				w.(http.Flusher).Flush()
			}
			<-release
		}), change)
		t.Cleanup(func() { close(release) }) // runs before the server closes
		return c
	}
	for name, beginning := range map[string]string{"no response": "", "half a response": `{"challengeId":`} {
		t.Run(name, func(t *testing.T) {
			c := hanging(t, beginning, func(c *Config) { c.Timeout = 50 * time.Millisecond })
			_, err := c.Token(t.Context())
			require.ErrorIs(t, err, ErrUnavailable)
			require.ErrorContains(t, err, "no complete response within 50ms (Config.Timeout)")
			require.NotErrorIs(t, err, context.DeadlineExceeded)
		})
	}
	t.Run("of the HTTP client", func(t *testing.T) {
		c := hanging(t, "", func(c *Config) { c.HTTPClient = &http.Client{Timeout: 50 * time.Millisecond} })
		_, err := c.Token(t.Context())
		require.ErrorIs(t, err, ErrUnavailable)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	})
}

// raw starts a server that answers each connection with the given bytes, and then closes the
// connection unless open is set. If there are no bytes, it resets the connection.
func raw(t *testing.T, answer string, open bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { close(done); listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 64<<10))
				if answer == "" {
					_ = conn.(*net.TCPConn).SetLinger(0)
					return
				}
				_, _ = io.WriteString(conn, answer)
				if open {
					<-done
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestBrokenConnections(t *testing.T) {
	for name, r := range map[string]struct {
		answer string
		open   bool
		text   string
	}{
		"reset":            {"", false, "client: challenge: unavailable: "},
		"not HTTP":         {testSecret + "\r\n\r\n", false, `malformed HTTP response "[redacted]"`},
		"secret in status": {"HTTP/1.1 " + testSecret + "\r\n\r\n", false, "[redacted]"},
		"secret in header": {"HTTP/1.1 200 OK\r\nX" + testSecret + "\r\n\r\n", false, "[redacted]"},
		"secret in length": {"HTTP/1.1 200 OK\r\nContent-Length: " + testSecret + "\r\n\r\n", false, "[redacted]"},
		"secret in coding": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + testSecret + "\r\n\r\n", false, "[redacted]"},
		"cut off":          {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", false, "(HTTP 200): unexpected EOF"},
		"large header":     {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n", false, "header"},
		"upgrade":          {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n{", true, "(HTTP 101)"},
		"endless coding":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, "invalid byte in chunk length"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(t, nil, func(c *Config) { c.URL = raw(t, r.answer, r.open) })
			_, err := c.Token(t.Context())
			require.ErrorIs(t, err, ErrUnavailable)
			require.ErrorContains(t, err, r.text)
			require.NotContains(t, err.Error(), "api/v1", "the error shows the URL")
			requireSafe(t, err, testSecret)
			requireSafeTree(t, err)
		})
	}
}

// requireSafeTree checks every error that errors.Is would visit.
func requireSafeTree(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	require.NotContains(t, err.Error(), testSecret)
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, cause := range many.Unwrap() {
			requireSafeTree(t, cause)
		}
	}
	requireSafeTree(t, errors.Unwrap(err))
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	listener.Close()
	c := newTestClient(t, nil, func(c *Config) { c.URL = "http://" + address })
	_, err = c.Token(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	var network *net.OpError
	require.ErrorAs(t, err, &network)
	var withURL *url.Error
	require.False(t, errors.As(err, &withURL))
}

func TestRetryAfter(t *testing.T) {
	const date = "Tue, 14 Nov 2023 22:13:20 GMT"
	for name, r := range map[string]struct {
		body, header string
		want         time.Duration
		clamped      bool
	}{
		"none":            {`{}`, "", 0, false},
		"body":            {`{"retryAfter":30}`, "", 30 * time.Second, false},
		"fraction":        {`{"retryAfter":1.5}`, "", 1500 * time.Millisecond, false},
		"string":          {`{"retryAfter":" 30 "}`, "", 30 * time.Second, false},
		"header":          {`{}`, "7", 7 * time.Second, false},
		"body is longer":  {`{"retryAfter":30}`, "7", 30 * time.Second, false},
		"other is longer": {`{"retryAfter":7}`, "30", 30 * time.Second, false},
		"date":            {`{"retryAfter":7}`, "Tue, 14 Nov 2023 22:14:20 GMT", time.Minute, false},
		"past date":       {`{}`, "Tue, 14 Nov 2023 22:10:20 GMT", 0, false},
		"negative":        {`{"retryAfter":-5}`, "-7", 0, false},
		"garbage":         {`{"retryAfter":"soon"}`, testSecret, 0, false},
		"object":          {`{"retryAfter":{}}`, "", 0, false},
		"a day":           {`{"retryAfter":86400}`, "", 24 * time.Hour, false},
		"more":            {`{"retryAfter":86401}`, "", 24 * time.Hour, true},
		"huge":            {`{"retryAfter":1e300}`, "", 24 * time.Hour, true},
		"huge header":     {`{}`, "9999999999999999999999", 24 * time.Hour, true},
		"infinite header": {`{}`, "1e999", 24 * time.Hour, true},
		"far date":        {`{}`, "Fri, 31 Dec 9999 23:59:59 GMT", 24 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(r.body, "{", `{"success":false,"error":"rate_limited","x":0,`, 1)
			body = strings.Replace(body, ",}", "}", 1)
			header := []string{"Date", date}
			if r.header != "" {
				header = append(header, "Retry-After", r.header)
			}
			_, err := newTestClient(t, saysJSON(429, body, header...)).Token(t.Context())
			require.ErrorIs(t, err, ErrRateLimited)
			var failure *Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, r.want, failure.RetryAfter)
			require.Equal(t, r.clamped, strings.Contains(err.Error(), "longer than 24h0m0s"), err.Error())
			requireSafe(t, err, testSecret)
		})
	}
}

func TestDateIsMissingOrWrong(t *testing.T) {
	for name, date := range map[string][]string{"missing": nil, "wrong": {testSecret}} {
		t.Run(name, func(t *testing.T) {
			clock := newFakeClock()
			expires := clock.Now().Add(time.Minute)
			c := newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Date"] = date
				_, _ = io.WriteString(w, asChallenge("expiresAt", fmt.Sprint(expires.Unix())))
			}))
			c.api.now = clock.Now
			ch, err := c.Challenge(t.Context())
			require.NoError(t, err)
			require.True(t, ch.Deadline().Equal(expires))
		})
	}
}

// These errors occur only if the solver has a bug.
func TestSubmitByHand(t *testing.T) {
	c := newTestClient(t, saysJSON(200, "{}"))
	_, err := c.Submit(t.Context(), Challenge{Difficulty: 65, ExpiresAt: time.Now().Add(time.Hour)}, solver.Solution{})
	require.ErrorIs(t, err, ErrDifficulty)
	ch := Challenge{ExpiresAt: time.Now().Add(-time.Second)}
	puzzle, err := ch.Puzzle()
	require.NoError(t, err)
	_, err = c.Submit(t.Context(), ch, solver.Solution{Hash: puzzle.Hash(0)})
	require.ErrorIs(t, err, ErrExpired)
}
