package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

const gktincKey = "gktinc_SENTINEL"

// gktincUser returns a GKTinc service and an environment that has its keys and a cache
// directory, but no gkCAPTCHA keys.
func gktincUser(t *testing.T, o gktest.GKTincOptions) (*gktest.Service, environment) {
	o.APIKey = gktincKey
	service := gktest.New(gktest.Options{GKTinc: o})
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	variables := map[string]string{"GKTINC_API_URL": server.URL, "GKTINC_API_KEY": gktincKey, "GKTINC_HASHID": gktest.GKTincHashID}
	return service, environment{
		stdin:    strings.NewReader(""),
		cacheDir: t.TempDir(),
		lookup:   func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
	}
}

// A judge is an agent that has only the GKTinc routes and no listener.
type judge struct {
	*testing.T
	service *gktest.Service
	agent   *agentServer
	journal *journal
}

func newJudge(t *testing.T, o gktest.GKTincOptions, f guardFlags) *judge {
	service, env := gktincUser(t, o)
	j := &judge{T: t, service: service, journal: &journal{}}
	if f.ipHeader == "" {
		f.ipHeader = "X-Real-IP"
	}
	log, registry := slog.New(slog.NewJSONHandler(j.journal, nil)), &metrics.Registry{}
	routes, err := (&agentFlags{gktinc: f}).openGKTinc(t.Context(), env, log)
	require.NoError(t, err)
	j.agent = newAgentServer(nil, "", registry, log)
	routes.addTo(j.agent, registry)
	t.Cleanup(func() { j.journal.check(t) })
	return j
}

// visitor returns the caller's request on behalf of a visitor at 203.0.113.7.
func visitor(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("X-Real-IP", "203.0.113.7")
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// ask sends a request and returns the status and the decoded response.
func (j *judge) ask(r *http.Request) (int, map[string]any) {
	answer := httptest.NewRecorder()
	j.agent.ServeHTTP(answer, r)
	require.NotContains(j, answer.Body.String(), "SENTINEL")
	if answer.Body.Len() == 0 {
		return answer.Code, nil
	}
	require.Equal(j, "application/json", answer.Header().Get("Content-Type"))
	var body map[string]any
	require.NoError(j, json.Unmarshal(answer.Body.Bytes(), &body), answer.Body)
	return answer.Code, body
}

const aPage = "/gktinc/page?url=example.com%2Flogin"

// page requests a page and returns its configuration, with the once replaced by the value
// of the hidden field.
func (j *judge) page() map[string]any { return j.pageOf(aPage) }

func (j *judge) pageOf(target string) map[string]any {
	status, body := j.ask(visitor("GET", target, ""))
	require.Equal(j, 200, status, body)
	config := body["gktinc_config"].(map[string]any)
	config["session"], config["once"] = config["once"], body["once"].(map[string]any)["value"]
	return config
}

// form returns the fields of a form that contains a once.
func form(once any) string {
	return url.Values{"gktinc_once": {once.(string)}, "username": {"bob"}, "gktinc_solution": {"AAAA"}}.Encode()
}

const validateURL = "/gktinc/validate?url=example.com%2Flogin"

func TestAgentLevelCheck(t *testing.T) {
	t.Parallel()
	outage, html := gktest.GKTincFault{Status: 500}, gktest.GKTincFault{HTML: true, Status: 502}
	for _, test := range []struct {
		name   string
		action string
		fault  gktest.GKTincFault
		status map[gktinc.Policy]int
		code   string
	}{
		{"accept", "ACCEPT", gktest.GKTincFault{}, map[gktinc.Policy]int{gktinc.Closed: 204, gktinc.OpenOnOutage: 204, gktinc.Open: 204}, ""},
		{"notify", "NOTIFY", gktest.GKTincFault{}, map[gktinc.Policy]int{gktinc.Closed: 204}, ""},
		{"block", "BLOCK", gktest.GKTincFault{}, map[gktinc.Policy]int{gktinc.Closed: 403, gktinc.OpenOnOutage: 403, gktinc.Open: 403}, "denied"},
		{"something else", "PONDER", gktest.GKTincFault{}, map[gktinc.Policy]int{gktinc.Closed: 502, gktinc.Open: 204}, "unavailable"},
		{"wrong key", "ACCEPT", gktest.GKTincFault{Status: 403}, map[gktinc.Policy]int{gktinc.Closed: 500, gktinc.Open: 500}, "misconfigured"},
		{"rate limit", "ACCEPT", gktest.GKTincFault{Status: 429}, map[gktinc.Policy]int{gktinc.Closed: 429, gktinc.Open: 204}, "rate_limited"},
		{"outage", "ACCEPT", outage, map[gktinc.Policy]int{gktinc.Closed: 502, gktinc.OpenOnOutage: 204, gktinc.Open: 204}, "unavailable"},
		{"proxy page", "ACCEPT", html, map[gktinc.Policy]int{gktinc.Closed: 502, gktinc.OpenOnOutage: 204}, "unavailable"},
	} {
		for policy, want := range test.status {
			t.Run(test.name+"/"+policy.String(), func(t *testing.T) {
				t.Parallel()
				j := newJudge(t, gktest.GKTincOptions{LevelAction: test.action, Level: 5, Fault: test.fault}, guardFlags{policy: policy})
				answer := httptest.NewRecorder()
				j.agent.ServeHTTP(answer, visitor("GET", "/gktinc/level-check", ""))
				require.Equal(t, want, answer.Code, answer.Body)
				if want == 204 {
					require.Empty(t, answer.Body.String())
				} else {
					require.Contains(t, answer.Body.String(), `"error":"`+test.code+`"`)
				}
				if want == 204 || want == 403 {
					degraded := test.fault != gktest.GKTincFault{} || test.action == "PONDER"
					require.Equal(t, degraded, answer.Header().Get("X-Gktinc-Reason") != "action")
					require.Equal(t, degraded, strings.Contains(j.journal.String(), "no verdict, so the policy admits the visitor"))
					if !degraded {
						require.Equal(t, test.action, answer.Header().Get("X-Gktinc-Action"))
						require.Equal(t, "5", answer.Header().Get("X-Gktinc-Level"))
					}
				}
			})
		}
	}
}

func TestAgentForm(t *testing.T) {
	var got gktest.GKTincValidation
	j := newJudge(t, gktest.GKTincOptions{Judge: func(v gktest.GKTincValidation) string {
		got = v
		return gktest.JudgeSolution(v)
	}}, guardFlags{})

	status, body := j.ask(visitor("GET", aPage+"&field=log&form=loginform&script=%2Fown.js&nonce=n0nce&verbose=", ""))
	require.Equal(t, 200, status, body)
	require.Equal(t, false, body["gktinc_blocked"])
	once := body["gktinc_config"].(map[string]any)["once"].(string)
	value := body["once"].(map[string]any)["value"].(string)
	require.Equal(t, "gktinc_once", body["once"].(map[string]any)["name"])
	require.Equal(t, `<input type="hidden" name="gktinc_once" value="`+value+`">`, body["field"])
	for _, part := range []string{`<script nonce="n0nce" src="/own.js">`, once, `document.getElementById("loginform"), "log",  true );`} {
		require.Contains(t, body["scripts"], part)
	}

	page := httptest.NewRecorder()
	j.agent.ServeHTTP(page, visitor("GET", aPage, ""))
	require.Equal(t, "no-store", page.Header().Get("Cache-Control"))
	config := j.page()
	require.Equal(t, "203.0.113.7", config["client_ip"])
	require.Equal(t, "example.com/login", config["url"])
	require.Equal(t, 3.0, config["challenge_level"])
	require.Empty(t, config["sign"])
	r := visitor("POST", validateURL, form(config["once"]))
	r.Header.Set("User-Agent", "Mozilla/5.0")
	r.Header.Set("Sec-CH-UA-Platform", `"Linux"`)
	status, body = j.ask(r)
	require.Equal(t, 200, status, body)
	require.Equal(t, map[string]any{"allowed": true, "reason": "action", "action": "ACCEPT", "score": 0.0,
		"ip_policy": "not_listed", "country": "BR", "city": "Sao Paulo"}, body)
	require.Equal(t, config["session"], got.Once)
	require.Equal(t, "example.com/login", got.URL)
	require.Equal(t, "bob", got.FormInputElementValue)
	require.Equal(t, "203.0.113.7", got.ClientIP.String())
	require.Equal(t, "Mozilla/5.0", got.UserAgent)
	require.Equal(t, `"Linux"`, got.SecCHUAPlatform)

	status, body = j.ask(visitor("POST", validateURL, form(config["once"])))
	require.Equal(t, 403, status)
	require.Equal(t, map[string]any{"error": "denied", "message": "the form is not accepted: unknown once",
		"reason": "unknown_once"}, body)
	for _, test := range []struct{ target, body, reason string }{
		{validateURL, "username=bob", "missing_once"},
		{validateURL, form(strings.Repeat("0", 32)), "unknown_once"},
		{strings.Replace(validateURL, "login", "other", 1), form(j.page()["once"]), "foreign_once"},
		{validateURL, strings.Replace(form(j.page()["once"]), "AAAA", "", 1), "missing_solution"},
		{validateURL, strings.Replace(form(j.page()["once"]), "AAAA", "%21", 1), "action"},
		{validateURL + "&field=log", form(j.page()["once"]) + "&log=alice", "foreign_once"},
		{validateURL + "&field=log", form(j.pageOf(aPage + "&field=log")["once"]) + "&log=alice", ""},
		{validateURL, form(j.pageOf(aPage + "&field=log")["once"]) + "&log=alice", ""},
	} {
		status, body := j.ask(visitor("POST", test.target, test.body))
		if test.reason == "" {
			require.Equal(t, 200, status, body)
			require.Equal(t, "alice", got.FormInputElementValue)
			continue
		}
		require.Equal(t, 403, status, body)
		require.Equal(t, "denied", body["error"])
		require.Equal(t, test.reason, body["reason"])
		require.Nil(t, body["score"], "a proxy may show it to the visitor")
	}

	// Traefik asks like this unless it is configured to preserve the method.
	r = visitor("GET", validateURL, form(j.page()["once"]))
	for name, value := range map[string]string{"X-Forwarded-Method": "POST", "X-Forwarded-Host": "example.com", "X-Forwarded-Uri": "/login",
		"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"} {
		r.Header.Set(name, value)
	}
	status, body = j.ask(r)
	require.Equal(t, 200, status, body)

	answer := httptest.NewRecorder()
	j.agent.ServeHTTP(answer, visitor("GET", "/metrics", ""))
	for _, line := range []string{
		`gkpow_gktinc_verdicts_total{allowed="true",of="form",reason="action"} 4`,
		`gkpow_gktinc_verdicts_total{allowed="false",of="form",reason="unknown_once"} 2`,
		`gkpow_gktinc_verdicts_total{allowed="false",of="form",reason="action"} 1`,
		`gkpow_agent_requests_total{path="/gktinc/validate",status="200"} 4`,
	} {
		require.Contains(t, answer.Body.String(), line+"\n")
	}
}

func TestAgentFormRefused(t *testing.T) {
	j := newJudge(t, gktest.GKTincOptions{}, guardFlags{trusted: []string{"10.0.0.0/8", "192.0.2.1"}})
	cut := visitor("POST", validateURL, "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb")
	cut.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	garbage := visitor("POST", validateURL, form("x"))
	garbage.Header.Set("X-Real-IP", "SENTINEL")
	silent := visitor("POST", validateURL, form("x"))
	silent.Header.Del("X-Real-IP")
	silent.Header.Set("X-Forwarded-For", "203.0.113.7")
	for _, test := range []struct {
		name    string
		request *http.Request
		status  int
		code    string
		message string
	}{
		{"no url", visitor("POST", "/gktinc/validate", form("x")), 400, "bad_request", "URL"},
		{"no url for a page", visitor("GET", "/gktinc/page", ""), 400, "bad_request", "URL"},
		{"typo", visitor("POST", validateURL+"&feild=x", form("x")), 400, "bad_request", "feild"},
		{"malformed", visitor("POST", validateURL+"&%zz", form("x")), 400, "bad_request", "%zz"},
		{"parameter of another", visitor("GET", "/gktinc/level-check?url=example.com%2F", ""), 400, "bad_request", "url"},
		{"script", visitor("GET", aPage+"&script=javascript:x", ""), 400, "bad_request", "the parameter script"},
		{"no address", silent, 400, "bad_request", "X-Real-IP"},
		{"address is garbage", garbage, 400, "bad_request", "X-Real-IP"},
		{"cut", cut, 400, "bad_request", "cannot be read"},
		{"too large", visitor("POST", validateURL, strings.Repeat("x", 1<<20+1)), 413, "too_large", "1048576"},
		{"method", visitor("DELETE", validateURL, ""), 405, "method_not_allowed", "GET, POST"},
		{"no such path", visitor("GET", "/gktinc/", ""), 404, "not_found", "/gktinc/level-check, /gktinc/page, /gktinc/validate, /healthz, /metrics"},
		{"no tokens", visitor("GET", "/token", ""), 404, "not_found", "no such path: use"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body := j.ask(test.request)
			require.Equal(t, test.status, status, body)
			require.Equal(t, test.code, body["error"])
			require.Contains(t, body["message"], test.message)
		})
	}
	require.Zero(t, j.service.Counts())

	j.service.SetGKTincFault(gktest.GKTincFault{Status: 401})
	status, body := j.ask(visitor("POST", validateURL, form(j.page()["once"])))
	require.Equal(t, 500, status)
	require.Equal(t, "misconfigured", body["error"])
	require.Contains(t, j.journal.String(), `"msg":"no verdict"`)
}

func TestAgentAsksLevel(t *testing.T) {
	for _, preEnforce := range []bool{false, true} {
		j := newJudge(t, gktest.GKTincOptions{LevelAction: "BLOCK", Level: 7}, guardFlags{
			askLevel: true, preEnforce: preEnforce, ipHeader: "x-forwarded-for", trusted: []string{"10.1.0.0/16", "192.0.2.1"}})
		r := visitor("GET", aPage, "")
		r.Header.Set("X-Forwarded-For", "198.51.100.9, 192.0.2.2, 192.0.2.1, 10.1.2.3") // X-Real-IP is ignored
		status, body := j.ask(r)
		require.Equal(t, 200, status, body)
		config := body["gktinc_config"].(map[string]any)
		config["once"] = body["once"].(map[string]any)["value"]
		require.Equal(t, "192.0.2.2", config["client_ip"])
		require.Equal(t, 7.0, config["challenge_level"])
		require.NotEmpty(t, config["sign"])
		require.Equal(t, preEnforce, body["gktinc_blocked"])
		r = visitor("POST", validateURL, form(config["once"]))
		r.Header.Set("X-Forwarded-For", "2001:db8::7")
		status, body = j.ask(r)
		if preEnforce {
			require.Equal(t, 403, status)
			require.Equal(t, "blocked", body["reason"])
			continue
		}
		require.Equal(t, 200, status, body)
	}

	// If the service does not answer, the page has the default level.
	j := newJudge(t, gktest.GKTincOptions{Fault: gktest.GKTincFault{Status: 404}, Level: 7}, guardFlags{askLevel: true})
	require.Equal(t, 3.0, j.page()["challenge_level"])
	require.Contains(t, j.journal.String(), "a check failed without stopping the request")
}

// brief returns a context for an agent that must fail to start.
func brief(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// An agent serves only the routes that it has keys for.
func TestAgentKeys(t *testing.T) {
	service, env := gktincUser(t, gktest.GKTincOptions{})
	a := startAgent(t, env, "--listen", "127.0.0.1:0")
	status, _, body := a.call("GET", "/token", "")
	require.Equal(t, 404, status, body)
	status, _, body = a.call("GET", "/gktinc/level-check", "")
	require.Equal(t, 400, status, body)
	right := a.bearer
	a.bearer = ""
	status, _, body = a.call("GET", "/gktinc/level-check", "")
	require.Equal(t, 401, status, body)
	a.bearer = right
	require.Zero(t, service.Counts())
	status, _, body = a.call("GET", "/healthz", "")
	require.Equal(t, 200, status, body)

	u := newUser(t, gktest.Options{})
	a = u.startAgent(t, "--listen", "127.0.0.1:0")
	status, _, body = a.call("GET", "/gktinc/level-check", "")
	require.Equal(t, 404, status, body)
	require.NotEmpty(t, a.token())

	a = startAgent(t, env, "--listen", "127.0.0.1:0", "--emulator", "--difficulty", "1", "--policy", "open-on-outage", "--trusted-proxy", "10.0.0.0/8,10.1.1.1")
	require.NotEmpty(t, a.token())
	status, _, body = a.call("GET", "/gktinc/level-check", "")
	require.Equal(t, 400, status, body)

	for name, test := range map[string]struct {
		drop   string // variable to leave unset
		args   []string
		code   int
		stderr string
	}{
		"no hash id":       {drop: "GKTINC_HASHID", code: exitCredentials, stderr: "GKTINC_HASHID is not set"},
		"no key":           {drop: "GKTINC_API_KEY", code: exitCredentials, stderr: "neither GKTINC_API_KEY nor"},
		"no keys at all":   {drop: "GKTINC_HASHID GKTINC_API_KEY", code: exitCredentials, stderr: "GKCAPTCHA_SITE_KEY is not set"},
		"policy":           {args: []string{"--policy", "ajar"}, code: exitUsage, stderr: "ajar"},
		"trusted proxy":    {args: []string{"--trusted-proxy", "10.0.0.0/33"}, code: exitUsage, stderr: "10.0.0.0/33"},
		"header":           {args: []string{"--client-ip-header", "Via"}, code: exitUsage, stderr: `"Via"`},
		"pre-enforcement":  {args: []string{"--pre-enforce"}, code: exitUsage, stderr: "--ask-level"},
		"URL with a query": {args: nil, drop: "?", code: exitUsage, stderr: "query or fragment"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs strings.Builder
			broken := env
			broken.stdout, broken.stderr = &out, &errs
			broken.lookup = func(name string) (string, bool) {
				if strings.Contains(test.drop, name) {
					return "", false
				}
				value, ok := env.lookup(name)
				if test.drop == "?" && name == "GKTINC_API_URL" {
					value += "?SENTINEL"
				}
				return value, ok
			}
			code := run(brief(t), append([]string{"agent", "--listen", "127.0.0.1:0"}, test.args...), broken)
			require.Equal(t, test.code, code, errs.String())
			require.Contains(t, errs.String(), test.stderr)
			require.NotContains(t, errs.String(), "SENTINEL")
			require.Empty(t, out.String())
		})
	}
	for _, args := range [][]string{{"--policy", "open"}, {"--ask-level"}, {"--trusted-proxy", "10.0.0.1"}} {
		code, _, stderr := u.run(brief(t), append([]string{"agent", "--listen", "127.0.0.1:0"}, args...)...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, args[0]+" needs the GKTinc keys: set GKTINC_HASHID")
	}
}
