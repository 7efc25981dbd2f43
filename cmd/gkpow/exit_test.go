package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

const secret = "sk_live_SENTINEL"

// gkpow runs a command line in this process, with keys for the service at url.
func gkpow(ctx context.Context, url, stdin string, args ...string) (code int, stdout, stderr string) {
	variables := map[string]string{
		"GKCAPTCHA_API_URL":    url,
		"GKCAPTCHA_SITE_KEY":   "pk_live_site",
		"GKCAPTCHA_SECRET_KEY": secret,
	}
	var out, errs bytes.Buffer
	code = run(ctx, args, environment{
		stdin:  strings.NewReader(stdin),
		stdout: &out,
		stderr: &errs,
		lookup: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
	})
	return code, out.String(), errs.String()
}

// noVariables looks up variables in an empty environment.
func noVariables(string) (string, bool) { return "", false }

// answer returns a handler that gives every request the same response.
func answer(status int, contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

func challengeJSON(change string) string {
	body := fmt.Sprintf(`{"challengeId":"c","salt":"s","nonce":"n","difficulty":1,"expiresAt":%d`, time.Now().Unix()+60)
	if change != "" {
		body += "," + change // the last of two fields with the same name wins
	}
	return body + "}"
}

// service returns an emulator that accepts the keys of func gkpow.
func service(o gktest.Options) http.Handler {
	o.SiteKey, o.SecretKey, o.Difficulty = "pk_live_site", secret, 1
	return gktest.New(o)
}

// verifies answers challenges as the service does, and verifications with a handler.
func verifies(verify http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/v1/m2m/challenge", service(gktest.Options{}))
	mux.Handle("/api/v1/m2m/verify", verify)
	return mux
}

func TestTokenExitCodes(t *testing.T) {
	t.Parallel()
	html := "<html><body>Access denied to " + secret + "</body></html>"
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range 100 { // MiB
			if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
				return
			}
		}
	})
	silent := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	for _, test := range []struct {
		name    string
		handler http.Handler
		args    []string
		code    int
		stderr  string // a substring
	}{
		{"ok", service(gktest.Options{}), nil, exitOK, ""},
		{"wrong keys", gktest.New(gktest.Options{}), nil, exitCredentials, "GKCAPTCHA_SECRET_KEY"},
		{"disabled", service(gktest.Options{M2MDisabled: true}), nil, exitCredentials, "Starter plan"},
		{"rate limited", service(gktest.Options{RateLimit: 1}), nil, exitRateLimited, "rate"},
		{"quota", answer(429, "application/json", `{"success":false,"error":"quota_exceeded"}`), nil, exitQuota, "quota"},
		{"expired on arrival", answer(200, "application/json", challengeJSON(`"expiresAt":1700000060`)), nil, exitTime, "expired"},
		{"expired on verify", verifies(answer(400, "application/json", `{"success":false,"error":"challenge_expired"}`)), nil, exitTime, "expired"},
		{"dead token", verifies(answer(200, "application/json", `{"success":true,"token":"eyJ","expiresAt":1700000360}`)), nil, exitTime, "the token had expired when it arrived"},
		{"firewall 401", answer(401, "text/html", html), nil, exitNetwork, "a proxy or a firewall"},
		{"firewall 403", answer(403, "text/html", html), nil, exitNetwork, "a proxy or a firewall"},
		{"firewall 429", answer(429, "text/plain", "slow down"), nil, exitNetwork, "a proxy or a firewall"},
		{"gateway 403", answer(403, "application/json", `{"message":"Forbidden"}`), nil, exitNetwork, "a proxy or a firewall"},
		{"rejected", verifies(answer(400, "application/json", `{"success":false,"error":"invalid_solution"}`)), nil, exitRejected, "invalid_solution"},
		{"too hard", answer(200, "application/json", challengeJSON(`"difficulty":9`)), nil, exitRejected, "--max-difficulty"},
		{"impossible", answer(200, "application/json", challengeJSON(`"difficulty":300`)), nil, exitRejected, "300"},
		{"negative", answer(200, "application/json", challengeJSON(`"difficulty":-1`)), nil, exitRejected, "-1"},
		{"no salt", answer(200, "application/json", challengeJSON(`"salt":null`)), nil, exitNetwork, "salt"},
		{"no token", verifies(answer(200, "application/json", `{"success":true}`)), nil, exitNetwork, "token"},
		{"proxy page", answer(502, "text/html", html), nil, exitNetwork, "502"},
		{"proxy page that pretends", answer(200, "text/html", html), nil, exitNetwork, "GKCAPTCHA_API_URL"},
		{"empty", answer(200, "application/json", ""), nil, exitNetwork, "GKCAPTCHA_API_URL"},
		{"echo", answer(400, "application/json", `{"success":false,"error":"`+secret+`"}`), nil, exitRejected, "400"},
		{"endless", endless, nil, exitNetwork, "1 MiB"},
		{"redirect", http.RedirectHandler("https://elsewhere.invalid/"+secret, http.StatusTemporaryRedirect), nil, exitNetwork, "elsewhere.invalid"},
		{"silent", silent, []string{"--timeout", "50ms"}, exitTime, "--timeout"},
		{"too slow", service(gktest.Options{}), []string{"--timeout", "1ns"}, exitTime, "--timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			code, stdout, stderr := gkpow(t.Context(), server.URL, "", append([]string{"token", "--no-cache"}, test.args...)...)
			require.Equal(t, test.code, code, stderr)
			if code == exitOK {
				require.Regexp(t, `^eyJ[^\n]+\n$`, stdout)
				require.Empty(t, stderr)
			} else {
				require.Empty(t, stdout)
				require.Regexp(t, `^gkpow: error: `, stderr)
				require.Contains(t, stderr, test.stderr)
			}
			require.NotContains(t, stdout+stderr, "SENTINEL")
		})
	}
}

func TestSolveExitCodes(t *testing.T) {
	for _, test := range []struct {
		name      string
		challenge string
		args      []string
		code      int
	}{
		{"ok", challengeJSON(""), nil, exitOK},
		{"expired", challengeJSON(`"expiresAt":1700000060`), nil, exitTime},
		{"expires while solving", challengeJSON(fmt.Sprintf(`"difficulty":64,"expiresAt":%d`, time.Now().UnixMilli()+500)), nil, exitTime},
		{"impossible", challengeJSON(`"difficulty":300`), nil, exitUsage},
		{"negative", challengeJSON(`"difficulty":-1`), nil, exitUsage},
		{"not a number", challengeJSON(`"difficulty":"six"`), nil, exitUsage},
		{"no salt", `{"challengeId":"c","difficulty":1,"expiresAt":9000000000}`, nil, exitUsage},
		{"empty", "", nil, exitUsage},
		{"page", "<html>", nil, exitUsage},
		{"huge", strings.Repeat(" ", 2<<20), nil, exitUsage},
		{"the API's error", `{"success":false,"error":"quota_exceeded"}`, nil, exitQuota},
		{"timeout", challengeJSON(`"difficulty":64`), []string{"--timeout", "20ms"}, exitTime},
		{"exhausted", challengeJSON(`"difficulty":64`), []string{"--max-nonce", "100"}, exitNone},
		{"exhausted shard", challengeJSON(`"difficulty":64`), []string{"--max-nonce", "100", "--shard", "0/2"}, exitNone},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"solve", "--challenge", "-"}, test.args...)
			code, stdout, stderr := gkpow(t.Context(), "", test.challenge, args...)
			require.Equal(t, test.code, code, stderr)
			require.Equal(t, code == exitOK, stdout != "")
			require.Equal(t, code == exitOK, stderr == "", stderr)
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, context.Canceled)
		defer cancel()
		code, stdout, _ := gkpow(ctx, "", "", "solve", "--salt", "x", "--bits", "256")
		require.NotEqual(t, exitOK, code)
		require.Empty(t, stdout)
	})
}

// brokenWriter fails every write, like a full disk or a closed pipe.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestOutputFails(t *testing.T) {
	for _, args := range [][]string{
		{"solve", "--salt", "x", "--difficulty", "1"},
		{"solve", "--salt", "x", "--difficulty", "1", "--json"},
		{"token", "--emulator", "--difficulty", "1"},
		{"version"},
		{"backends"},
		{"explain", "--salt", "x", "--difficulty", "1", "--max-nonce", "9"},
		{"emulator", "--listen", "127.0.0.1:0"},
		{"agent", "--emulator", "--listen", "127.0.0.1:0"},
		{"doctor", "--emulator"},
		{"doctor", "--emulator", "--json"},
	} {
		var stderr bytes.Buffer
		code := run(t.Context(), args, environment{stdin: strings.NewReader(""), stdout: brokenWriter{}, stderr: &stderr, lookup: noVariables, cacheDir: t.TempDir()})
		require.Equal(t, exitOther, code, "%q: %s", args, stderr.String())
	}
}

// The emulator serves until its context ends and prints the variables that gkpow token
// needs.
func TestEmulatorCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	exited := make(chan int, 1)
	go func() {
		exited <- run(ctx, []string{"emulator", "--listen", "127.0.0.1:0", "--difficulty", "2", "--quota", "1"},
			environment{stdin: strings.NewReader(""), stdout: writer, stderr: io.Discard, lookup: noVariables})
		writer.Close()
	}()
	variables := map[string]string{}
	lines := bufio.NewScanner(reader)
	for _, name := range []string{"GKCAPTCHA_API_URL", "GKCAPTCHA_SITE_KEY", "GKCAPTCHA_SECRET_KEY", "GKTINC_API_URL", "GKTINC_HASHID", "GKTINC_API_KEY"} {
		require.True(t, lines.Scan())
		value, ok := strings.CutPrefix(lines.Text(), "export "+name+"=")
		require.True(t, ok, lines.Text())
		require.Regexp(t, `^'[^']+'$`, value)
		variables[name] = strings.Trim(value, "'")
	}
	env := environment{stdin: strings.NewReader(""), lookup: func(name string) (string, bool) { value, ok := variables[name]; return value, ok }}
	for _, want := range []int{exitOK, exitQuota} {
		var stdout, stderr bytes.Buffer
		env.stdout, env.stderr = &stdout, &stderr
		require.Equal(t, want, run(t.Context(), []string{"token", "--no-cache"}, env), stderr.String())
	}
	for _, args := range [][]string{{"gktinc", "level", "192.0.2.1"}, {"gktinc", "validate"}} {
		var stdout, stderr bytes.Buffer
		env.stdout, env.stderr, env.stdin = &stdout, &stderr, strings.NewReader(validationJSON)
		require.Equal(t, exitOK, run(t.Context(), args, env), stderr.String())
	}
	cancel()
	require.Equal(t, exitOK, <-exited)
}

func TestEmulatorSwitches(t *testing.T) {
	for args, want := range map[string][2]int{
		"":                                      {exitOK, exitOK},
		"--gktinc-action BLOCK":                 {exitOK, exitRejected},
		"--gktinc-level-action BLOCK":           {exitRejected, exitOK},
		"--gktinc-status 404":                   {exitCredentials, exitCredentials},
		"--gktinc-html":                         {exitNetwork, exitNetwork},
		"--gktinc-delay 1h":                     {exitTime, exitTime},
		"--gktinc-single-use --gktinc-level 12": {exitOK, exitOK},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			reader, writer := io.Pipe()
			exited := make(chan int, 1)
			go func() {
				exited <- run(ctx, append([]string{"emulator", "--listen", "127.0.0.1:0"}, strings.Fields(args)...),
					environment{stdin: strings.NewReader(""), stdout: writer, stderr: io.Discard, lookup: noVariables})
				writer.Close()
			}()
			exports := bufio.NewReader(reader)
			first, err := exports.ReadString('\n')
			require.NoError(t, err)
			go func() { _, _ = io.Copy(io.Discard, exports) }()
			url, _ := strings.CutPrefix(first, "export GKCAPTCHA_API_URL=")
			variables := map[string]string{
				"GKTINC_API_URL": strings.Trim(url, "'\n"), "GKTINC_API_KEY": gktest.GKTincAPIKey, "GKTINC_HASHID": gktest.GKTincHashID,
			}
			timeout := "1m"
			if want[0] == exitTime {
				timeout = "100ms"
			}
			for i, command := range []string{"level 192.0.2.1", "validate -"} {
				var stdout, stderr bytes.Buffer
				code := run(t.Context(), strings.Fields("gktinc "+command+" --timeout "+timeout), environment{
					stdin: strings.NewReader(validationJSON), stdout: &stdout, stderr: &stderr,
					lookup: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
				})
				require.Equal(t, want[i], code, "%s: %s", command, stderr.String())
				if i == 0 && strings.Contains(args, "--gktinc-level 12") {
					require.Equal(t, "12\n", stdout.String())
				}
			}
			cancel()
			require.Equal(t, exitOK, <-exited)
		})
	}
}

const validationJSON = `{"gktinc_solution":"AAAA","client_ip":"192.0.2.1","url":"example.com/login","once":"1","form_payload_size":31,"form_input_element_value":"alice"}`

func TestGKTincExitCodes(t *testing.T) {
	emulator := func(o gktest.GKTincOptions) http.Handler {
		o.APIKey, o.HashID = secret, "h"
		return gktest.New(gktest.Options{GKTinc: o})
	}
	silent := emulator(gktest.GKTincOptions{Fault: gktest.GKTincFault{Delay: time.Hour}})
	html := answer(200, "text/html", "<html>"+secret)
	judge := func(action string) func(gktest.GKTincValidation) string {
		return func(gktest.GKTincValidation) string { return action }
	}
	for _, test := range []struct {
		name    string
		handler http.Handler
		policy  string
		args    []string
		level   int // exit code of gkpow gktinc level
		form    int // exit code of gkpow gktinc validate
		stderr  string
	}{
		{"accepted", emulator(gktest.GKTincOptions{}), "closed", nil, exitOK, exitOK, ""},
		{"blocked", emulator(gktest.GKTincOptions{LevelAction: "BLOCK", Judge: judge("BLOCK")}), "open", nil, exitRejected, exitRejected, "denied: the action is BLOCK"},
		{"unknown action", emulator(gktest.GKTincOptions{LevelAction: "X", Judge: judge("X")}), "open-on-outage", nil, exitNetwork, exitNetwork, `the response's action is "X"`},
		{"wrong keys", gktest.New(gktest.Options{}), "open", nil, exitCredentials, exitCredentials, "GKTINC_API_KEY"},
		{"rate limited", answer(429, "application/json", "{}"), "open-on-outage", nil, exitRateLimited, exitRateLimited, "rate limited"},
		{"down", html, "closed", nil, exitNetwork, exitNetwork, "GKTINC_API_URL"},
		{"down, but open", html, "open-on-outage", nil, exitOK, exitOK, "gkpow: warning: "},
		{"too slow", silent, "open", []string{"--timeout", "50ms"}, exitTime, exitTime, "--timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			variables := map[string]string{"GKTINC_API_URL": server.URL, "GKTINC_API_KEY": secret, "GKTINC_HASHID": "h"}
			for args, want := range map[string]int{"level 192.0.2.1": test.level, "validate -": test.form} {
				var stdout, stderr bytes.Buffer
				all := append(strings.Fields("gktinc "+args+" --policy "+test.policy), test.args...)
				code := run(t.Context(), all, environment{
					stdin: strings.NewReader(validationJSON), stdout: &stdout, stderr: &stderr,
					lookup: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
				})
				require.Equal(t, want, code, "%s: %s", args, stderr.String())
				require.Equal(t, code == exitOK, stdout.Len() > 0)
				require.Contains(t, stderr.String(), test.stderr)
				require.NotContains(t, stdout.String()+stderr.String(), "SENTINEL")
				require.NotContains(t, stderr.String(), "GKCAPTCHA")
			}
		})
	}
}

// gkpow exec never runs a command with an expired token, whether or not the cache is used.
func TestExecDeadToken(t *testing.T) {
	server := httptest.NewServer(verifies(answer(200, "application/json", `{"success":true,"token":"eyJ","expiresAt":1700000360}`)))
	defer server.Close()
	u := newUser(t, gktest.Options{})
	u.url = server.URL
	for _, args := range [][]string{{"exec", "--no-cache", "--", os.Args[0]}, {"exec", "--", os.Args[0]}, {"token"}} {
		code, stdout, stderr := u.run(t.Context(), args...)
		require.Equal(t, exitTime, code, stderr)
		require.Empty(t, stdout)
	}
}

// The exit code depends on all fields of the verdict, not on success alone.
func TestVerifyContradictions(t *testing.T) {
	for body, want := range map[string]int{
		`{"success":true}`:                                                                 exitOK,
		`{"success":true,"data":{"verified":true}}`:                                        exitOK,
		`{"success":true,"verified":false}`:                                                exitRejected,
		`{"success":true,"reasonCode":"token_already_used"}`:                               exitRejected,
		`{"success":true,"error":"token_expired"}`:                                         exitRejected,
		`{"success":true,"data":null}`:                                                     exitRejected,
		`{"success":true,"data":{"verified":true,"error_codes":["timeout-or-duplicate"]}}`: exitRejected,
	} {
		server := httptest.NewServer(answer(200, "application/json", body))
		code, stdout, stderr := gkpow(t.Context(), server.URL, "", "verify", "eyJ.eyJ.x")
		server.Close()
		require.Equal(t, want, code, "%s: %s", body, stderr)
		require.Equal(t, want == exitOK, stdout == "ok\n", body)
	}
	future := fmt.Sprintf(`{"success":true,"data":{"verified":true,"challenge_ts":%d}}`, time.Now().Unix()+300)
	server := httptest.NewServer(answer(200, "application/json", future))
	defer server.Close()
	code, _, stderr := gkpow(t.Context(), server.URL, "", "verify", "--max-age", "1h", "eyJ.eyJ.x")
	require.Equal(t, exitRejected, code, stderr)
}
