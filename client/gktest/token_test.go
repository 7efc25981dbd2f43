package gktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// The vendor's pages show three ways to send the secret; each of them is enough.
func TestVerifyTokenDocsShape(t *testing.T) {
	c := newClock()
	s := New(Options{Difficulty: 1, Clock: c.Now, Hostname: "ci.example"})
	signed := token(t, s)
	c.advance(7 * time.Second)
	want := map[string]any{"success": true, "data": map[string]any{
		"verified":     true,
		"score":        json.Number("0"),
		"timestamp":    "2023-11-14T22:13:27Z",
		"hostname":     "ci.example",
		"action":       "m2m",
		"challenge_ts": "2023-11-14T22:13:20Z",
	}}
	for name, request := range map[string][]string{
		"bearer":           {`{"token":%q}`, "Authorization", "Bearer sk_test_gkpow"},
		"secret":           {`{"token":%q,"secret":"sk_test_gkpow"}`},
		"secretKey":        {`{"token":%q,"secretKey":"sk_test_gkpow","siteKey":"pk_test_gkpow","remoteip":"::1"}`},
		"bearer and field": {`{"token":%q,"secret":"sk_test_gkpow"}`, "Authorization", "Bearer sk_test_gkpow"},
	} {
		w, fields := post(t, s, tokenVerifyPath, fmt.Sprintf(request[0], signed), request[1:]...)
		require.Equal(t, http.StatusOK, w.Code, name)
		require.Equal(t, want, fields, name)
	}
	require.Equal(t, 4, s.Counts().TokenVerifies)
}

func TestVerifyTokenSDKShape(t *testing.T) {
	c := newClock()
	s := New(Options{Difficulty: 1, Clock: c.Now, VerifyShape: ShapeSDK})
	w, fields := post(t, s, tokenVerifyPath, fmt.Sprintf(`{"token":%q,"secret":"sk_test_gkpow"}`, token(t, s)))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, map[string]any{
		"success": true, "score": json.Number("0"), "timestamp": json.Number("1700000000"),
	}, fields)
}

func TestVerifyTokenRefuses(t *testing.T) {
	c := newClock()
	key := []byte("signing key of this test only")
	foreign := func(method jwt.SigningMethod, key any, change func(*claims)) string {
		cl := claims{Type: "m2m", RegisteredClaims: jwt.RegisteredClaims{
			Subject:   SiteKey,
			IssuedAt:  jwt.NewNumericDate(c.Now()),
			ExpiresAt: jwt.NewNumericDate(c.Now().Add(time.Minute)),
		}}
		change(&cl)
		signed, err := jwt.NewWithClaims(method, cl).SignedString(key)
		require.NoError(t, err)
		return signed
	}
	same := func(*claims) {}
	parts := strings.Split(foreign(jwt.SigningMethodHS256, key, same), ".")
	for name, r := range map[string]struct {
		token string
		want  verdict
	}{
		"right":          {foreign(jwt.SigningMethodHS256, key, same), accepted},
		"none":           {"", missingToken},
		"garbage":        {"abc", invalidToken},
		"other key":      {foreign(jwt.SigningMethodHS256, []byte("other"), same), invalidToken},
		"other method":   {foreign(jwt.SigningMethodHS512, key, same), invalidToken},
		"unsigned":       {foreign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same), invalidToken},
		"cut signature":  {parts[0] + "." + parts[1] + ".", invalidToken},
		"browser's type": {foreign(jwt.SigningMethodHS256, key, func(c *claims) { c.Type = "browser" }), invalidToken},
		"never expires":  {foreign(jwt.SigningMethodHS256, key, func(c *claims) { c.ExpiresAt = nil }), invalidToken},
		"expired":        {foreign(jwt.SigningMethodHS256, key, func(cl *claims) { cl.ExpiresAt = jwt.NewNumericDate(c.Now()) }), expiredToken},
		"other site":     {foreign(jwt.SigningMethodHS256, key, func(c *claims) { c.Subject = "pk_other" }), foreignToken},
	} {
		for _, shape := range []VerifyShape{ShapeDocs, ShapeSDK} {
			t.Run(fmt.Sprintf("%s/shape=%d", name, shape), func(t *testing.T) {
				s := New(Options{Clock: c.Now, SigningKey: key, VerifyShape: shape})
				w, fields := post(t, s, tokenVerifyPath, fmt.Sprintf(`{"token":%q,"secret":"sk_test_gkpow"}`, r.token))
				require.Equal(t, http.StatusOK, w.Code)
				requireVerdict(t, shape, fields, r.want)
			})
		}
	}
}

// requireVerdict checks all fields of a rejection, or that the token was accepted.
func requireVerdict(t *testing.T, shape VerifyShape, fields map[string]any, want verdict) {
	t.Helper()
	switch {
	case want == accepted && shape == ShapeSDK:
		require.Equal(t, true, fields["success"])
		require.NotContains(t, fields, "reasonCode")
	case want == accepted:
		require.Equal(t, true, fields["data"].(map[string]any)["verified"])
	case shape == ShapeSDK:
		require.Equal(t, map[string]any{"success": false, "error": want.text, "reasonCode": want.sdk}, fields)
	default:
		require.Equal(t, map[string]any{
			"success": true, "data": map[string]any{"verified": false, "error_codes": []any{want.docs}},
		}, fields)
	}
}

func TestVerifyTokenSiteKeyOfAnotherSite(t *testing.T) {
	s := New(Options{Difficulty: 1})
	_, fields := post(t, s, tokenVerifyPath, fmt.Sprintf(`{"token":%q,"secret":"sk_test_gkpow","siteKey":"pk_other"}`, token(t, s)))
	requireVerdict(t, ShapeDocs, fields, foreignToken)
}

func TestVerifyTokenSecret(t *testing.T) {
	for name, c := range map[string]struct {
		body, bearer string
		want         verdict
	}{
		"none":               {`{"token":"x"}`, "", missingSecret},
		"wrong field":        {`{"token":"x","secret":"sk"}`, "", invalidSecret},
		"wrong bearer":       {`{"token":"x"}`, "Bearer sk", invalidSecret},
		"not bearer":         {`{"token":"x"}`, "sk_test_gkpo", invalidSecret},
		"bearer contradicts": {`{"token":"x","secret":"sk_test_gkpow"}`, "Bearer sk", invalidSecret},
	} {
		t.Run(name, func(t *testing.T) {
			w, fields := post(t, New(Options{}), tokenVerifyPath, c.body, "Authorization", c.bearer)
			requireError(t, w, fields, http.StatusUnauthorized, c.want.docs)

			s := New(Options{VerifyShape: ShapeSDK})
			w, fields = post(t, s, tokenVerifyPath, c.body, "Authorization", c.bearer)
			require.Equal(t, http.StatusUnauthorized, w.Code)
			requireVerdict(t, ShapeSDK, fields, c.want)
			require.Zero(t, s.Counts().TokenVerifies)
		})
	}
	w, fields := post(t, New(Options{}), tokenVerifyPath, `{"token":1,"secret":"sk_test_gkpow"}`)
	requireError(t, w, fields, http.StatusBadRequest, "bad_request")
}

func TestVerifyTokenTwice(t *testing.T) {
	for _, single := range []bool{false, true} {
		c := newClock()
		s := New(Options{Difficulty: 1, Clock: c.Now, SingleUse: single})
		body := fmt.Sprintf(`{"token":%q,"secret":"sk_test_gkpow"}`, token(t, s))
		_, fields := post(t, s, tokenVerifyPath, body)
		requireVerdict(t, ShapeDocs, fields, accepted)
		want := accepted
		if single {
			want = usedToken
		}
		_, fields = post(t, s, tokenVerifyPath, body)
		requireVerdict(t, ShapeDocs, fields, want)
		c.advance(300 * time.Second)
		_, fields = post(t, s, tokenVerifyPath, body)
		requireVerdict(t, ShapeDocs, fields, expiredToken)
	}
}
