package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

const testJWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXBlIjoibTJtIn0.c2lnbmF0dXJl"

// recorder is a testify TestingT that keeps what would have been printed.
type recorder struct{ strings.Builder }

func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(r, format, args...) }

// renderings prints a value in all the ways that it may come to a log.
func renderings(v any) map[string]string {
	all := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "% X", "%d", "%10.3v", "%t", "%T"} {
		all[verb] = fmt.Sprintf(verb, v)
		all["slice "+verb] = fmt.Sprintf(verb, []any{v})
	}
	encoded, err := json.Marshal(v)
	all["json"] = fmt.Sprint(string(encoded), err)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
	all["slog"] = log.String()
	var diff recorder
	assert.Equal(&diff, v, struct{ Other int }{1})
	assert.Equal(&diff, v, nil)
	assert.Contains(&diff, []any{v}, 1)
	all["testify"] = diff.String()
	return all
}

// requireSafe demands that no rendering of v shows a secret. A dump of bytes
// shows it as hex, which is looked for as well.
func requireSafe(t testing.TB, v any, secrets ...string) {
	t.Helper()
	for how, text := range renderings(v) {
		plain := strings.NewReplacer(" ", "", "\n", "", "|", "").Replace(text)
		for _, secret := range secrets {
			if strings.Contains(plain, secret) || strings.Contains(text, secret) ||
				strings.Contains(strings.ToLower(plain), fmt.Sprintf("%x", secret)) {
				t.Fatalf("%s of %T shows %q:\n%s", how, v, secret, text)
			}
		}
	}
}

// requireSafe must be able to fail.
func TestRenderingsShow(t *testing.T) {
	type open struct{ s string }
	for how, text := range renderings(&open{testSecret}) {
		if strings.HasSuffix(how, "%T") || how == "json" || how == "slog" {
			continue
		}
		if strings.HasPrefix(how, "slice") || how == "%d" || how == "%t" || how == "%10.3v" {
			continue // a pointer inside, or a complaint about the verb
		}
		if !strings.Contains(text, testSecret) && !strings.Contains(strings.ToLower(strings.ReplaceAll(text, " ", "")), fmt.Sprintf("%x", testSecret)) {
			t.Errorf("%s shows nothing: %s", how, text)
		}
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	config := Config{SiteKey: testSite, SecretKey: NewSecret(testSecret)}
	c, err := New(config)
	require.NoError(t, err)
	type holder struct {
		hidden Secret
		Shown  *Secret
	}
	shown := NewSecret(testSecret)
	token := Token{Value: NewSecret(testJWT), ExpiresAt: time.Now(), Challenge: Challenge{ID: "i", Salt: "s"}}
	failure := &Error{Op: "verify", Kind: ErrRejected, Status: 400, Code: CodeInvalidSolution, RetryAfter: 1, Err: errors.New("x")}
	for _, v := range []any{
		NewSecret(testSecret), &shown, holder{NewSecret(testSecret), &shown}, &holder{NewSecret(testSecret), &shown},
		map[string]Secret{"k": NewSecret(testSecret)}, []Secret{NewSecret(testJWT)},
		config, &config, c, *c, token, &token, failure, *failure, token.Challenge, CodeInvalidKey, ErrExpired,
	} {
		requireSafe(t, v, testSecret, testJWT)
	}
}

// The buffers of a connection hold the request, so a client that has been used
// holds more than a new one.
func TestUsedClientPrintsNoSecret(t *testing.T) {
	c := newClient(t, gktest.New(gktest.Options{Difficulty: 1}))
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	requireSafe(t, c, gktest.SecretKey, token.Value.Reveal())
	requireSafe(t, token, gktest.SecretKey, token.Value.Reveal())
}

func TestSecret(t *testing.T) {
	s := NewSecret(testSecret)
	require.Equal(t, testSecret, s.Reveal())
	require.False(t, s.IsZero())
	require.True(t, Secret{}.IsZero())
	require.True(t, NewSecret("").IsZero())
	require.Equal(t, "", Secret{}.Reveal())
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%#v", s), fmt.Sprintf("%-40x", s), s.String(), s.GoString(), s.LogValue().String()} {
		require.Equal(t, "[redacted]", text)
	}
	encoded, err := json.Marshal(map[string]any{"key": s})
	require.NoError(t, err)
	require.Equal(t, `{"key":"[redacted]"}`, string(encoded))
	text, err := s.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "[redacted]", string(text))

	var read struct{ Key Secret }
	require.NoError(t, json.Unmarshal([]byte(`{"Key":"`+testSecret+`"}`), &read))
	require.Equal(t, testSecret, read.Key.Reveal())
}

func TestRedactor(t *testing.T) {
	const odd = `a"b\c%d&é`
	redact := newRedactor(testSecret, odd, "")
	for given, want := range map[string]string{
		"nothing":                        "nothing",
		"err_" + testSecret + "_x":       "err_[redacted]_x",
		strings.ToUpper(testSecret):      "[redacted]",
		"token " + testJWT + " end":      "token [redacted] end",
		testJWT[:20]:                     "[redacted]",
		fmt.Sprintf("malformed %q", odd): `malformed "[redacted]"`,
		"/?" + "a%22b%5Cc%25d%26%C3%A9":  "/?[redacted]",
		odd:                              "[redacted]",
	} {
		require.Equal(t, want, redact(given))
	}
	require.Equal(t, "a?b?", printable("a\x1bb\n"))
	require.Len(t, printable(strings.Repeat("x", 1000)), maxForeignText+3)
}
