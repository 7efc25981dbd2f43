package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

func TestExchangeMetrics(t *testing.T) {
	u := newUser(t, gktest.Options{Quota: 1})
	a := u.startAgent(t, "--listen", "127.0.0.1:0", "--no-cache")
	first := a.token()
	_, _, text := a.call("GET", "/metrics", "")
	require.Contains(t, text, `gkpow_service_responses_total{operation="challenge",service="gkcaptcha",status="200"} 1`+"\n")
	require.Contains(t, text, `gkpow_service_responses_total{operation="verify",service="gkcaptcha",status="200"} 1`+"\n")
	require.Contains(t, text, `gkpow_service_response_seconds_count{operation="challenge",service="gkcaptcha"} 1`+"\n")
	require.Contains(t, text, `gkpow_quota_exceeded{service="gkcaptcha"} 0`+"\n")

	a.call("DELETE", "/token", `{"token":"`+first+`"}`)
	status, _, _ := a.call("GET", "/token", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	_, _, text = a.call("GET", "/metrics", "")
	require.Contains(t, text, `gkpow_service_responses_total{operation="challenge",service="gkcaptcha",status="429"} 1`+"\n")
	require.Contains(t, text, `gkpow_quota_exceeded{service="gkcaptcha"} 1`+"\n")
	require.Contains(t, text, `gkpow_token_failures_total{kind="quota_exceeded"} 1`+"\n")
}

func TestRateLimitMetric(t *testing.T) {
	registry := &metrics.Registry{}
	var m exchangeMetrics
	m.onExchange(client.Exchange{Op: "gktinc/level", Status: 200}) // counted before the metrics are registered
	m.register(registry, "gktinc")
	m.onExchange(client.Exchange{Op: "gktinc/level", Status: 429, RetryAfter: time.Hour})
	m.onExchange(client.Exchange{Op: "gktinc/level"})
	text := serveMetrics(registry)
	require.Regexp(t, `(?m)^gkpow_rate_limit_ends_timestamp_seconds{service="gktinc"} 1\.`, text)
	require.Contains(t, text, `gkpow_service_responses_total{operation="level",service="gktinc",status="none"} 1`+"\n")
}

// The agent's metrics pass the Prometheus linter, and docs/metrics.md names all of them.
func TestMetricsLint(t *testing.T) {
	u := newUser(t, gktest.Options{})
	env := u.environment(nil, nil)
	lookup := env.lookup
	env.lookup = func(name string) (string, bool) {
		if value, ok := map[string]string{"GKTINC_API_KEY": "k", "GKTINC_HASHID": "h", "GKTINC_API_URL": u.url}[name]; ok {
			return value, true
		}
		return lookup(name)
	}
	a := startAgent(t, env, "--listen", "127.0.0.1:0", "--cache-url", "redis://127.0.0.1:1?timeout=20ms", "--once-dir", t.TempDir())
	a.token()
	_, _, text := a.call("GET", "/metrics", "")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)

	document := readDocument(t, "metrics.md")
	names := regexp.MustCompile(`(?m)^# TYPE (gkpow_\w+) `).FindAllStringSubmatch(text, -1)
	require.Greater(t, len(names), 15)
	for _, name := range names {
		require.Contains(t, document, "`"+name[1]+"`")
	}
}

func serveMetrics(registry *metrics.Registry) string {
	answer := httptest.NewRecorder()
	registry.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	return answer.Body.String()
}

func readDocument(t *testing.T, name string) string {
	data, err := os.ReadFile("../../docs/" + name)
	require.NoError(t, err)
	return string(data)
}
