package client

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	testSite   = "pk_live_0site0"
	testSecret = "sk_live_0secret0"
)

func TestInvalidConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"SiteKey is empty":                 func(c *Config) { c.SiteKey = "" },
		"SecretKey is empty":               func(c *Config) { c.SecretKey = Secret{} },
		"SiteKey has white space":          func(c *Config) { c.SiteKey += "\n" },
		"SecretKey has white space":        func(c *Config) { c.SecretKey = NewSecret(testSecret + "\n") },
		"SecretKey has white space or con": func(c *Config) { c.SecretKey = NewSecret("\xff" + testSecret) },
		"MaxDifficulty is -1":              func(c *Config) { c.MaxDifficulty = -1 },
		"MaxDifficulty is 65":              func(c *Config) { c.MaxDifficulty = 65 },
		"MaxRounds is -1":                  func(c *Config) { c.MaxRounds = -1 },
		"Margin is -1ns":                   func(c *Config) { c.Margin = -1 },
		"Timeout is -1s":                   func(c *Config) { c.Timeout = -time.Second },
		"UserAgent has":                    func(c *Config) { c.UserAgent = "a\r\nb: c" },
		"URL does not begin with https://": func(c *Config) { c.URL = "ftp://example.com" },
	} {
		config := Config{SiteKey: testSite, SecretKey: NewSecret(testSecret)}
		change(&config)
		_, err := New(config)
		require.ErrorIs(t, err, ErrMisconfigured, want)
		require.ErrorContains(t, err, "client: config: "+want)
		requireSafe(t, err, testSecret)
	}
}

func TestURL(t *testing.T) {
	for given, want := range map[string]string{
		"":                             "https://gkcaptcha.gatekeeper.sa/x",
		"https://example.com":          "https://example.com/x",
		"https://example.com/":         "https://example.com/x",
		"https://example.com:8443/a//": "https://example.com:8443/a/x",
		"http://localhost:8080":        "http://localhost:8080/x",
		"http://LOCALHOST":             "http://LOCALHOST/x",
		"http://127.9.8.7/gk":          "http://127.9.8.7/gk/x",
		"http://[::1]:1/":              "http://[::1]:1/x",
	} {
		c, err := New(Config{SiteKey: testSite, SecretKey: NewSecret(testSecret), URL: given})
		require.NoError(t, err, given)
		require.Equal(t, want, c.api.endpoint("/x"), given)
	}
	const password = "0pass0"
	for _, given := range []string{
		"http://example.com", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://128.0.0.1",
		"http://[::2]", "http://0.0.0.0",
		"example.com", "//example.com", "https:example.com", "https://", "https://:443", "https:///a", "file:///etc",
		"https://u:" + password + "@example.com", "https://u:" + password + "@exa mple.com", "https://" + password + "@localhost",
		"https://example.com?a=b", "https://example.com?", "https://example.com/#a", "https://example.com#",
		"https://example.com:x" + password, "\x7f", "https://example.com/%zz",
	} {
		_, err := New(Config{SiteKey: testSite, SecretKey: NewSecret(testSecret), URL: given})
		require.ErrorIs(t, err, ErrMisconfigured, given)
		requireSafe(t, err, password)
	}
}

func TestHTTPClientIsCopied(t *testing.T) {
	given := &http.Client{Timeout: time.Second}
	own := newHTTPClient(given)
	require.Nil(t, given.CheckRedirect)
	require.Equal(t, time.Second, own.Timeout)
	require.ErrorIs(t, own.CheckRedirect(nil, nil), http.ErrUseLastResponse)

	transport := newHTTPClient(nil).Transport.(*http.Transport)
	require.NotSame(t, http.DefaultTransport, transport)
	require.EqualValues(t, 0x0303, transport.TLSClientConfig.MinVersion)
	if standard := http.DefaultTransport.(*http.Transport).TLSClientConfig; standard != nil {
		require.NotSame(t, standard, transport.TLSClientConfig)
	}
}
