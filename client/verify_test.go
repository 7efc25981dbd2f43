package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// verdictOf returns the verdict on testJWT of a service that always gives the same response.
func verdictOf(t *testing.T, h http.Handler, options VerifyOptions) (Verdict, error) {
	t.Helper()
	c := newMemoryClient(t, h, func(c *Config) { c.SecretKey, c.MaxRetries = NewSecret(testSecret), -1 })
	verdict, err := c.VerifyToken(t.Context(), testJWT, options)
	requireSafe(t, verdict, testSecret, testJWT)
	requireSafe(t, err, testSecret, testJWT)
	if err == nil && verdict.Err() != nil {
		requireSafe(t, verdict.Err(), testSecret, testJWT)
	}
	if err != nil && verdict.OK() {
		t.Errorf("the verdict is OK, but there is an error: %v", err)
	}
	return verdict, err
}

func TestVerifyTokenAgainstTheService(t *testing.T) {
	for shape, name := range map[gktest.VerifyShape]string{gktest.ShapeDocs: "docs", gktest.ShapeSDK: "sdk"} {
		for _, profile := range []WireProfile{WireBoth, WireSDK, WireDocs} {
			bubble(t, fmt.Sprint(name, profile), func(t *testing.T) {
				service := gktest.New(gktest.Options{Difficulty: 1, VerifyShape: shape, SingleUse: true})
				c := newMemoryClient(t, service)
				options := VerifyOptions{Profile: profile, ClientIP: "192.0.2.1", UserAgent: "x"}
				options.Expected.MaxAge = time.Minute
				token, err := c.Token(t.Context())
				require.NoError(t, err)
				verdict, err := c.VerifyToken(t.Context(), token.Value.Reveal(), options)
				require.NoError(t, err)
				require.True(t, verdict.OK(), verdict)
				require.NoError(t, verdict.Err())
				require.Zero(t, *verdict.Score)
				require.WithinDuration(t, time.Now(), verdict.Timestamp, time.Second)
				require.WithinDuration(t, time.Now(), verdict.IssuedAt, time.Second)
				require.True(t, json.Valid([]byte(verdict.Raw.Reveal())))

				verdict, err = c.VerifyToken(t.Context(), token.Value.Reveal(), options)
				require.NoError(t, err, "a rejected token is not an error")
				require.False(t, verdict.OK())
				require.False(t, verdict.Ambiguous)
				require.True(t, isUsed(verdict.ReasonCodes[0]), verdict.ReasonCodes)
				require.ErrorIs(t, verdict.Err(), ErrRejected)
				require.ErrorIs(t, verdict.Err(), Code(verdict.ReasonCodes[0]))

				verdict, err = c.VerifyToken(t.Context(), "not.a.token", options)
				require.NoError(t, err)
				require.False(t, verdict.OK())

				_, err = newMemoryClient(t, service, func(c *Config) { c.SecretKey = NewSecret("wrong") }).
					VerifyToken(t.Context(), token.Value.Reveal(), VerifyOptions{Profile: profile, FailOpen: true})
				require.ErrorIs(t, err, ErrMisconfigured)
			})
		}
	}
}

// A response counts as a success only if nothing in it says otherwise.
func TestVerdicts(t *testing.T) {
	const ok = `"verified":true`
	for name, r := range map[string]struct {
		status  int
		body    string
		ok      bool
		kind    error // kind of the error; nil if there is a verdict
		reasons string
	}{
		"SDK":             {200, `{"success":true,"score":0.1,"timestamp":1700000000}`, true, nil, ""},
		"docs":            {200, `{"success":true,"data":{` + ok + `}}`, true, nil, ""},
		"201":             {201, `{"success":true}`, true, nil, ""},
		"unknown fields":  {200, `{"success":true,"data":{` + ok + `,"x":{}},"y":[],"message":"Token verified"}`, true, nil, ""},
		"empty errors":    {200, `{"success":true,"error":"","reasonCode":null,"data":{` + ok + `,"error_codes":[]},"code":200,"status":"ok"}`, true, nil, ""},
		"not expired":     {200, `{"success":true,"data":{` + ok + `,"expired":false,"used":null,"failure_reasons":[]}}`, true, nil, ""},
		"verified twice":  {200, `{"success":true,` + ok + `,"data":{` + ok + `}}`, true, nil, ""},
		"documented fail": {200, `{"success":true,"data":{"verified":false,"error_codes":["timeout-or-duplicate"]}}`, false, nil, "timeout-or-duplicate"},
		"no verified":     {200, `{"success":true,"data":{}}`, false, nil, ReasonUnclear},
		"verified null":   {200, `{"success":true,"data":{"verified":null}}`, false, nil, ReasonNotVerified},
		"verified string": {200, `{"success":true,"data":{"verified":"true"}}`, false, nil, ReasonNotVerified},
		"verified 1":      {200, `{"success":true,"data":{"verified":1}}`, false, nil, ReasonNotVerified},
		"data null":       {200, `{"success":true,"data":null}`, false, nil, ReasonUnclear},
		"data array":      {200, `{"success":true,"data":[{` + ok + `}]}`, false, nil, ReasonUnclear},
		"data true":       {200, `{"success":true,"data":true}`, false, nil, ReasonUnclear},
		"data empty text": {200, `{"success":true,"data":""}`, false, nil, ReasonUnclear},
		"success string":  {200, `{"success":"true"}`, false, nil, ReasonNotVerified},
		"success false":   {200, `{"success":false,"data":{` + ok + `}}`, false, nil, ReasonNotVerified},
		"SDK fail":        {200, `{"success":false,"error":"a sentence","reasonCode":"token_expired"}`, false, nil, "token_expired"},
		"code and more":   {200, `{"success":false,"error":{"code":"domain_mismatch"},"error_code":"b","error-codes":["c",7,"domain_mismatch"]}`, false, nil, "domain_mismatch b c"},
		"verdict on 400":  {400, `{"success":false,"error":"invalid_token"}`, false, nil, "invalid_token"},
		"success on 400":  {400, `{"success":true,"data":{` + ok + `},"reasonCode":"token_expired"}`, false, nil, "token_expired"},

		"verified false beside success": {200, `{"success":true,"verified":false}`, false, nil, ReasonNotVerified},
		"reason beside success":         {200, `{"success":true,"reasonCode":"token_already_used"}`, false, nil, "token_already_used"},
		"error beside success":          {200, `{"success":true,"error":"token_expired"}`, false, nil, "token_expired"},
		"sentence beside success":       {200, `{"success":true,"error":"The token has expired."}`, false, nil, ReasonUnclear},
		"codes beside verified":         {200, `{"success":true,"data":{` + ok + `,"error_codes":["timeout-or-duplicate"]}}`, false, nil, "timeout-or-duplicate"},
		"codes spelt otherwise":         {200, `{"success":true,"data":{` + ok + `,"Error-Codes":["invalid_signature"]}}`, false, nil, "invalid_signature"},
		"Verified":                      {200, `{"success":true,"data":{` + ok + `,"Verified":false}}`, false, nil, ReasonNotVerified},
		"verified too deep":             {200, `{"success":true,"data":{` + ok + `},"x":[{"y":{"is_verified":false}}]}`, false, nil, ReasonNotVerified},
		"success in data":               {200, `{"success":true,"data":{` + ok + `,"success":false}}`, false, nil, ReasonNotVerified},
		"success first true then false": {200, `{"success":true,"success":false}`, false, nil, ReasonNotVerified},
		"success first false then true": {200, `{"success":false,"success":true}`, false, nil, ReasonNotVerified},
		"two data":                      {200, `{"success":true,"data":{"verified":false},"data":{` + ok + `}}`, false, nil, ReasonNotVerified},
		"score twice":                   {200, `{"success":true,"score":1,"score":0}`, false, nil, ReasonUnclear},
		"error true":                    {200, `{"success":true,"error":true}`, false, nil, ReasonUnclear},
		"error object":                  {200, `{"success":true,"error":{}}`, false, nil, ReasonUnclear},
		"errors of null":                {200, `{"success":true,"errors":[null]}`, false, nil, ReasonUnclear},
		"errors of objects":             {200, `{"success":true,"errors":[{"code":"binding_mismatch"}]}`, false, nil, "binding_mismatch"},
		"code":                          {200, `{"success":true,"code":"token_expired"}`, false, nil, "token_expired"},
		"code 401":                      {200, `{"success":true,"code":401}`, false, nil, ReasonUnclear},
		"status fail":                   {200, `{"success":true,"status":"fail"}`, false, nil, "fail"},
		"expired":                       {200, `{"success":true,"data":{` + ok + `,"expired":true}}`, false, nil, ReasonNotVerified},
		"already used":                  {200, `{"success":true,"alreadyUsed":1}`, false, nil, ReasonNotVerified},
		"error message":                 {200, `{"success":true,"errorMessage":"the token has expired"}`, false, nil, ReasonUnclear},
		"failure reason":                {200, `{"success":true,"failure_reasons":["token_expired"]}`, false, nil, "token_expired"},
		"only verified false":           {200, `{"data":{"verified":false}}`, false, nil, ReasonNotVerified},
		"only a reason":                 {200, `{"reasonCode":"token_expired"}`, false, nil, "token_expired"},
		"a reason and an outage":        {200, `{"success":false,"error_codes":["token_expired","internal_error"]}`, false, nil, "token_expired internal_error"},

		"no success":        {200, `{"data":{` + ok + `}}`, false, ErrUnavailable, ""},
		"success null":      {200, `{"success":null}`, false, ErrUnavailable, ""},
		"HTML":              {200, `<p>`, false, ErrUnavailable, ""},
		"array":             {200, `[{"success":true}]`, false, ErrUnavailable, ""},
		"success on 302":    {302, `{"success":true}`, false, ErrUnavailable, ""},
		"success on 500":    {500, `{"success":true,"data":{` + ok + `}}`, false, ErrUnavailable, ""},
		"success on 403":    {403, `{"success":true}`, false, ErrMisconfigured, ""},
		"success on 429":    {429, `{"success":true}`, false, ErrRateLimited, ""},
		"verdict on 500":    {500, `{"reasonCode":"token_expired"}`, false, ErrUnavailable, ""},
		"400":               {400, `{"success":false,"error":"bad-request"}`, false, ErrRejected, ""},
		"wrong secret":      {401, `{"success":false,"reasonCode":"invalid_secret"}`, false, ErrMisconfigured, ""},
		"secret on 200":     {200, `{"success":true,"data":{"verified":false,"error_codes":["x","invalid-input-secret"]}}`, false, ErrMisconfigured, ""},
		"site":              {200, `{"success":false,"error":"invalid_site_key"}`, false, ErrMisconfigured, ""},
		"internal":          {200, `{"success":false,"error":"internal_error"}`, false, ErrUnavailable, ""},
		"rate limit on 200": {200, `{"success":false,"error":"rate_limited"}`, false, ErrRateLimited, ""},
		"quota":             {429, `{"success":false,"error":"quota_exceeded"}`, false, ErrQuotaExceeded, ""},

		"echo": {200, `{"success":false,"error":"` + testSecret + `","reasonCode":"` + testJWT[:30] + `","data":{"hostname":"` + testJWT + `","action":"` + testSecret + `\u001b"}}`, false, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			verdict, err := verdictOf(t, saysJSON(r.status, r.body), VerifyOptions{})
			if r.kind != nil {
				require.ErrorIs(t, err, r.kind)
				require.True(t, strings.HasPrefix(err.Error(), "client: token/verify: "), err.Error())
				return
			}
			require.NoError(t, err)
			require.Equal(t, r.ok, verdict.OK())
			require.Equal(t, r.ok, verdict.Err() == nil)
			require.Equal(t, r.status, verdict.Status)
			require.Equal(t, r.body, verdict.Raw.Reveal())
			if name != "echo" {
				require.Equal(t, r.reasons, strings.Join(verdict.ReasonCodes, " "))
			}
			require.Equal(t, r.ok, len(verdict.ReasonCodes) == 0, "a verdict has reasons if and only if it rejects the token")
			require.NotContains(t, verdict.Action, "\x1b")
		})
	}
}

// Tokens are not always JWTs, since visitors can send anything.
func TestVerdictDoesNotRepeatTheToken(t *testing.T) {
	const token = "0token0"
	c := newMemoryClient(t, saysJSON(200, `{"success":false,"error":"`+token+`","data":{"action":"a `+token+`"}}`))
	verdict, err := c.VerifyToken(t.Context(), token, VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, "a [redacted]", verdict.Action)
	requireSafe(t, verdict, token)
	requireSafe(t, verdict.Err(), token)
}

func TestVerdictFields(t *testing.T) {
	verdict, err := verdictOf(t, saysJSON(200, `{"success":true,"data":{"verified":true,"score":"0.25","timestamp":1700000000123,
		"hostname":"a.example","action":"login","challenge_ts":"2023-11-14T22:13:10Z"}}`), VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, 0.25, *verdict.Score)
	require.Equal(t, int64(1700000000), verdict.Timestamp.Unix())
	require.Equal(t, int64(1699999990), verdict.IssuedAt.Unix())
	require.Equal(t, "a.example", verdict.Hostname)
	require.Equal(t, "login", verdict.Action)
}

func TestExpected(t *testing.T) {
	const full = `{"success":true,"data":{"verified":true,"score":0.5,"hostname":"A.example","action":"login","challenge_ts":"2023-11-14T22:13:10Z"}}`
	const bare = `{"success":true}`
	issued := func(at string) string { return `{"success":true,"data":{"verified":true,"challenge_ts":"` + at + `"}}` }
	date := []string{"Date", "Tue, 14 Nov 2023 22:13:20 GMT"} // 10 s later
	for name, r := range map[string]struct {
		body     string
		expected Expected
		reasons  string
	}{
		"nothing":         {bare, Expected{}, ""},
		"all":             {full, Expected{Hostname: "a.EXAMPLE", Action: "login", MaxAge: 10 * time.Second, MaxScore: 0.5}, ""},
		"none of it":      {full, Expected{Hostname: "b.example", Action: "Login", MaxAge: 9 * time.Second, MaxScore: 0.4}, "hostname_mismatch action_mismatch token_too_old score_too_high"},
		"a minute ahead":  {issued("2023-11-14T22:14:20Z"), Expected{MaxAge: time.Second}, ""},
		"ahead of that":   {issued("2023-11-14T22:14:21Z"), Expected{MaxAge: time.Hour}, "token_too_old"},
		"in a century":    {issued("2123-11-14T22:14:21Z"), Expected{MaxAge: time.Hour}, "token_too_old"},
		"no time":         {issued("yesterday"), Expected{MaxAge: time.Hour}, "token_too_old"},
		"not looked at":   {issued("yesterday"), Expected{}, ""},
		"negative score":  {`{"success":true,"score":-1}`, Expected{MaxScore: 0.5}, "score_too_high"},
		"nothing is said": {bare, Expected{Hostname: "a.example", Action: "login", MaxAge: time.Hour, MaxScore: 1}, "hostname_mismatch action_mismatch token_too_old score_too_high"},
	} {
		t.Run(name, func(t *testing.T) {
			verdict, err := verdictOf(t, saysJSON(200, r.body, date...), VerifyOptions{Expected: r.expected})
			require.NoError(t, err)
			require.Equal(t, r.reasons == "", verdict.OK())
			require.Equal(t, r.reasons, strings.Join(verdict.ReasonCodes, " "))
		})
	}
}

func TestVerifyTokenRequests(t *testing.T) {
	for profile, want := range map[WireProfile]struct{ authorization, body string }{
		WireBoth: {"Bearer " + gktest.SecretKey, `{"clientIP":"192.0.2.1","secret":"sk_test_gkpow","siteKey":"pk_test_gkpow","token":"t","userAgent":"ua"}`},
		WireSDK:  {"", `{"clientIP":"192.0.2.1","secret":"sk_test_gkpow","siteKey":"pk_test_gkpow","token":"t","userAgent":"ua"}`},
		WireDocs: {"Bearer " + gktest.SecretKey, `{"ip":"192.0.2.1","remoteip":"192.0.2.1","token":"t"}`},
	} {
		c := newMemoryClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			require.Equal(t, "/api/v1/token/verify", r.URL.Path)
			require.Equal(t, want.authorization, r.Header.Get("Authorization"))
			require.JSONEq(t, want.body, string(body))
			_, _ = io.WriteString(w, `{"success":true}`)
		}))
		verdict, err := c.VerifyToken(t.Context(), "t", VerifyOptions{Profile: profile, ClientIP: "192.0.2.1", UserAgent: "ua"})
		require.NoError(t, err)
		require.True(t, verdict.OK())
	}
}

func TestImpossibleTokensAreNotSent(t *testing.T) {
	c := newMemoryClient(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was sent") }))
	for token, reason := range map[string]string{
		"": ReasonMissingToken, "a b": ReasonMalformedToken, "a\r\nb": ReasonMalformedToken,
		strings.Repeat("x", maxToken+1): ReasonMalformedToken,
	} {
		verdict, err := c.VerifyToken(t.Context(), token, VerifyOptions{FailOpen: true})
		require.NoError(t, err)
		require.False(t, verdict.OK())
		require.Equal(t, []string{reason}, verdict.ReasonCodes)
	}
}

func TestFailOpen(t *testing.T) {
	for name, r := range map[string]struct {
		h    http.Handler
		open bool
	}{
		"503":          {saysJSON(503, `{}`), true},
		"HTML":         {says(200, "text/html", "<p>"), true},
		"malformed":    {saysJSON(200, `{}`), true},
		"wrong secret": {saysJSON(401, `{"error":"invalid_secret"}`), false},
		"quota":        {saysJSON(429, `{"error":"quota_exceeded"}`), false},
		"rate limit":   {saysJSON(429, `{"success":false}`), false},
		"400":          {saysJSON(400, `{"success":false,"error":"odd"}`), false},
		"408":          {saysJSON(408, `{}`), true},

		// A visitor can cause these with a token that a firewall takes for an attack.
		"firewall 403": {says(403, "text/html", "<p>"), false},
		"gateway 403":  {saysJSON(403, `{"message":"Forbidden"}`), false},
		"firewall 429": {says(429, "text/plain", "slow down"), false},
		"firewall 406": {says(406, "text/html", "<p>"), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, closed := verdictOf(t, r.h, VerifyOptions{OnDegraded: func(error) { t.Error("OnDegraded was called without FailOpen") }})
			require.Error(t, closed)
			var why error
			verdict, err := verdictOf(t, r.h, VerifyOptions{FailOpen: true, OnDegraded: func(err error) { why = err }})
			require.Equal(t, r.open, err == nil)
			require.Equal(t, r.open, verdict.OK() && verdict.Degraded)
			require.Equal(t, r.open, why != nil)
		})
	}
	t.Run("rejected", func(t *testing.T) {
		verdict, err := verdictOf(t, saysJSON(200, `{"success":false}`), VerifyOptions{FailOpen: true})
		require.NoError(t, err)
		require.False(t, verdict.OK())
	})
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		verdict, err := newMemoryClient(t, saysJSON(200, `{"success":true}`)).VerifyToken(ctx, testJWT, VerifyOptions{FailOpen: true})
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, verdict.OK())
	})
}

// The first attempt used up the token, but its response was lost.
func TestAmbiguousVerdict(t *testing.T) {
	for _, shape := range []gktest.VerifyShape{gktest.ShapeDocs, gktest.ShapeSDK} {
		bubble(t, fmt.Sprint(shape), func(t *testing.T) {
			service := gktest.New(gktest.Options{Difficulty: 1, SingleUse: true, VerifyShape: shape})
			base := inMemory(service).Transport
			lose := false
			c := newMemoryClient(t, nil, func(c *Config) {
				c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					response, err := base.RoundTrip(r)
					if lose {
						lose = false
						return nil, syscall.ECONNRESET
					}
					return response, err
				})}
			})
			token, err := c.Token(t.Context())
			require.NoError(t, err)
			lose = true
			verdict, err := c.VerifyToken(t.Context(), token.Value.Reveal(), VerifyOptions{})
			require.NoError(t, err)
			require.False(t, verdict.OK())
			require.True(t, verdict.Ambiguous)
			require.ErrorContains(t, verdict.Err(), "perhaps by an earlier attempt")

			verdict, err = c.VerifyToken(t.Context(), token.Value.Reveal(), VerifyOptions{})
			require.NoError(t, err)
			require.False(t, verdict.Ambiguous, "there was only one attempt")
		})
	}
}

func TestRequireToken(t *testing.T) {
	service := gktest.New(gktest.Options{Difficulty: 1})
	var verified []map[string]string
	down := false
	c := newMemoryClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down {
			w.WriteHeader(503)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/token/verify") {
			data, _ := io.ReadAll(r.Body)
			var body map[string]string
			require.NoError(t, json.Unmarshal(data, &body))
			verified = append(verified, body)
			r.Body = io.NopCloser(strings.NewReader(string(data)))
		}
		service.ServeHTTP(w, r)
	}), func(c *Config) { c.MaxRetries = -1 })
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	value := token.Value.Reveal()

	served := 0
	inside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		verdict, ok := VerdictFrom(r.Context())
		require.True(t, ok && verdict.OK())
		_, _ = io.WriteString(w, r.PostFormValue("other"))
	})
	ask := func(options RequireOptions, change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/?captchaToken="+value, strings.NewReader(url.Values{"captchaToken": {value}, "other": {"kept"}}.Encode()))
		r.Header.Set("User-Agent", "visitor")
		change(r)
		w := httptest.NewRecorder()
		c.RequireToken(options)(inside).ServeHTTP(w, r)
		return w
	}
	header := func(r *http.Request) { r.Header.Set("X-Captcha-Token", value) }
	form := func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }

	require.Equal(t, 200, ask(RequireOptions{}, header).Code)
	require.Equal(t, "192.0.2.1", verified[0]["clientIP"], "httptest's address, without the port")
	require.Equal(t, "visitor", verified[0]["userAgent"])
	w := ask(RequireOptions{}, form)
	require.Equal(t, 200, w.Code)
	require.Equal(t, "kept", w.Body.String())
	require.Equal(t, 200, ask(RequireOptions{Header: "X-T", FormField: "none"}, func(r *http.Request) { r.Header.Set("X-T", value) }).Code)
	require.Equal(t, 3, served)

	rejected := ask(RequireOptions{}, func(*http.Request) {}) // a token in the URL does not count
	require.Equal(t, 403, rejected.Code)
	require.Equal(t, 403, ask(RequireOptions{}, func(r *http.Request) { r.Header.Set("X-Captcha-Token", "wrong") }).Code)
	require.Equal(t, 403, ask(RequireOptions{Verify: VerifyOptions{Expected: Expected{Hostname: "a"}}}, header).Code)
	require.Equal(t, 418, ask(RequireOptions{
		Refuse: func(w http.ResponseWriter, _ *http.Request, v Verdict, err error) {
			require.NoError(t, err)
			require.Equal(t, []string{ReasonMissingToken}, v.ReasonCodes)
			w.WriteHeader(418)
		},
	}, func(*http.Request) {}).Code)

	ask(RequireOptions{ClientIP: func(*http.Request) string { return "203.0.113.9" }}, header)
	require.Equal(t, "203.0.113.9", verified[len(verified)-1]["clientIP"])

	down = true
	served = 0
	require.Equal(t, 503, ask(RequireOptions{}, header).Code)
	require.Zero(t, served)
	var why error
	inside = func(w http.ResponseWriter, r *http.Request) {
		verdict, _ := VerdictFrom(r.Context())
		require.True(t, verdict.Degraded)
	}
	require.Equal(t, 200, ask(RequireOptions{Verify: VerifyOptions{FailOpen: true, OnDegraded: func(err error) { why = err }}}, header).Code)
	require.ErrorIs(t, why, ErrUnavailable)
	require.False(t, errors.Is(why, ErrRejected))
}

func TestRemoteIP(t *testing.T) {
	for given, want := range map[string]string{
		"192.0.2.1:1234": "192.0.2.1", "[2001:db8::1]:1": "2001:db8::1", "[fe80::1%eth0]:1": "fe80::1",
		"[::ffff:192.0.2.1]:1": "192.0.2.1", "@": "", "": "", "192.0.2.1": "",
	} {
		require.Equal(t, want, remoteIP(&http.Request{RemoteAddr: given}), given)
	}
}

// dissent returns the first sign against the token in a decoded response, or "". It does not use
// the package's code: it takes everything for a sign except the two documented forms of success.
func dissent(name string, value any) string {
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			if found := dissent(name, field); found != "" {
				return found
			}
		}
	case []any:
		for _, element := range v {
			if found := dissent("", element); found != "" {
				return found
			}
		}
	}
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	empty := value == nil || value == ""
	if list, ok := value.([]any); ok {
		empty = len(list) == 0
	}
	switch {
	case name == "verified" && value != true, name == "success" && value != nil && value != true,
		slices.Contains([]string{"error", "errors", "errorcode", "errorcodes", "reason", "reasons", "reasoncode", "reasoncodes"}, name) && !empty:
		return fmt.Sprintf("%s: %v", name, value)
	}
	return ""
}

// requireAgreement checks that a response whose token was accepted contains no sign against
// it.
func requireAgreement(t *testing.T, status int, body string) {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatalf("HTTP %d %s is accepted (%v)", status, body, err)
	}
	data, hasData := fields["data"]
	object, _ := data.(map[string]any)
	if found := dissent("", fields); found != "" || status < 200 || status > 299 || fields["success"] != true ||
		hasData && object["verified"] != true {
		t.Fatalf("HTTP %d %s is accepted (%s)", status, body, found)
	}
}

// A single sign against the token, anywhere in an otherwise successful response, rejects it.
func TestOneSignRejects(t *testing.T) {
	signs := []string{
		`"verified":false`, `"verified":null`, `"verified":"true"`, `"verified":0`, `"verified":[]`, `"isVerified":false`, `"VERIFIED":{}`,
		`"success":false`, `"success":"true"`, `"success":1`, `"valid":false`, `"ok":false`, `"error":"token_expired"`, `"error":"Oops, no."`,
		`"error":{"code":"x"}`, `"error":{}`, `"error":false`, `"error":0`, `"errors":["x"]`, `"errors":[{}]`, `"error_codes":["timeout-or-duplicate"]`,
		`"error-codes":[""]`, `"errorCode":"x"`, `"error_code":7`, `"reason":"x"`, `"reasonCode":"token_already_used"`, `"reason_codes":{"a":1}`,
		`"Reason-Codes":["x"]`, `"code":"x"`, `"status":"error"`, `"statusCode":403`,
		`"expired":true`, `"isRevoked":true`, `"token_expired":true`, `"already_used":true`, `"fail":true`, `"is_bot":true`,
		`"human":false`, `"isHuman":null`, `"allowed":false`, `"verdict":"bot"`, `"decision":"deny"`, `"result":"fail"`, `"result":false`,
		`"outcome":{}`,
	}
	shapes := []string{ // @ marks the place of the sign
		`{@,"success":true}`, `{"success":true,@}`, `{"success":true,"score":0.1,"timestamp":1,@}`,
		`{"success":true,"data":{"verified":true},@}`, `{"success":true,"data":{"verified":true,@}}`, `{"success":true,"data":{@,"verified":true}}`,
		`{"success":true,"data":{"verified":true,"more":[1,{@}]}}`, `{"success":true,"x":{"y":{"z":{@}}}}`, `{"success":true,"x":[[{@}]]}`,
		`{@,"success":true,"data":{"verified":true,"hostname":"a","action":"b"}}`,
	}
	for _, shape := range shapes {
		for _, sign := range signs {
			body := strings.Replace(shape, "@", sign, 1)
			verdict, err := verdictOf(t, saysJSON(200, body), VerifyOptions{FailOpen: true})
			if err == nil && verdict.OK() && !verdict.Degraded {
				t.Errorf("%s is accepted", body)
			}
			if verdict.Degraded {
				t.Errorf("%s is treated as an outage and accepted", body)
			}
		}
		body := strings.NewReplacer("@,", "", ",@", "", "@", "").Replace(shape)
		verdict, err := verdictOf(t, saysJSON(200, body), VerifyOptions{})
		require.NoError(t, err)
		require.True(t, verdict.OK(), body)
	}
}

// A Client accepts no random answer that contains a sign against the token. The responses
// consist of elements of all known responses.
func TestRandomAnswers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"success", "verified", "data", "error", "reasonCode", "error_codes", "score", "x", "code", "Success", "challenge_ts"}
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	var value func(depth int) string
	object := func(depth int) string {
		var fields []string
		for range r.IntN(5) {
			fields = append(fields, fmt.Sprintf("%q:%s", pick(names...), value(depth+1)))
		}
		if depth == 0 && r.IntN(4) > 0 {
			fields = append(fields, `"success":true`)
		}
		return "{" + strings.Join(fields, ",") + "}"
	}
	value = func(depth int) string {
		switch n := r.IntN(10); {
		case n < 4:
			return "true"
		case n < 6 && depth < 4:
			return object(depth)
		case n < 7 && depth < 4:
			return "[" + value(depth+1) + "]"
		}
		return pick("false", "null", `""`, `"token_expired"`, `"a sentence"`, "0", "1", "200", "[]", "{}", `{"verified":true}`)
	}
	var status int
	var body string
	c := newMemoryClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		saysJSON(status, body).ServeHTTP(w, r)
	}), func(c *Config) { c.MaxRetries, c.Solver = -1, loop })
	accepted := 0
	for range 20000 {
		status, body = []int{200, 200, 200, 201, 302, 400, 403, 500}[r.IntN(8)], object(0)
		verdict, err := c.VerifyToken(t.Context(), testJWT, VerifyOptions{})
		if verdict.OK() {
			accepted++
			require.NoError(t, err)
			requireAgreement(t, status, body)
		}
	}
	require.Greater(t, accepted, 100, "too few responses are accepted for a meaningful test")
}

func FuzzVerdict(f *testing.F) {
	f.Add(200, `{"success":true,"data":{"verified":true}}`)
	f.Add(200, `{"success":true,"data":{"verified":false,"error_codes":["timeout-or-duplicate"]}}`)
	f.Add(200, `{"success":true,"data":{"verified":true},"x":[{"Is-Verified":false}],"errors":[""]}`)
	f.Add(401, `{"success":false,"error":"x","reasonCode":"invalid_secret","score":"1","timestamp":1.5}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c := newMemoryClient(t, saysJSON(status, body), func(c *Config) { c.MaxRetries = -1 })
		verdict, err := c.VerifyToken(t.Context(), testJWT, VerifyOptions{})
		if (err == nil) != (verdict.OK() || len(verdict.ReasonCodes) > 0) {
			t.Errorf("HTTP %d %s: not exactly one of acceptance, reason and error (%v)", status, body, err)
		}
		if verdict.OK() {
			requireAgreement(t, status, body)
		}
	})
}
