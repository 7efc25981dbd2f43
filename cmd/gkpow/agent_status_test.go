package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// askAgentStatus runs "gkpow agent status" with the variables that an agent exported.
func askAgentStatus(t *testing.T, a *runningAgent, args ...string) (code int, stdout, stderr string) {
	variables := map[string]string{"GKPOW_AGENT_SOCKET": a.socket, "GKPOW_AGENT_URL": a.url, "GKPOW_AGENT_BEARER_FILE": a.bearerFile}
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"agent", "status"}, args...), environment{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		lookup: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
	})
	return code, out.String(), errs.String()
}

func TestAgentStatus(t *testing.T) {
	u := newUser(t, gktest.Options{})
	a := u.startAgent(t, "--listen", "127.0.0.1:0", "--no-cache")
	code, stdout, stderr := askAgentStatus(t, a)
	require.Equal(t, exitOK, code, stderr)
	require.Regexp(t, `(?m)^ready +yes$`, stdout)
	require.Regexp(t, `(?m)^token +none in use$`, stdout)
	require.Zero(t, u.service.Counts().Challenges, "asking for the status must not request a challenge")

	// The first probe requests a token. Concurrent probes wait for that token, and later
	// probes do not renew it.
	for range 2 {
		var probes sync.WaitGroup
		for range 3 {
			probes.Go(func() {
				status, _, body := a.call("GET", "/readyz", "")
				assert.Equal(t, 200, status)
				assert.Equal(t, `{"status":"ready"}`+"\n", body)
			})
		}
		probes.Wait()
	}
	require.Equal(t, 1, u.service.Counts().Challenges)
	code, stdout, stderr = askAgentStatus(t, a)
	require.Equal(t, exitOK, code, stderr)
	require.Regexp(t, `(?m)^token +got [0-9]s ago, expires in (4m5[0-9]s|5m0s)$`, stdout)
	require.Regexp(t, `(?m)^next renewal +with the first request in (3m5[0-9]s|4m0s) or later$`, stdout)
	require.Regexp(t, `(?m)^rate +[0-9.]+ MH/s in the latest search$`, stdout)
	require.NotContains(t, stdout, "eyJ")
	_, stdout, _ = askAgentStatus(t, a, "--json")
	var status agentStatus
	require.NoError(t, json.Unmarshal([]byte(stdout), &status))
	require.True(t, status.Ready)
	require.Equal(t, 1, status.Tokens)
	require.NotNil(t, status.Failures)

	// The page contains no script and no secret, and requires the bearer.
	code, header, page := a.call("GET", "/", "")
	require.Equal(t, 200, code)
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(t, page, "gkpow agent: ready")
	for _, s := range []string{"<script", "eyJ", "SENTINEL", a.bearer} {
		require.NotContains(t, page, s)
	}
	for _, path := range []string{"/", "/status"} {
		response, err := http.Get(a.url + path)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, 401, response.StatusCode)
	}
	_, _, metrics := a.call("GET", "/metrics", "")
	require.Regexp(t, `(?m)^gkpow_build_info{commit="[^"]*",kernel="[a-z0-9]+",version="[^"]+"} 1$`, metrics)
	require.Contains(t, metrics, `gkpow_token_failures_total{kind="misconfigured"} 0`+"\n")
}

func TestAgentNotReady(t *testing.T) {
	t.Parallel()
	u := newUser(t, gktest.Options{M2MDisabled: true})
	a := u.startAgent(t, "--listen", "127.0.0.1:0", "--no-cache")
	var probes sync.WaitGroup
	for range 3 { // only the first probe reaches the service
		probes.Go(func() {
			status, _, body := a.call("GET", "/readyz", "")
			assert.Equal(t, 503, status)
			assert.Equal(t, `{"error":"misconfigured","status":"not ready"}`+"\n", body)
		})
	}
	probes.Wait()
	status, _, _ := a.call("GET", "/healthz", "")
	require.Equal(t, 200, status)
	_, _, metrics := a.call("GET", "/metrics", "")
	require.Contains(t, metrics, `gkpow_token_failures_total{kind="misconfigured"} 1`+"\n")
	require.Contains(t, metrics, `gkpow_tokens_total{from="service"} 0`+"\n", "the alert GkpowNoTokens compares it with 0")
	code, stdout, _ := askAgentStatus(t, a)
	require.Equal(t, exitOther, code)
	require.Regexp(t, `(?m)^ready +no$`, stdout)
	require.Regexp(t, `(?m)^failed +[0-9:]{8} misconfigured: challenge: m2m_disabled`, stdout)
	_, _, page := a.call("GET", "/", "")
	require.Contains(t, page, "not ready")
	require.Contains(t, page, "m2m_disabled")

	u.service.SetM2MDisabled(false)
	require.Eventually(t, func() bool {
		status, _, _ := a.call("GET", "/token", "")
		return status == 200
	}, time.Minute, 100*time.Millisecond)
	status, _, _ = a.call("GET", "/readyz", "")
	require.Equal(t, 200, status)
}

// The page escapes the service's error message.
func TestAgentPageHostile(t *testing.T) {
	const hostile = `</td></table><script>alert(1)</script>"'&`
	page := agentStatus{
		Version: hostile, Kernel: hostile,
		Failures: []agentFailure{{time.Now(), hostile, hostile}},
	}.page()
	require.NotContains(t, page, "<script")
	require.Equal(t, 4, strings.Count(page, "&lt;/td&gt;&lt;/table&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;"))
	require.Equal(t, 2, strings.Count(page, "</table>"))
}

func TestAgentStatusUsage(t *testing.T) {
	code, _, stderr := gkpow(t.Context(), "", "", "agent", "status")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "set GKPOW_AGENT_SOCKET, or GKPOW_AGENT_URL and GKPOW_AGENT_BEARER_FILE")
	gone := httptest.NewServer(nil)
	gone.Close()
	code, _, stderr = askAgentStatus(t, &runningAgent{socket: "/nowhere/agent.sock"})
	require.Equal(t, exitNetwork, code)
	require.Contains(t, stderr, "no response from the agent")
}
