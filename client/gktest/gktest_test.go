package gktest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

const (
	challengePath   = "/api/v1/m2m/challenge"
	verifyPath      = "/api/v1/m2m/verify"
	tokenVerifyPath = "/api/v1/token/verify"
	keys            = `"siteKey":"pk_test_gkpow","secretKey":"sk_test_gkpow"`
)

// A clock stands still until advance moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newClock returns a clock that shows 1700000000.5 s, which makes rounding visible.
func newClock() *clock { return &clock{now: time.Unix(1_700_000_000, 5e8)} }

// post sends a JSON body and returns the response, with numbers as json.Number.
func post(t testing.TB, h http.Handler, path, body string, header ...string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.UseNumber()
	var fields map[string]any
	require.NoError(t, d.Decode(&fields), "response to %s: %s", body, w.Body)
	return w, fields
}

// requireError checks all fields of an error response.
func requireError(t testing.TB, w *httptest.ResponseRecorder, fields map[string]any, status int, code string) {
	t.Helper()
	require.Equal(t, status, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, map[string]any{"success": false, "error": code}, fields)
}

// issue gets a challenge and a body that solves it.
func issue(t testing.TB, s *Service) (challenge map[string]any, solution string) {
	t.Helper()
	w, ch := post(t, s, challengePath, "{"+keys+"}")
	require.Equal(t, http.StatusOK, w.Code, "%v", ch)
	difficulty, err := ch["difficulty"].(json.Number).Int64()
	require.NoError(t, err)
	nonce, hash := solve(ch["salt"].(string), int(difficulty))
	return ch, attempt(ch["challengeId"], nonce, hash)
}

func attempt(id any, nonce uint64, hash string) string {
	return fmt.Sprintf(`{%s,"challengeId":%q,"nonce":%d,"hash":%q}`, keys, id, nonce, hash)
}

func hashOf(salt string, nonce uint64) string {
	sum := sha256.Sum256([]byte(salt + ":" + strconv.FormatUint(nonce, 10)))
	return hex.EncodeToString(sum[:])
}

func solve(salt string, difficulty int) (uint64, string) {
	for nonce := uint64(0); ; nonce++ {
		if hash := hashOf(salt, nonce); strings.HasPrefix(hash, strings.Repeat("0", difficulty)) {
			return nonce, hash
		}
	}
}

func token(t testing.TB, s *Service) string {
	t.Helper()
	_, solution := issue(t, s)
	w, fields := post(t, s, verifyPath, solution)
	require.Equal(t, http.StatusOK, w.Code, "%v", fields)
	return fields["token"].(string)
}

func TestDocumentedAnswers(t *testing.T) {
	c := newClock()
	s := New(Options{Difficulty: 2, Clock: c.Now})

	w, ch := post(t, s, challengePath, "{"+keys+"}")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "Tue, 14 Nov 2023 22:13:20 GMT", w.Header().Get("Date"))
	id, salt := ch["challengeId"].(string), ch["salt"].(string)
	require.Regexp(t, `^[0-9a-f]{32}$`, id)
	require.Regexp(t, `^[0-9a-f]{32}$`, salt)
	require.NotEqual(t, id, salt)
	require.Equal(t, map[string]any{
		"challengeId": id,
		"salt":        salt,
		"nonce":       "server-seed",
		"difficulty":  json.Number("2"),
		"expiresAt":   json.Number("1700000060"),
	}, ch)

	nonce, hash := solve(salt, 2)
	w, fields := post(t, s, verifyPath, attempt(id, nonce, hash))
	require.Equal(t, http.StatusOK, w.Code, "%v", fields)
	signed := fields["token"].(string)
	require.Equal(t, map[string]any{
		"success":   true,
		"token":     signed,
		"expiresAt": json.Number("1700000300"),
	}, fields)
	require.True(t, strings.HasPrefix(signed, "eyJhbGciOiJIUzI1NiIs"), signed)

	var payload map[string]any
	parsed, _, err := jwt.NewParser().ParseUnverified(signed, jwt.MapClaims{})
	require.NoError(t, err)
	payload = parsed.Claims.(jwt.MapClaims)
	require.Regexp(t, `^[0-9a-f]{32}$`, payload["jti"])
	delete(payload, "jti")
	require.Equal(t, map[string]any{
		"type": "m2m", "sub": SiteKey, "iat": 1.7e9, "exp": 1.7e9 + 300,
	}, payload)
	require.Equal(t, Counts{Challenges: 1, Verifies: 1, Tokens: 1}, s.Counts())
}

func TestSaltsDiffer(t *testing.T) {
	s := New(Options{Difficulty: NoWork})
	a, _ := issue(t, s)
	b, _ := issue(t, s)
	require.NotEqual(t, a["salt"], b["salt"])
	require.NotEqual(t, a["challengeId"], b["challengeId"])
}

func TestDifficulty(t *testing.T) {
	for given, want := range map[int]string{0: "6", NoWork: "0", 1: "1", 64: "64"} {
		_, ch := post(t, New(Options{Difficulty: given}), challengePath, "{"+keys+"}")
		require.Equal(t, json.Number(want), ch["difficulty"], "Options.Difficulty %d", given)
	}
	s := New(Options{})
	s.SetDifficulty(0)
	_, solution := issue(t, s)
	s.SetDifficulty(64) // affects only later challenges
	w, fields := post(t, s, verifyPath, solution)
	require.Equal(t, http.StatusOK, w.Code, "%v", fields)

	for _, o := range []Options{{Difficulty: 65}, {Difficulty: -2}, {Quota: -1}, {RateLimit: -1}, {TokenLifetime: -1}} {
		require.Panics(t, func() { New(o) }, "%+v", o)
	}
}

func TestRequestIsRefused(t *testing.T) {
	const rest = `"challengeId":"x","nonce":1,"hash":"00"`
	big := `{` + keys + `,"pad":"` + strings.Repeat("x", maxRequest) + `"}`
	for name, c := range map[string]struct {
		method, path, media, body string
		status                    int
		code                      string
	}{
		"unknown path":        {"POST", "/api/v1/m2m/other", "application/json", "{}", 404, "not_found"},
		"trailing slash":      {"POST", challengePath + "/", "application/json", "{}", 404, "not_found"},
		"method":              {"GET", challengePath, "application/json", "", 405, "method_not_allowed"},
		"method before media": {"PUT", verifyPath, "text/plain", "", 405, "method_not_allowed"},
		"no media type":       {"POST", challengePath, "", "{}", 415, "unsupported_media_type"},
		"form":                {"POST", tokenVerifyPath, "application/x-www-form-urlencoded", "a=b", 415, "unsupported_media_type"},
		"too large":           {"POST", challengePath, "application/json", big, 413, "payload_too_large"},
		"empty":               {"POST", challengePath, "application/json", "", 400, "bad_request"},
		"not JSON":            {"POST", challengePath, "application/json", "{", 400, "bad_request"},
		"null":                {"POST", challengePath, "application/json", "null", 400, "bad_request"},
		"array":               {"POST", challengePath, "application/json", "[]", 400, "bad_request"},
		"trailing data":       {"POST", challengePath, "application/json", "{" + keys + "}{}", 400, "bad_request"},
		"site key a number":   {"POST", challengePath, "application/json", `{"siteKey":1,"secretKey":"x"}`, 400, "bad_request"},
		"secret key null":     {"POST", challengePath, "application/json", `{"siteKey":"x","secretKey":null}`, 400, "bad_request"},
		"no keys":             {"POST", challengePath, "application/json", "{}", 401, "invalid_key"},
		"key by wrong case":   {"POST", challengePath, "application/json", strings.ToUpper("{" + keys + "}"), 401, "invalid_key"},
		"wrong site key":      {"POST", challengePath, "application/json", `{"siteKey":"pk_other","secretKey":"sk_test_gkpow"}`, 401, "invalid_key"},
		"wrong secret key":    {"POST", challengePath, "application/json", `{"siteKey":"pk_test_gkpow","secretKey":"sk_test_gkpo"}`, 401, "invalid_key"},
		"verify wrong key":    {"POST", verifyPath, "application/json", `{"siteKey":"pk_test_gkpow","secretKey":"no",` + rest + `}`, 401, "invalid_key"},
		"types before keys":   {"POST", verifyPath, "application/json", `{"challengeId":"x","nonce":"1","hash":"00"}`, 400, "bad_request"},
		"no challenge":        {"POST", verifyPath, "application/json", `{` + keys + `,"nonce":1,"hash":"00"}`, 400, "bad_request"},
		"no hash":             {"POST", verifyPath, "application/json", `{` + keys + `,"challengeId":"x","nonce":1}`, 400, "bad_request"},
		"no nonce":            {"POST", verifyPath, "application/json", `{` + keys + `,"challengeId":"x","hash":"00"}`, 400, "bad_request"},
		"unknown challenge":   {"POST", verifyPath, "application/json", `{` + keys + `,` + rest + `}`, 400, "challenge_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.media)
			w := httptest.NewRecorder()
			New(Options{}).ServeHTTP(w, r)
			var fields map[string]any
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &fields))
			requireError(t, w, fields, c.status, c.code)
			if c.status == http.StatusMethodNotAllowed {
				require.Equal(t, http.MethodPost, w.Header().Get("Allow"))
			}
		})
	}
}

func TestRequestIsAccepted(t *testing.T) {
	s := New(Options{Difficulty: NoWork})
	w, _ := post(t, s, challengePath, "\n{ "+keys+" , \"new\":{\"a\":[1]} }\n", "Content-Type", "Application/JSON; charset=utf-8")
	require.Equal(t, http.StatusOK, w.Code)
}

// A nonce must be a JSON number of digits only. A malformed attempt does not use the
// challenge up.
func TestNonceForms(t *testing.T) {
	s := New(Options{Difficulty: NoWork})
	ch, _ := issue(t, s)
	salt := ch["salt"].(string)
	for _, form := range []string{`"7"`, `7.0`, `7.5`, `-7`, `-0`, `7e0`, `70E-1`, `null`, `true`, `[7]`, `18446744073709551616`} {
		body := fmt.Sprintf(`{%s,"challengeId":%q,"nonce":%s,"hash":%q}`, keys, ch["challengeId"], form, hashOf(salt, 7))
		w, fields := post(t, s, verifyPath, body)
		require.Equal(t, "bad_request", fields["error"], "nonce %s", form)
		requireError(t, w, fields, http.StatusBadRequest, "bad_request")
	}
	const largest = 1<<64 - 1
	w, fields := post(t, s, verifyPath, attempt(ch["challengeId"], largest, hashOf(salt, largest)))
	require.Equal(t, http.StatusOK, w.Code, "%v", fields)
}

func TestInvalidSolution(t *testing.T) {
	for name, c := range map[string]func(nonce uint64, hash, other string) (uint64, string){
		"another nonce":     func(n uint64, hash, _ string) (uint64, string) { return n + 1, hash },
		"another hash":      func(n uint64, _, other string) (uint64, string) { return n, other },
		"hash with zeros":   func(n uint64, _, _ string) (uint64, string) { return n, strings.Repeat("0", 64) },
		"upper-case hash":   func(n uint64, hash, _ string) (uint64, string) { return n, strings.ToUpper(hash) },
		"truncated hash":    func(n uint64, hash, _ string) (uint64, string) { return n, hash[:63] },
		"honest, not zeros": func(n uint64, _, other string) (uint64, string) { return n + 1, other },
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Options{Difficulty: 2})
			var ch map[string]any
			var solution, hash, other string
			var right uint64
			// One salt in 256 has two solutions in a row. Skip those.
			for other = "00"; strings.HasPrefix(other, "00") || !strings.ContainsAny(hash, "abcdef"); {
				ch, solution = issue(t, s)
				right, hash = solve(ch["salt"].(string), 2)
				other = hashOf(ch["salt"].(string), right+1)
			}
			nonce, wrong := c(right, hash, other)
			w, fields := post(t, s, verifyPath, attempt(ch["challengeId"], nonce, wrong))
			requireError(t, w, fields, http.StatusBadRequest, "invalid_solution")

			w, fields = post(t, s, verifyPath, solution) // the attempt used it up
			requireError(t, w, fields, http.StatusBadRequest, "challenge_expired")
		})
	}
}

func TestChallengeIsSingleUse(t *testing.T) {
	s := New(Options{Difficulty: 1})
	_, solution := issue(t, s)
	w, _ := post(t, s, verifyPath, solution)
	require.Equal(t, http.StatusOK, w.Code)
	w, fields := post(t, s, verifyPath, solution)
	requireError(t, w, fields, http.StatusBadRequest, "challenge_expired")
}

func TestChallengeExpires(t *testing.T) {
	c := newClock()
	s := New(Options{Difficulty: 1, Clock: c.Now, ChallengeLifetime: 10 * time.Second})
	_, first := issue(t, s)
	_, second := issue(t, s)
	c.advance(9499 * time.Millisecond)
	w, fields := post(t, s, verifyPath, first)
	require.Equal(t, http.StatusOK, w.Code, "%v", fields)
	c.advance(time.Millisecond) // now it is the second that expiresAt names
	w, fields = post(t, s, verifyPath, second)
	requireError(t, w, fields, http.StatusBadRequest, "challenge_expired")
}

func TestM2MDisabled(t *testing.T) {
	s := New(Options{Difficulty: 1})
	_, solution := issue(t, s)
	s.SetM2MDisabled(true)
	w, fields := post(t, s, challengePath, "{"+keys+"}")
	requireError(t, w, fields, http.StatusForbidden, "m2m_disabled")
	w, fields = post(t, s, verifyPath, solution)
	requireError(t, w, fields, http.StatusForbidden, "m2m_disabled")
	w, fields = post(t, s, challengePath, `{"siteKey":"a","secretKey":"b"}`)
	requireError(t, w, fields, http.StatusUnauthorized, "invalid_key")

	w, fields = post(t, New(Options{M2MDisabled: true}), challengePath, "{"+keys+"}")
	requireError(t, w, fields, http.StatusForbidden, "m2m_disabled")
}

func TestRateLimit(t *testing.T) {
	c := newClock()
	s := New(Options{Difficulty: 1, Clock: c.Now, RateLimit: 2, RateWindow: 30 * time.Second})
	for range 5 { // these do not count
		w, fields := post(t, s, challengePath, `{"siteKey":"a","secretKey":"b"}`)
		requireError(t, w, fields, http.StatusUnauthorized, "invalid_key")
	}
	_, solution := issue(t, s)
	issue(t, s)

	limited := func(path, body string, seconds string) {
		t.Helper()
		w, fields := post(t, s, path, body)
		require.Equal(t, http.StatusTooManyRequests, w.Code)
		require.Equal(t, map[string]any{
			"success": false, "error": "rate_limited", "retryAfter": json.Number(seconds),
		}, fields)
		require.Equal(t, seconds, w.Header().Get("Retry-After"))
	}
	limited(verifyPath, solution, "30")
	c.advance(29*time.Second + 900*time.Millisecond)
	limited(challengePath, "{"+keys+"}", "1") // never 0
	c.advance(100 * time.Millisecond)
	w, fields := post(t, s, verifyPath, solution)
	require.Equal(t, http.StatusOK, w.Code, "%v", fields)
}

func TestQuotaIsPerMonth(t *testing.T) {
	c := &clock{now: time.Date(2026, 12, 31, 23, 59, 50, 0, time.UTC)}
	s := New(Options{Difficulty: 1, Clock: c.Now, Quota: 2})
	issue(t, s)
	_, solution := issue(t, s)
	w, fields := post(t, s, challengePath, "{"+keys+"}")
	requireError(t, w, fields, http.StatusTooManyRequests, "quota_exceeded")
	require.Empty(t, w.Header().Get("Retry-After"))

	w, fields = post(t, s, verifyPath, solution) // the last challenge still counts
	require.Equal(t, http.StatusOK, w.Code, "%v", fields)

	c.advance(10 * time.Second) // January of the next year
	issue(t, s)
}

func TestMemoryIsBounded(t *testing.T) {
	c := newClock()
	s := New(Options{Difficulty: NoWork, Clock: c.Now})
	_, first := issue(t, s)
	_, second := issue(t, s)
	for range maxRemembered - 1 {
		issue(t, s)
	}
	require.Len(t, s.challenges.entries, maxRemembered)
	require.Len(t, s.challenges.order, maxRemembered)
	w, fields := post(t, s, verifyPath, first)
	requireError(t, w, fields, http.StatusBadRequest, "challenge_expired")
	w, fields = post(t, s, verifyPath, second)
	require.Equal(t, http.StatusOK, w.Code, "%v", fields)

	c.advance(time.Minute)
	issue(t, s)
	require.Len(t, s.challenges.entries, 1)
	require.Len(t, s.challenges.order, 1)
}

func TestConcurrentUse(t *testing.T) {
	s := New(Options{Difficulty: 1})
	_, contested := issue(t, s)
	const workers = 16
	codes := make(chan int, workers)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			token(t, s)
			s.SetDifficulty(1)
			w, _ := post(t, s, verifyPath, contested)
			codes <- w.Code
		})
	}
	group.Wait()
	close(codes)
	won := 0
	for code := range codes {
		if code == http.StatusOK {
			won++
		}
	}
	require.Equal(t, 1, won, "one challenge must yield one token")
	require.Equal(t, Counts{Challenges: workers + 1, Verifies: 2 * workers, Tokens: workers + 1}, s.Counts())
}

func FuzzVerify(f *testing.F) {
	const id, salt = "00112233445566778899aabbccddeeff", "7f8e9d0c"
	right, hash := solve(salt, 2)
	f.Add([]byte(attempt(id, right, hash)))
	f.Add([]byte(attempt(id, right+1, hash)))
	f.Add([]byte(attempt(id, right, hashOf(salt, right+1))))
	f.Add([]byte(attempt("other", right, hash)))
	f.Add(fmt.Appendf(nil, `{%s,"challengeId":%q,"nonce":"%d","hash":%q}`, keys, id, right, hash))
	f.Add(fmt.Appendf(nil, `{%s,"challengeId":%q,"nonce":%d,"nonce":%d,"hash":%q}`, keys, id, right, right+1, hash))
	f.Add(fmt.Appendf(nil, `{%s,"challengeId":%q,"nonce":%d.0,"hash":%q} x`, keys, id, right, hash))
	f.Add([]byte("{" + keys + "}"))
	f.Add([]byte(`[{"nonce":1e400}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := New(Options{Difficulty: 2, SigningKey: []byte("k")})
		now := time.Now()
		s.challenges.add(now, id, challenge{salt: salt, difficulty: 2}, now.Add(time.Hour))
		w, fields := post(t, s, verifyPath, string(body))
		if w.Code != http.StatusOK {
			if fields["token"] != nil || fields["success"] != false {
				t.Fatalf("status %d with %v", w.Code, fields)
			}
			return
		}
		var sent struct {
			SecretKey string
			Nonce     uint64
		}
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Skip("encoding/json ignores the case of names, and fails on duplicates")
		}
		if !strings.HasPrefix(hashOf(salt, sent.Nonce), "00") || !strings.Contains(string(body), "sk_test_gkpow") && !strings.Contains(string(body), `\`) {
			t.Fatalf("token for %s", body)
		}
	})
}
