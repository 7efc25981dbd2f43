package gktinc

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/internal/leaktest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("GKPOW_TEST_USE_ONCES"); dir != "" {
		useOnces(dir) // this is a child process of TestDiskStoreProcesses
		return
	}
	goleak.VerifyTestMain(m)
}

// clientOf returns a client of a handler that is served on a loopback address.
func clientOf(t testing.TB, h http.Handler, change ...func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	config := Config{
		APIKey:     client.NewSecret(gktest.GKTincAPIKey),
		HashID:     gktest.GKTincHashID,
		URL:        server.URL,
		MaxRetries: -1,
		HTTPClient: server.Client(),
	}
	for _, f := range change {
		f(&config)
	}
	c, err := New(config)
	require.NoError(t, err)
	return c
}

var visitor = netip.MustParseAddr("203.0.113.10")

// submitted returns a validation that the service accepts.
func submitted() Validation {
	return Validation{
		Solution:              "QUFBQQ==",
		ClientIP:              visitor,
		URL:                   "example.com/wp-login.php",
		Once:                  "SESSION_ID",
		FormPayloadSize:       123,
		FormInputElementValue: "username",
	}
}

// recorded is a handler that records the requests and answers like the example in the
// documents.
type recorded struct {
	requests []*http.Request
	bodies   []string
}

func (h *recorded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.requests, h.bodies = append(h.requests, r), append(h.bodies, string(body))
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, `{"action":"ACCEPT","challenge_level":3,"sign":"...","client_ip":"203.0.113.10","country":"BR","city":"Sao Paulo"}`)
	} else {
		_, _ = io.WriteString(w, `{"action":"ACCEPT","score":0,"ip_policy":"not_listed","country":"BR","city":"Sao Paulo"}`)
	}
}

// The client sends what the documents' curl commands send, and the four additional
// fields that the vendor's programs send.
func TestDocumentedRequests(t *testing.T) {
	var sent recorded
	c := clientOf(t, &sent, func(c *Config) {
		c.APIKey, c.HashID, c.AgentID = client.NewSecret("YOUR_API_KEY"), "YOUR_HASHID", "gktinc-php-sdk-WordPress"
		c.URL += "/"
	})
	level, err := c.ChallengeLevel(t.Context(), visitor)
	require.NoError(t, err)
	require.Equal(t, Level{
		Action: ActionAccept, ChallengeLevel: 3, Sign: "...", ClientIP: "203.0.113.10",
		Place: Place{Country: "BR", City: "Sao Paulo"},
	}, level.noRaw())

	v := submitted()
	v.Solution, v.Time, v.ChallengeLevel = "BASE64...", time.Unix(1710000000, 999), level.ChallengeLevel
	verdict, err := c.Validate(t.Context(), v)
	require.NoError(t, err)
	require.True(t, verdict.Allowed)
	require.Equal(t, ActionAccept, verdict.Action)
	require.Zero(t, *verdict.Score)
	require.Equal(t, "not_listed", verdict.IPPolicy)
	require.Equal(t, Place{Country: "BR", City: "Sao Paulo"}, verdict.Place)
	require.Contains(t, verdict.Raw.Reveal(), `"ip_policy":"not_listed"`)

	require.Len(t, sent.requests, 2)
	for i, want := range []struct{ method, uri string }{
		{http.MethodGet, "/v3/tinc/YOUR_HASHID/get_challenge_level/203.0.113.10"},
		{http.MethodPost, "/v3/tinc/YOUR_HASHID/validate_challenge"},
	} {
		r := sent.requests[i]
		require.Equal(t, want.method, r.Method)
		require.Equal(t, want.uri, r.RequestURI)
		require.Equal(t, []string{"YOUR_API_KEY"}, r.Header.Values("X-API-Key"))
		require.Equal(t, []string{"application/json"}, r.Header.Values("Content-Type"))
		require.Equal(t, "application/json", r.Header.Get("Accept"))
		require.Regexp(t, "^gkpow-go/", r.UserAgent())
		require.Empty(t, r.Header.Values("Authorization"))
	}
	require.Empty(t, sent.bodies[0])
	// printf YOUR_API_KEYYOUR_HASHID | sha1sum
	documented := `{
		"agent_id": "gktinc-php-sdk-WordPress",
		"gktinc_solution": "BASE64...",
		"salt": "4f2603e777f1a7611b1b15a7aa4d99af69a7d753",
		"client_ip": "203.0.113.10",
		"url": "example.com/wp-login.php",
		"once": "SESSION_ID",
		"form_payload_size": 123,
		"form_input_element_value": "username",
		"time": 1710000000,
		"challenge_level": 3,
		"user_agent": "", "sec_ch_ua": "", "sec_ch_ua_mobile": "", "sec_ch_ua_platform": ""
	}`
	require.JSONEq(t, documented, sent.bodies[1])

	// Every other field, and the conversions of URL and address.
	v = submitted()
	v.URL, v.ClientIP = "https://example.com:8443/a/b?c#d", netip.MustParseAddr("::ffff:192.0.2.1")
	v.UserAgent, v.SecCHUA, v.SecCHUAMobile, v.SecCHUAPlatform = "Mozilla/5.0", `"Chromium";v="140"`, "?0", `"Linux"`
	c.now = func() time.Time { return time.Unix(1_700_000_000, 5e8) }
	_, err = c.Validate(t.Context(), v)
	require.NoError(t, err)
	v.ChallengeLevel, v.ClientIP = -1, netip.MustParseAddr("fe80::1%eth0")
	_, err = c.Validate(t.Context(), v)
	require.NoError(t, err)
	_, err = c.ChallengeLevel(t.Context(), netip.MustParseAddr("2001:db8::1%eth0"))
	require.NoError(t, err)
	require.Equal(t, "/v3/tinc/YOUR_HASHID/get_challenge_level/2001:db8::1", sent.requests[4].RequestURI)
	var body map[string]any
	require.NoError(t, json.Unmarshal([]byte(sent.bodies[2]), &body))
	require.Equal(t, map[string]any{
		"agent_id": "gktinc-php-sdk-WordPress", "gktinc_solution": "QUFBQQ==", "salt": "4f2603e777f1a7611b1b15a7aa4d99af69a7d753",
		"client_ip": "192.0.2.1", "url": "example.com:8443/a/b", "once": "SESSION_ID", "form_payload_size": 123.0,
		"form_input_element_value": "username", "time": 1.7e9, "challenge_level": 3.0,
		"user_agent": "Mozilla/5.0", "sec_ch_ua": `"Chromium";v="140"`, "sec_ch_ua_mobile": "?0", "sec_ch_ua_platform": `"Linux"`,
	}, body)
	body = nil
	require.NoError(t, json.Unmarshal([]byte(sent.bodies[3]), &body))
	require.Equal(t, "fe80::1", body["client_ip"])
	require.NotContains(t, body, "challenge_level")
}

// noRaw removes Raw before a comparison, since two Secrets are never equal.
func (l Level) noRaw() Level {
	l.Raw = client.Secret{}
	return l
}

// The emulator checks every field of a request.
func TestAgainstTheEmulator(t *testing.T) {
	service := gktest.New(gktest.Options{GKTinc: gktest.GKTincOptions{Level: 5, SingleUse: true}})
	c := clientOf(t, service)
	level, err := c.ChallengeLevel(t.Context(), visitor)
	require.NoError(t, err)
	require.Equal(t, 5, level.ChallengeLevel)
	require.Len(t, level.Sign, 64)
	for i, want := range []Action{ActionAccept, ActionInvalid} {
		verdict, err := c.Validate(t.Context(), submitted())
		require.NoError(t, err)
		require.Equal(t, want, verdict.Action)
		require.Equal(t, i == 0, verdict.Allowed)
	}
	v := submitted()
	v.Solution = "not base64"
	verdict, err := c.Validate(t.Context(), v)
	require.NoError(t, err)
	require.Equal(t, ActionInvalid, verdict.Action)
	require.Equal(t, gktest.Counts{GKTincLevels: 1, GKTincValidations: 3}, service.Counts())

	v = submitted()
	v.Time = time.Now().Add(-time.Hour)
	_, err = c.Validate(t.Context(), v)
	require.ErrorIs(t, err, client.ErrMisconfigured)
	require.ErrorContains(t, err, "invalid_time (HTTP 400)")

	for _, change := range []func(*Config){
		func(c *Config) { c.APIKey = client.NewSecret("wrong") },
		func(c *Config) { c.HashID = "wrong" },
	} {
		_, err := clientOf(t, service, change).Validate(t.Context(), submitted())
		require.ErrorIs(t, err, client.ErrMisconfigured)
		require.ErrorContains(t, err, "GKTINC_API_KEY")
		require.NotContains(t, err.Error(), "GKCAPTCHA")
	}
}

func TestInvalidConfig(t *testing.T) {
	const key = "0secret0"
	for want, change := range map[string]func(*Config){
		"APIKey is empty":                  func(c *Config) { c.APIKey = client.Secret{} },
		"HashID is empty":                  func(c *Config) { c.HashID = "" },
		"APIKey is not visible ASCII":      func(c *Config) { c.APIKey = client.NewSecret(key + "\n") },
		"APIKey is not visible ASCII of":   func(c *Config) { c.APIKey = client.NewSecret(strings.Repeat(key, 600)) },
		"HashID is not visible ASCII":      func(c *Config) { c.HashID = "é" },
		"HashID is not visible ASCII of":   func(c *Config) { c.HashID = ".." },
		"DefaultLevel is -1":               func(c *Config) { c.DefaultLevel = -1 },
		"DefaultLevel is 1001":             func(c *Config) { c.DefaultLevel = 1001 },
		"Policy is 3":                      func(c *Config) { c.Policy = 3 },
		"Timeout is -1s":                   func(c *Config) { c.Timeout = -time.Second },
		"UserAgent has":                    func(c *Config) { c.UserAgent = "a\n" },
		"URL does not begin with https://": func(c *Config) { c.URL = "example.com" },
		"URL would send the secret key":    func(c *Config) { c.URL = "http://example.com" },
	} {
		config := Config{APIKey: client.NewSecret(key), HashID: "h"}
		change(&config)
		_, err := New(config)
		require.ErrorIs(t, err, client.ErrMisconfigured, want)
		require.ErrorContains(t, err, "client: gktinc/config: "+want)
		leaktest.RequireSafe(t, err, key)
	}
	_, err := New(Config{APIKey: client.NewSecret(key), HashID: "h", URL: "x"})
	require.ErrorContains(t, err, DefaultURL)
}

func TestSalt(t *testing.T) {
	c, err := New(Config{APIKey: client.NewSecret("a"), HashID: "bc"})
	require.NoError(t, err)
	require.Equal(t, "a9993e364706816aba3e25717850c26c9cd0d89d", c.Salt()) // FIPS 180-4, SHA-1("abc")
}

// A hash id is always a single segment of the path.
func TestHashIDIsEscaped(t *testing.T) {
	var sent recorded
	c := clientOf(t, &sent, func(c *Config) { c.HashID = "a/../b?c%d#" })
	_, err := c.ChallengeLevel(t.Context(), visitor)
	require.NoError(t, err)
	require.Equal(t, "/v3/tinc/a%2F..%2Fb%3Fc%25d%23/get_challenge_level/203.0.113.10", sent.requests[0].RequestURI)
}

func TestPrintsNoSecret(t *testing.T) {
	c := clientOf(t, gktest.New(gktest.Options{}))
	level, err := c.ChallengeLevel(t.Context(), visitor)
	require.NoError(t, err)
	verdict, err := c.Validate(t.Context(), submitted())
	require.NoError(t, err)
	config := Config{APIKey: client.NewSecret(gktest.GKTincAPIKey), HashID: "h"}
	for _, v := range []any{c, *c, level, &level, verdict, &verdict, config, &config} {
		leaktest.RequireSafe(t, v, gktest.GKTincAPIKey)
	}
}

func TestPageURL(t *testing.T) {
	for given, want := range map[string]string{
		"example.com/wp-login.php":                   "example.com/wp-login.php",
		"https://example.com/wp-login.php":           "example.com/wp-login.php",
		"HTTP://Example.com:8080/A%20b/?c=d//e#f":    "Example.com:8080/A%20b/",
		"//example.com/a//b":                         "example.com/a//b",
		"example.com":                                "example.com/",
		"example.com?a=/b":                           "example.com/",
		"example.com#a":                              "example.com/",
		"[2001:db8::1]:80/a":                         "[2001:db8::1]:80/a",
		"example.com/a://b":                          "example.com/a://b",
		"example.com/https://other.example/?x":       "example.com/https://other.example/",
		"example.com/realms/r/protocol/openid/ü@:[]": "example.com/realms/r/protocol/openid/ü@:[]",
	} {
		got, err := PageURL(given)
		require.NoError(t, err, given)
		require.Equal(t, want, got)
		again, err := PageURL(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	for _, given := range []string{"", "/", "/login", "https://", "https:///a", "https://http://x/", "u:p@example.com/", "u@example.com",
		"exa mple.com/", "example.com/a b", "example.com/\n", "example.com:/", "?a", "#", ":80/a", "[::1/a", "example.com/\xff", "example.com/%zz"} {
		_, err := PageURL(given)
		require.ErrorContains(t, err, "host and path", "%q", given)
	}
}

func FuzzPageURL(f *testing.F) {
	for _, s := range []string{"https://example.com/a?b#c", "//a//b", "http://http://x", "[::1]:80/a", "a:b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		page, err := PageURL(s)
		if err != nil {
			return
		}
		again, err := PageURL(page)
		if err != nil || again != page {
			t.Fatalf("PageURL(%q) = %q, but PageURL of that = %q, %v", s, page, again, err)
		}
		if strings.ContainsAny(page, "?# \n") || strings.HasPrefix(page, "/") || !strings.Contains(page, "/") {
			t.Fatalf("PageURL(%q) = %q", s, page)
		}
	})
}
