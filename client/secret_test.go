package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/internal/leaktest"
)

const testJWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXBlIjoibTJtIn0.c2lnbmF0dXJl"

// requireSafe checks that no rendering of v shows a secret.
func requireSafe(t testing.TB, v any, secrets ...string) {
	t.Helper()
	leaktest.RequireSafe(t, v, secrets...)
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

// The buffers of a connection contain the latest request, so a used client holds more secrets
// than a new one.
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
