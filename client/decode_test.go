package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/internal/jsonobject"
)

func TestParseChallenge(t *testing.T) {
	end := time.Unix(1_700_000_060, 0)
	for name, data := range map[string]string{
		"documented":   `{"challengeId":"i","salt":"s","nonce":"server-seed","difficulty":6,"expiresAt":1700000060}`,
		"no nonce":     `{"challengeId":"i","salt":"s","difficulty":6,"expiresAt":1700000060}`,
		"nonce object": `{"challengeId":"i","salt":"s","nonce":{"a":[1]},"difficulty":6,"expiresAt":1700000060}`,
		"nonce number": `{"challengeId":"i","salt":"s","nonce":1e400,"difficulty":6,"expiresAt":1700000060}`,
		"float":        `{"challengeId":"i","salt":"s","difficulty":6.0,"expiresAt":1700000060.0}`,
		"exponent":     `{"challengeId":"i","salt":"s","difficulty":0.6e1,"expiresAt":1.70000006e9}`,
		"strings":      `{"challengeId":"i","salt":"s","difficulty":"6","expiresAt":" 1700000060 "}`,
		"milliseconds": `{"challengeId":"i","salt":"s","difficulty":6,"expiresAt":1700000060000}`,
		"ms string":    `{"challengeId":"i","salt":"s","difficulty":6,"expiresAt":"1700000060000"}`,
		"RFC 3339":     `{"challengeId":"i","salt":"s","difficulty":6,"expiresAt":"2023-11-14T23:14:20+01:00"}`,
		"success":      `{"success":true,"challengeId":"i","salt":"s","difficulty":6,"expiresAt":1700000060}`,
		"duplicates":   `{"salt":"t","challengeId":"i","salt":"s","difficulty":6,"expiresAt":1700000060}`,
		"white space":  " \n{\"challengeId\":\"i\",\"salt\":\"s\",\"difficulty\":6,\"expiresAt\":1700000060, \"new\":[]}\n",
	} {
		ch, err := ParseChallenge([]byte(data))
		require.NoError(t, err, name)
		require.Equal(t, []any{"i", "s", 6}, []any{ch.ID, ch.Salt, ch.Difficulty}, name)
		require.True(t, ch.ExpiresAt.Equal(end), "%s: %v", name, ch.ExpiresAt)
		require.WithinDuration(t, end, ch.Deadline(), time.Millisecond, name)
	}
	ch, err := ParseChallenge([]byte(asChallenge("salt", `""`)))
	require.NoError(t, err)
	require.Empty(t, ch.Salt)

	encoded, err := json.Marshal(ch)
	require.NoError(t, err)
	again, err := ParseChallenge(encoded)
	require.NoError(t, err)
	require.True(t, again.ExpiresAt.Equal(ch.ExpiresAt))
	require.Equal(t, ch.ID, again.ID)

	_, err = ParseChallenge([]byte(asChallenge("difficulty", "64")))
	require.NoError(t, err)
	for data, kind := range map[string]error{
		"":                              ErrUnavailable,
		"[]":                            ErrUnavailable,
		"{}":                            ErrUnavailable,
		asChallenge("", "") + "x":       ErrUnavailable,
		asChallenge("difficulty", "65"): ErrDifficulty,
		`{"success":false,"error":"rate_limited"}`:                     ErrRateLimited,
		`{"success":false,"error":"` + testJWT[:60] + `"}`:             ErrRejected,
		asChallenge("expiresAt", "-1"):                                 ErrUnavailable,
		asChallenge("expiresAt", "1e300"):                              ErrUnavailable,
		asChallenge("expiresAt", "true"):                               ErrUnavailable,
		asChallenge("salt", `"`+strings.Repeat("x", maxText+1)+`"`):    ErrUnavailable,
		asChallenge("difficulty", `"0x6"`):                             ErrUnavailable,
		asChallenge("difficulty", `[6]`):                               ErrUnavailable,
		asChallenge("difficulty", `"6_0"`):                             ErrUnavailable,
		asChallenge("difficulty", `1`+strings.Repeat("0", 100000)+`0`): ErrUnavailable,
	} {
		_, err := ParseChallenge([]byte(data))
		require.ErrorIs(t, err, kind, "%.100s", data)
		requireSafe(t, err, testJWT[:60])
	}
}

func TestTokenExpiry(t *testing.T) {
	unsigned := func(payload string) string {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(payload)) + ".c2ln"
	}
	server := time.Unix(1_700_000_000, 0)
	for name, r := range map[string]struct {
		token, field string
		want         int64
	}{
		"field":        {"opaque", `,"expiresAt":1700000360`, 1700000360},
		"milliseconds": {"opaque", `,"expiresAt":1700000360000`, 1700000360},
		"RFC 3339":     {"opaque", `,"expiresAt":"2023-11-14T22:19:20Z"`, 1700000360},
		"over exp":     {unsigned(`{"exp":1700000100}`), `,"expiresAt":1700000360`, 1700000360},
		"exp":          {unsigned(`{"exp":1700000100}`), ``, 1700000100},
		"null":         {unsigned(`{"exp":1700000100}`), `,"expiresAt":null`, 1700000100},
		"garbage":      {unsigned(`{"exp":1700000100}`), `,"expiresAt":"later"`, 1700000100},
		"no exp":       {unsigned(`{}`), ``, 1700000300},
		"huge exp":     {unsigned(`{"exp":1e300}`), ``, 1700000300},
		"wrong exp":    {unsigned(`{"exp":[]}`), ``, 1700000300},
		"opaque":       {"opaque", ``, 1700000300},
	} {
		t.Run(name, func(t *testing.T) {
			body := fmt.Sprintf(`{"success":true,"token":%q%s}`, r.token, r.field)
			before := time.Now()
			token, err := submit(t, newTestClient(t, saysJSON(200, body, "Date", server.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))))
			after := time.Now()
			require.NoError(t, err)
			require.Equal(t, r.token, token.Value.Reveal())
			require.Equal(t, r.want, token.ExpiresAt.Unix())
			left := token.ExpiresAt.Sub(server)
			require.False(t, token.Expires().Before(before.Add(left)))
			require.False(t, token.Expires().After(after.Add(left)))
		})
	}
	require.Equal(t, server, Token{ExpiresAt: server}.Expires())
}

func FuzzParseChallenge(f *testing.F) {
	f.Add([]byte(asChallenge("", "")))
	for _, value := range []string{`300`, `-1`, `1e400`, `"6"`, `6.5`, `"NaN"`, `null`, `{}`, `-0`, `1e-9999`} {
		f.Add([]byte(asChallenge("difficulty", value)))
		f.Add([]byte(asChallenge("expiresAt", value)))
	}
	f.Add([]byte(asChallenge("expiresAt", `"2023-11-14T22:19:20Z"`)))
	f.Add([]byte(`{"success":false,"error":{"code":"x"},"retryAfter":"1e999"}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ch, err := ParseChallenge(data)
		if err != nil {
			if ch != (Challenge{}) || !strings.HasPrefix(err.Error(), "client: challenge: ") {
				t.Fatalf("%+v, %v", ch, err)
			}
			return
		}
		if ch.ID == "" || len(ch.Salt) > maxText || ch.ExpiresAt.Unix() < 0 || ch.ExpiresAt.Unix() > jsonobject.MaxUnix {
			t.Fatalf("%+v", ch)
		}
		if _, err := ch.Puzzle(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzAnswers tests the decoders that only a Client uses.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"success":true,"token":"`+testJWT+`","expiresAt":1700000360}`), "3")
	f.Add([]byte(`{"success":false,"error":"rate_limited","retryAfter":30}`), "Tue, 14 Nov 2023 22:14:20 GMT")
	f.Add([]byte(`{"success":true,"token":"a.eyJleHAiOjFlMzAwfQ.c"}`), "-1e9999")
	redact := newRedactor(testSecret)
	f.Fuzz(func(t *testing.T, data []byte, header string) {
		a := answer{status: 200, fields: jsonobject.Decode(data), clock: readClock(time.Now(), nil)}
		if token, err := decodeToken(a); err == nil && !isToken(token.Value.Reveal()) {
			t.Fatalf("token %q", token.Value.Reveal())
		}
		if code := errorCode(a.fields, redact); strings.Contains(string(code), testSecret) {
			t.Fatalf("code %q", code)
		}
		wait, _ := retryAfter(a.fields, map[string][]string{"Retry-After": {header}}, a.clock)
		if wait < 0 || wait > maxRetryAfter {
			t.Fatalf("wait %v", wait)
		}
	})
}
