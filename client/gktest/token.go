package gktest

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A VerifyShape is a format of the responses of /api/v1/token/verify. The vendor's
// documents describe two. In both, a request sends the secret as the header
// "Authorization: Bearer SECRET" or in the field secret or secretKey; if it sends
// several, all must be right. It sends the token in the field token, and may send
// siteKey.
type VerifyShape int

const (
	// ShapeDocs wraps the verdict in data. The response to a rejected token is HTTP 200
	// with success true, data.verified false and one of these data.error_codes:
	// missing-input-response, invalid-input-response, timeout-or-duplicate. The response
	// to a wrong secret is HTTP 401 with success false and the error
	// invalid-input-secret; without a secret, the error is missing-input-secret.
	ShapeDocs VerifyShape = iota

	// ShapeSDK has all fields at the top level: success, score, timestamp (Unix
	// seconds). The response to a rejected token is HTTP 200 with success false, a
	// sentence in error and one of these values of reasonCode: missing_token,
	// invalid_signature, token_expired, site_key_mismatch, token_already_used. The
	// response to a wrong or missing secret is HTTP 401 with reasonCode invalid_secret.
	ShapeSDK
)

// claims are the claims of a token. Only "type" is documented; "sub" is the site key.
type claims struct {
	Type string `json:"type"`
	jwt.RegisteredClaims
}

// sign returns a new token of type "m2m", signed with HS256.
func (s *Service) sign(now time.Time) (token string, expires time.Time) {
	expires = wholeSecond(now.Add(s.options.TokenLifetime))
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Type: "m2m",
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   s.options.SiteKey,
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
			ID:        randomHex(),
		},
	}).SignedString(s.options.SigningKey)
	if err != nil {
		panic("gktest: HS256 cannot fail with a byte key: " + err.Error())
	}
	return token, expires
}

// A verdict is the reason to reject a token or secret, in the words of both shapes.
type verdict struct{ docs, sdk, text string }

var (
	accepted     = verdict{}
	missingToken = verdict{"missing-input-response", "missing_token", "token is required"}
	invalidToken = verdict{"invalid-input-response", "invalid_signature", "token is not valid"}
	expiredToken = verdict{"timeout-or-duplicate", "token_expired", "token has expired"}
	usedToken    = verdict{"timeout-or-duplicate", "token_already_used", "token has already been used"}
	foreignToken = verdict{"invalid-input-response", "site_key_mismatch", "token is for another site"}

	missingSecret = verdict{"missing-input-secret", "invalid_secret", "secret is required"}
	invalidSecret = verdict{"invalid-input-secret", "invalid_secret", "secret is not valid"}
)

func (s *Service) verifyToken(r *http.Request, body object, now time.Time) reply {
	token, tokenOK := body.text("token")
	siteKey, siteOK := body.text("siteKey")
	secret, secretOK := body.text("secret")
	secretKey, secretKeyOK := body.text("secretKey")
	if !tokenOK || !siteOK || !secretOK || !secretKeyOK {
		return badRequest()
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if v := s.checkSecrets(bearer, secret, secretKey); v != accepted {
		return s.unauthorized(v)
	}
	c, v := s.checkToken(token, siteKey, now)
	return s.verified(c, v, now)
}

// checkSecrets requires at least one secret, and that all given ones are right.
func (s *Service) checkSecrets(secrets ...string) verdict {
	given, right := 0, 0
	for _, secret := range secrets {
		if secret != "" {
			given++
			right += s.secretMatches(secret)
		}
	}
	switch {
	case given == 0:
		return missingSecret
	case right < given:
		return invalidSecret
	}
	return accepted
}

func (s *Service) checkToken(token, siteKey string, now time.Time) (claims, verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.TokenVerifies++
	if token == "" {
		return claims{}, missingToken
	}
	var c claims
	_, err := jwt.ParseWithClaims(token, &c,
		func(*jwt.Token) (any, error) { return s.options.SigningKey, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now }))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return claims{}, expiredToken
	case err != nil || c.Type != "m2m" || c.IssuedAt == nil:
		return claims{}, invalidToken
	case c.Subject != s.options.SiteKey || siteKey != "" && siteKey != c.Subject:
		return claims{}, foreignToken
	}
	if s.options.SingleUse {
		if s.spent.alive(now, c.ID) {
			return claims{}, usedToken
		}
		s.spent.add(now, c.ID, struct{}{}, c.ExpiresAt.Time)
	}
	return c, accepted
}

type docsReply struct {
	Success bool     `json:"success"`
	Data    docsData `json:"data"`
}

type docsData struct {
	Verified    bool     `json:"verified"`
	Score       *float64 `json:"score,omitempty"` // 0 (harmless) to 1 (a bot); absent if not verified
	Timestamp   string   `json:"timestamp,omitempty"`
	Hostname    string   `json:"hostname,omitempty"`
	Action      string   `json:"action,omitempty"`
	ChallengeTS string   `json:"challenge_ts,omitempty"` // when the token was issued
	ErrorCodes  []string `json:"error_codes,omitempty"`
}

type sdkReply struct {
	Success    bool     `json:"success"`
	Score      *float64 `json:"score,omitempty"`
	Timestamp  int64    `json:"timestamp,omitempty"` // Unix seconds
	Error      string   `json:"error,omitempty"`
	ReasonCode string   `json:"reasonCode,omitempty"`
}

// verified formats the verdict on a token in the configured shape.
func (s *Service) verified(c claims, v verdict, now time.Time) reply {
	switch {
	case s.options.VerifyShape == ShapeSDK && v == accepted:
		return reply{status: http.StatusOK, body: sdkReply{Success: true, Score: new(float64), Timestamp: now.Unix()}}
	case s.options.VerifyShape == ShapeSDK:
		return reply{status: http.StatusOK, body: sdkReply{Error: v.text, ReasonCode: v.sdk}}
	case v == accepted:
		return reply{status: http.StatusOK, body: docsReply{Success: true, Data: docsData{
			Verified:    true,
			Score:       new(float64),
			Timestamp:   now.UTC().Format(time.RFC3339),
			Hostname:    s.options.Hostname,
			Action:      "m2m",
			ChallengeTS: c.IssuedAt.UTC().Format(time.RFC3339),
		}}}
	default:
		return reply{status: http.StatusOK, body: docsReply{Success: true, Data: docsData{ErrorCodes: []string{v.docs}}}}
	}
}

// unauthorized formats the response to a missing or wrong secret in the configured shape.
func (s *Service) unauthorized(v verdict) reply {
	if s.options.VerifyShape == ShapeSDK {
		return reply{status: http.StatusUnauthorized, body: sdkReply{Error: v.text, ReasonCode: v.sdk}}
	}
	return refuse(http.StatusUnauthorized, v.docs)
}
