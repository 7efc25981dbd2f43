package main

import (
	"go/ast"
	gotoken "go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// goField matches the name of a Go struct's field in an error message.
var goField = regexp.MustCompile(`\b(Config|[A-Z]\w*Options|Options|Limits)\.[A-Z]\w+|config: [A-Z][a-z]\w+`)

// Every error message in the client packages that names a Go field is translated by words
// into the terms of the command line.
func TestWords(t *testing.T) {
	unreachable := regexp.MustCompile(`SourceOptions.Spare` + // only in a panic
		`|Options.Strategies` + // --strategy is checked earlier
		`|config: (Solver|Policy|Margin|MaxRounds|Timeout|UserAgent|Limits)\b`) // commands only set these to valid values
	found := 0
	for _, dir := range []string{"../../client", "../../client/gktinc", "../../bench"} {
		for _, file := range parseSources(t, filepath.Join(dir, "*.go")) {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				misconfigured := strings.HasSuffix(exprString(call.Fun), "misconfigured")
				ast.Inspect(call, func(n ast.Node) bool {
					literal, ok := n.(*ast.BasicLit)
					if !ok || literal.Kind != gotoken.STRING {
						return true
					}
					text, err := strconv.Unquote(literal.Value)
					require.NoError(t, err)
					if misconfigured {
						text = "config: " + text
					}
					if filepath.Base(dir) == "gktinc" && misconfigured {
						text = "gktinc/" + text
					}
					if !goField.MatchString(text) || unreachable.MatchString(text) || strings.Contains(text, "{{") { // part of a template
						return true
					}
					found++
					require.NotRegexp(t, goField, words(text))
					require.NotContains(t, words(text), "()")
					return true
				})
				return true
			})
		}
	}
	require.Greater(t, found, 10)
}

func exprString(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// words removes package names wherever they occur in the text.
func TestWordsWithoutPackages(t *testing.T) {
	for text, want := range map[string]string{
		"client: challenge: m2m_disabled (HTTP 403)":                "challenge: m2m_disabled (HTTP 403)",
		"client: gktinc/level: rejected":                            "gktinc/level: rejected",
		"bench: solver: stopped after 7 hashes":                     "stopped after 7 hashes",
		"--once-dir: gktinc: once store: mkdir /x: exists":          "--once-dir: once store: mkdir /x: exists",
		"the token: client: token: expired: client: the old answer": "the token: token: expired: the old answer",
		"solver: GKPOW_BACKEND: no backend":                         "GKPOW_BACKEND: no backend",
		"diskcache: mkdir /x: exists":                               "the cache on disk: mkdir /x: exists",
		"the client: it has no name":                                "the client: it has no name",
	} {
		require.Equal(t, want, words(text))
	}
}

// The exit code for a wrong key is the same whether gkpow or the service rejects it.
func TestMalformedKeys(t *testing.T) {
	for variable, test := range map[string]struct{ args, names string }{
		"GKCAPTCHA_SITE_KEY":   {"token", "GKCAPTCHA_SITE_KEY has white space"},
		"GKCAPTCHA_SECRET_KEY": {"token", "GKCAPTCHA_SECRET_KEY, or the file in GKCAPTCHA_SECRET_KEY_FILE, has white space"},
		"GKTINC_API_KEY":       {"gktinc level 192.0.2.1", "GKTINC_API_KEY, or the file in GKTINC_API_KEY_FILE, is not visible ASCII"},
		"GKTINC_HASHID":        {"gktinc level 192.0.2.1", "GKTINC_HASHID is not visible ASCII"},
	} {
		for _, command := range []string{test.args, "agent"} {
			variables := map[string]string{
				"GKCAPTCHA_SITE_KEY": "pk_live_site", "GKCAPTCHA_SECRET_KEY": secret, "GKTINC_API_KEY": "k", "GKTINC_HASHID": "h",
			}
			variables[variable] = "SENTINEL with space"
			var stderr strings.Builder
			code := run(t.Context(), strings.Fields(command), environment{
				stdin: strings.NewReader(""), stdout: &stderr, stderr: &stderr, cacheDir: t.TempDir(),
				lookup: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
			})
			require.Equal(t, exitCredentials, code, "%s: %s", command, stderr.String())
			require.Contains(t, stderr.String(), test.names)
			require.NotContains(t, stderr.String(), "SENTINEL")
		}
	}
}

func TestMeant(t *testing.T) {
	for args, want := range map[string]string{
		"tokn":                                    `unknown command "tokn" for "gkpow"; did you mean token?`,
		"help tokn":                               `unknown command "tokn" for "gkpow"; did you mean token?`,
		"help nosuch":                             `unknown command "nosuch" for "gkpow"` + "\n",
		"help gktinc levl":                        `unknown command "levl" for "gkpow gktinc"; did you mean level?`,
		"gktinc levl":                             `unknown command "levl" for "gkpow gktinc"; did you mean level?`,
		"token --no-cach":                         `unknown flag --no-cach for "gkpow token"; did you mean --no-cache?`,
		"token --frobnicate":                      `unknown flag --frobnicate for "gkpow token"` + "\n",
		"solve --salt x --backend genric":         "did you mean generic?",
		"solve --salt x --backend abacus":         "generic\n",
		"token --emulator --format jsn":           "did you mean json?",
		"verify x --profile doc":                  "did you mean docs?",
		"solve --salt x --dificulty 3":            "did you mean --difficulty?",
		"bench --strategy tetxbook":               "did you mean textbook?",
		"gktinc level 192.0.2.1 --polcy=closed":   "did you mean --policy?",
		"completion bsh":                          "did you mean bash?",
		"solve --salt x --shard 0/2 --sequentail": "did you mean --sequential?",
	} {
		code, stdout, stderr := gkpow(t.Context(), "", "", strings.Fields(args)...)
		require.Equal(t, exitUsage, code, "%s: %s", args, stderr)
		require.Empty(t, stdout, args)
		require.Contains(t, stderr, want, args)
	}
	for _, args := range []string{"help", "help token", "help gktinc level", "help help"} {
		code, stdout, stderr := gkpow(t.Context(), "", "", strings.Fields(args)...)
		require.Equal(t, exitOK, code, "%s: %s", args, stderr)
		require.Contains(t, stdout, "Usage:")
	}
}

// Errors say what went wrong and what the user can do, in the terms of the command line.
func TestAdvice(t *testing.T) {
	expired := answer(200, "application/json", challengeJSON(`"expiresAt":1700000060`))
	hard := service(gktest.Options{ChallengeLifetime: time.Second})
	hard.(*gktest.Service).SetDifficulty(16) // too hard to solve in time, even with luck
	html := answer(200, "text/html", "<html>")
	hangs := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	for _, test := range []struct {
		name      string
		handler   http.Handler
		args      string
		says, not string // regular expressions
	}{
		{"expired on arrival", expired, "token --no-cache", `had expired when they arrived: the service or a proxy`, `CPU|threads|Config`},
		{"too slow", hard, "token --no-cache --threads 1 --max-difficulty 16", `allow more --threads`, `Config`},
		{"too hard", answer(200, "application/json", challengeJSON(`"difficulty":9`)), "token --no-cache", `accepted range of 0 to 8 \(--max-difficulty`, `Config`},
		{"page", html, "token --no-cache", `or GKCAPTCHA_API_URL is wrong`, `Config`},
		{"page for GKTinc", html, "gktinc level 192.0.2.1", `or GKTINC_API_URL is wrong`, `Config|GKCAPTCHA`},
		{"redirect", http.RedirectHandler("https://elsewhere.invalid/", http.StatusTemporaryRedirect), "token --no-cache", `set GKCAPTCHA_API_URL to it`, `Config`},
		{"redirect of GKTinc", http.RedirectHandler("https://elsewhere.invalid/", http.StatusTemporaryRedirect), "gktinc level 192.0.2.1", `set GKTINC_API_URL to it`, `Config|GKCAPTCHA`},
		{"no response of GKTinc in time", hangs, "gktinc level --request-timeout 300ms 192.0.2.1", `no complete response within`, `Config|threads|GKCAPTCHA`},
		{"timeout of GKTinc", hangs, "gktinc level --timeout 100ms 192.0.2.1", `hint: raise --timeout\n`, `Config|threads|GKCAPTCHA`},
		{"timeout of a request", hangs, "token --no-cache --timeout 100ms", `hint: raise --timeout\n`, `Config|threads`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.handler)
			defer server.Close()
			variables := map[string]string{
				"GKCAPTCHA_API_URL": server.URL, "GKCAPTCHA_SITE_KEY": "pk_live_site", "GKCAPTCHA_SECRET_KEY": secret,
				"GKTINC_API_URL": server.URL, "GKTINC_API_KEY": secret, "GKTINC_HASHID": "h",
			}
			var stderr strings.Builder
			code := run(t.Context(), strings.Fields(test.args), environment{
				stdin: strings.NewReader(""), stdout: &stderr, stderr: &stderr,
				lookup: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
			})
			require.NotEqual(t, exitOK, code)
			require.Regexp(t, test.says, stderr.String())
			require.NotRegexp(t, test.not, stderr.String())
		})
	}
}

// The agent uses the same terms in responses and in its log.
func TestAgentWords(t *testing.T) {
	u := newUser(t, gktest.Options{})
	page := httptest.NewServer(answer(200, "text/html", "<html>"))
	defer page.Close()
	u.url = page.URL
	a := u.startAgent(t, "--listen", "127.0.0.1:0")
	_, _, body := a.call("GET", "/token", "")
	for _, text := range []string{body, a.journal.String()} {
		require.Contains(t, text, "or GKCAPTCHA_API_URL is wrong")
		require.NotContains(t, text, "Config")
	}
}

// gkpow suggests the closest name, not the first one that is close enough.
func TestMeantClosest(t *testing.T) {
	names := []string{"avx512", "shani", "avx2"}
	for typed, want := range map[string]string{
		"avx22": "; did you mean avx2?", "avx52": "; did you mean avx512?", "sh": "; did you mean shani?", "neon": "", "": "",
	} {
		require.Equal(t, want, meant(typed, names), typed)
	}
}
