package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
)

// A witness is a Judge for the emulator that records the validations it receives.
type witness struct {
	mu  sync.Mutex
	got []gktest.GKTincValidation
}

func (w *witness) judge(v gktest.GKTincValidation) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, v)
	return gktest.JudgeSolution(v)
}

func (w *witness) last(t *testing.T) gktest.GKTincValidation {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.got)
	return w.got[len(w.got)-1]
}

func jsonForm(fields map[string]any) string {
	all := map[string]any{"gktinc_solution": "AAAA", "client_ip": "198.51.100.9", "url": "example.com/login", "form_payload_size": 77,
		"form_input_element_value": "böb", "user_agent": "Mozilla/5.0", "sec_ch_ua": "x", "sec_ch_ua_mobile": "?0", "sec_ch_ua_platform": "y"}
	for name, value := range fields {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func describe(target, body string) *http.Request {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	return r
}

func TestAgentJSON(t *testing.T) {
	var w witness
	j := newJudge(t, gktest.GKTincOptions{Judge: w.judge}, guardFlags{})
	const target = "/gktinc/validate"
	config := j.page()
	status, body := j.ask(describe(target, jsonForm(map[string]any{"once": config["once"], "challenge_level": 1})))
	require.Equal(t, 200, status, body)
	got := w.last(t)
	require.Equal(t, config["session"], got.Once, "the once that the page's script received")
	require.Equal(t, "198.51.100.9", got.ClientIP.String())
	require.Equal(t, 77, got.FormPayloadSize, "a size that only the application knows, such as WordPress's")
	require.Equal(t, "böb", got.FormInputElementValue)
	require.Equal(t, "Mozilla/5.0", got.UserAgent)
	require.Equal(t, 3, got.ChallengeLevel, "the page's level")
	status, body = j.ask(describe(target, jsonForm(map[string]any{"once": config["once"]})))
	require.Equal(t, 403, status, body)
	require.Equal(t, "unknown_once", body["reason"])
	fromHeader := describe(target, jsonForm(map[string]any{"once": j.page()["once"], "client_ip": nil}))
	fromHeader.Header.Set("X-Real-IP", "203.0.113.7")
	status, body = j.ask(fromHeader)
	require.Equal(t, 200, status, body)
	require.Equal(t, "203.0.113.7", w.last(t).ClientIP.String())

	for name, test := range map[string]struct {
		target string
		fields map[string]any
		status int
		says   string // in the message or the reason
	}{
		"no once":                     {target, nil, 403, "missing_once"},
		"the script's once":           {target, map[string]any{"once": config["session"]}, 403, "unknown_once"},
		"another page's":              {target, map[string]any{"once": "page", "url": "example.com/other"}, 403, "foreign_once"},
		"no solution":                 {target, map[string]any{"once": "page", "gktinc_solution": nil}, 403, "missing_solution"},
		"no value":                    {target, map[string]any{"once": "page", "form_input_element_value": nil}, 400, "form_input_element_value"},
		"no value, which may be":      {target + "?field-optional", map[string]any{"once": "page", "form_input_element_value": nil}, 200, ""},
		"an array":                    {target, map[string]any{"once": "page", "form_input_element_value": []string{"admin"}}, 400, "form_input_element_value"},
		"no size":                     {target, map[string]any{"once": "page", "form_payload_size": nil}, 400, "form_payload_size"},
		"no address":                  {target, map[string]any{"once": "page", "client_ip": nil}, 400, "client_ip"},
		"no url":                      {target, map[string]any{"once": "page", "url": nil}, 400, "url"},
		"unknown field":               {target, map[string]any{"once": "page", "Once": "x"}, 400, "unknown field"},
		"agent's own":                 {target, map[string]any{"once": "page", "salt": "x"}, 400, "leave it out"},
		"redirect":                    {target + "?redirect=@a", map[string]any{"once": "page"}, 400, "redirect"},
		"a visitor, through a proxy":  {validateURL, map[string]any{"once": "page"}, 400, "X-Real-IP"},
		"a visitor, through a proxy2": {validateURL, map[string]any{"once": "page", "header": nil}, 403, "missing_once"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.fields["once"] == "page" {
				test.fields["once"] = j.page()["once"]
			}
			r := describe(test.target, jsonForm(test.fields))
			if _, ok := test.fields["header"]; ok {
				r.Header.Set("X-Real-IP", "203.0.113.7")
			}
			status, body := j.ask(r)
			require.Equal(t, test.status, status, body)
			if test.says != "" {
				text, err := json.Marshal(body)
				require.NoError(t, err)
				require.Contains(t, string(text), test.says)
			}
		})
	}
	status, body = j.ask(describe(target, `{"once":`))
	require.Equal(t, 400, status, body)
	status, body = j.ask(describe(target, jsonForm(map[string]any{"once": strings.Repeat("x", 1<<20)})))
	require.Equal(t, 413, status, body)
}

// nginx needs an internal redirect to a named location, and the fields as HTML.
func TestAgentForNginx(t *testing.T) {
	j := newJudge(t, gktest.GKTincOptions{}, guardFlags{})
	answer := httptest.NewRecorder()
	j.agent.ServeHTTP(answer, visitor("GET", aPage+"&format=html", ""))
	require.Equal(t, 200, answer.Code)
	require.Equal(t, "text/html; charset=utf-8", answer.Header().Get("Content-Type"))
	require.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
	require.Regexp(t, `^<input type="hidden" name="gktinc_once" value="[^"]+">\n<script>\nvar gktinc_config = \{`, answer.Body.String())
	status, body := j.ask(visitor("GET", aPage+"&format=xml", ""))
	require.Equal(t, 400, status, body)

	target := validateURL + "&redirect=%40application"
	once := j.page()["once"]
	answer = httptest.NewRecorder()
	j.agent.ServeHTTP(answer, visitor("POST", target, form(once)))
	require.Equal(t, 200, answer.Code, answer.Body)
	require.Equal(t, "@application", answer.Header().Get("X-Accel-Redirect"))
	require.Empty(t, answer.Body.String())
	answer = httptest.NewRecorder()
	j.agent.ServeHTTP(answer, visitor("POST", target, form(once)))
	require.Equal(t, 403, answer.Code)
	require.Empty(t, answer.Header().Get("X-Accel-Redirect"))
	for _, bad := range []string{"", "/login", "application", "@a\r\nX: y", "@a/b"} {
		r := visitor("POST", "/", form(j.page()["once"]))
		r.URL.Path, r.URL.RawQuery = "/gktinc/validate", "url=example.com/login&redirect="+strings.NewReplacer("\r", "%0D", "\n", "%0A", " ", "%20").Replace(bad)
		status, body := j.ask(r)
		require.Equal(t, 400, status, "%q: %v", bad, body)
	}
}

// The response that a visitor may see tells them what to do and reveals no internals.
func TestAgentRefusals(t *testing.T) {
	t.Parallel()
	inside := []string{"SENTINEL", "GKTINC", "gktinc", "127.0.0.1", "localhost", "client:", "Guard", "Config", "HTTP 4", "redirected", "field"}
	for name, test := range map[string]struct {
		fault  gktest.GKTincFault
		body   func(once any) string
		status int
		says   string
	}{
		"denied":     {gktest.GKTincFault{}, func(any) string { return form(strings.Repeat("0", 32)) }, 403, "The form was not accepted"},
		"wrong key":  {gktest.GKTincFault{Status: 401}, form, 500, "could not be checked"},
		"outage":     {gktest.GKTincFault{Status: 503}, form, 502, "could not be checked"},
		"redirect":   {gktest.GKTincFault{Status: 301}, form, 502, "could not be checked"},
		"rate limit": {gktest.GKTincFault{Status: 429}, form, 429, "could not be checked"},
		"unreadable": {gktest.GKTincFault{}, func(once any) string { return form(once) + "&username[]=x" }, 400, "cannot be read"},
		"long":       {gktest.GKTincFault{}, func(once any) string { return strings.Replace(form(once), "AAAA", strings.Repeat("A", 65<<10), 1) }, 400, "cannot be read"},
		"too large":  {gktest.GKTincFault{}, func(any) string { return strings.Repeat("x", 1<<20+1) }, 413, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJudge(t, gktest.GKTincOptions{}, guardFlags{})
			once := j.page()["once"]
			j.service.SetGKTincFault(test.fault)
			r := visitor("POST", validateURL, test.body(once))
			r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
			answer := httptest.NewRecorder()
			j.agent.ServeHTTP(answer, r)
			require.Equal(t, test.status, answer.Code, answer.Body)
			require.Equal(t, "text/html; charset=utf-8", answer.Header().Get("Content-Type"))
			require.Contains(t, answer.Body.String(), test.says)
			for _, word := range inside {
				require.NotContains(t, answer.Body.String(), word)
			}
			if test.status != 403 && test.status != 413 {
				require.Contains(t, j.journal.String(), `"error":`, "only the log has the error")
			}
			// Programs get the same message in JSON.
			status, body := j.ask(visitor("POST", validateURL, test.body(j.page()["once"])))
			require.Equal(t, test.status, status)
			for _, word := range []string{"SENTINEL", "gktinc/", "client:", "127.0.0.1", "Config"} {
				require.NotContains(t, body["message"], word)
			}
			if status >= 429 {
				require.Equal(t, "no verdict is available: try again later", body["message"])
			}
		})
	}
}

// If a proxy sends the agent a wrong request, the log says what is wrong, and the visitor's page
// does not.
func TestAgentMisused(t *testing.T) {
	for target, says := range map[string]string{
		"/gktinc/validate?url=example.com/login":              "X-Real-IP",
		"/gktinc/level-check":                                 "X-Real-IP",
		"/gktinc/validate?url=example.com/login&redirect=/in": "redirect",
		"/gktinc/validate?url=example.com/login&secret=x":     "secret",
		"/gktinc/validate?url=/":                              "url",
	} {
		j := newJudge(t, gktest.GKTincOptions{}, guardFlags{})
		r := visitor("POST", target, "username=bob")
		if says == "X-Real-IP" {
			r.Header.Del("X-Real-IP")
		}
		status, body := j.ask(r)
		require.Equal(t, 400, status)
		require.Contains(t, body["message"], says)
		require.Contains(t, j.journal.String(), says)
		r = r.Clone(t.Context())
		r.Header.Set("Accept", "text/html")
		answer := httptest.NewRecorder()
		j.agent.ServeHTTP(answer, r)
		require.Equal(t, 400, answer.Code)
		title := "The form could not be checked"
		if strings.HasPrefix(target, "/gktinc/level-check") {
			title = "The page is not available"
		}
		require.Contains(t, answer.Body.String(), "<h1>"+title+"</h1>")
		require.NotContains(t, answer.Body.String(), says)
	}
}

// The page for a visitor who has sent no form does not mention a form. Caddy passes these pages on.
func TestAgentRefusesAddresses(t *testing.T) {
	ask := func(j *judge) (int, string) {
		r := visitor("GET", "/gktinc/level-check", "")
		r.Header.Set("Accept", "text/html")
		answer := httptest.NewRecorder()
		j.agent.ServeHTTP(answer, r)
		require.NotContains(t, answer.Body.String(), "form")
		require.NotContains(t, answer.Body.String(), "203.0.113.7")
		return answer.Code, answer.Body.String()
	}
	j := newJudge(t, gktest.GKTincOptions{LevelAction: "BLOCK"}, guardFlags{})
	status, body := ask(j)
	require.Equal(t, 403, status)
	require.Contains(t, body, "You cannot open this page")
	j.service.SetGKTincFault(gktest.GKTincFault{Status: 403})
	status, body = ask(j)
	require.Equal(t, 500, status)
	require.Contains(t, body, "The page is not available")
}

// The response to a form that stops arriving contains no addresses.
func TestAgentBrokenForm(t *testing.T) {
	j := newJudge(t, gktest.GKTincOptions{}, guardFlags{})
	r := visitor("POST", validateURL, "username=bob")
	broken := &net.OpError{Op: "read", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 1234}, Err: os.ErrDeadlineExceeded}
	r.Body = io.NopCloser(iotest.ErrReader(broken))
	status, body := j.ask(r)
	require.Equal(t, 400, status)
	require.Equal(t, "the form did not arrive", body["message"])
	require.Contains(t, j.journal.String(), "192.0.2.7")
}

func TestGuardFlags(t *testing.T) {
	var w witness
	j := newJudge(t, gktest.GKTincOptions{Judge: w.judge}, guardFlags{agentID: "shop", defaultLevel: 7, sameIP: true, lifetime: time.Minute, maxBody: 1000,
		onceField: "ticket", formSize: "wordpress", script: "/own.js"})
	status, body := j.ask(visitor("GET", aPage, ""))
	require.Equal(t, 200, status, body)
	require.Equal(t, 7.0, body["gktinc_config"].(map[string]any)["challenge_level"])
	require.Contains(t, body["field"], `name="ticket"`)
	require.Contains(t, body["scripts"], ` src="/own.js"`)
	once := body["once"].(map[string]any)["value"].(string)
	sent := "ticket=" + once + "&username=O%27Brien&gktinc_solution=AAAA"
	status, body = j.ask(visitor("POST", validateURL, sent))
	require.Equal(t, 200, status, body)
	got := w.last(t)
	require.Equal(t, "shop", got.AgentID)
	require.Equal(t, 7, got.ChallengeLevel)
	require.Equal(t, gktinc.PayloadSizeWordPress(gktinc.Form{{Name: "ticket", Value: once}, {Name: "username", Value: "O'Brien"}, {Name: "gktinc_solution", Value: "AAAA"}}), got.FormPayloadSize)

	status, body = j.ask(visitor("GET", aPage, ""))
	require.Equal(t, 200, status)
	r := visitor("POST", validateURL, "username=bob&gktinc_solution=AAAA&ticket="+body["once"].(map[string]any)["value"].(string))
	r.Header.Set("X-Real-IP", "198.51.100.9")
	status, body = j.ask(r)
	require.Equal(t, 403, status)
	require.Equal(t, "foreign_once", body["reason"])
	status, body = j.ask(visitor("POST", validateURL, strings.Repeat("x", 1001)))
	require.Equal(t, 413, status, body)

	_, env := gktincUser(t, gktest.GKTincOptions{})
	for flag, value := range map[string]string{"default-level": "1001", "gktinc-timeout": "0s", "page-lifetime": "10ms", "max-body": "0", "form-size": "java",
		"once-dir": os.Args[0], "client-ip-header": "X-Mine"} {
		var stderr strings.Builder
		env.stderr = &stderr
		require.Equal(t, exitUsage, run(brief(t), []string{"agent", "--listen", "127.0.0.1:0", "--" + flag, value}, env), stderr.String())
		require.Contains(t, stderr.String(), "--"+flag)
	}
}

// Pages stay valid after the agent restarts, and used pages stay used.
func TestAgentRestarts(t *testing.T) {
	_, env := gktincUser(t, gktest.GKTincOptions{})
	env.cacheDir = t.TempDir()
	judgeIn := func() *judge {
		j := newJudge(t, gktest.GKTincOptions{}, guardFlags{onceDir: env.cacheDir})
		return j
	}
	before := judgeIn()
	open, used := before.page()["once"], before.page()["once"]
	status, body := before.ask(visitor("POST", validateURL, form(used)))
	require.Equal(t, 200, status, body)
	after := judgeIn()
	status, body = after.ask(visitor("POST", validateURL, form(open)))
	require.Equal(t, 200, status, body)
	status, body = after.ask(visitor("POST", validateURL, form(used)))
	require.Equal(t, 403, status, body)
	status, body = before.ask(visitor("POST", validateURL, form(open)))
	require.Equal(t, 403, status, body)
}

// If the service does not answer, only the visitors before the circuit breaker opens have to wait.
func TestAgentOutage(t *testing.T) {
	j := newJudge(t, gktest.GKTincOptions{Fault: gktest.GKTincFault{Delay: time.Hour}}, guardFlags{timeout: 50 * time.Millisecond, policy: gktinc.OpenOnOutage})
	for range 5 {
		status, body := j.ask(visitor("POST", validateURL, form(j.page()["once"])))
		require.Equal(t, 200, status, body)
	}
	for range 20 {
		status, body := j.ask(visitor("POST", validateURL, form(j.page()["once"])))
		require.Equal(t, 200, status, body)
		require.Contains(t, body["error"], "circuit breaker is open")
	}
	answer := httptest.NewRecorder()
	j.agent.ServeHTTP(answer, visitor("GET", "/metrics", ""))
	for _, line := range []string{
		`gkpow_circuit_open{service="gktinc"} 1`,
		`gkpow_circuit_openings_total{service="gktinc"} 1`,
		`gkpow_requests_in_flight{service="gktinc"} 0`,
		`gkpow_requests_in_flight_limit{service="gktinc"} 100`,
		`gkpow_requests_not_sent_total{reason="circuit_open",service="gktinc"} 20`,
		`gkpow_requests_not_sent_total{reason="too_many_in_flight",service="gktinc"} 0`,
	} {
		require.Contains(t, answer.Body.String(), line+"\n")
	}
}
