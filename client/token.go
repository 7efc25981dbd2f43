package client

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gkpow/gkpow/client/internal/jsonobject"
	"github.com/gkpow/gkpow/solver"
)

// tokenLifetime is the lifetime of a token whose response does not state it: gkCAPTCHA M2M
// API, "a JWT valid for 5 minutes".
const tokenLifetime = 300 * time.Second

// maxToken is the maximum length of a token, in bytes. No server accepts a longer header.
const maxToken = 16 << 10

// A Token is a token from the service and the handshake that produced it.
type Token struct {
	Value     Secret    // the JWT: visible ASCII characters, at most 16 KiB
	ExpiresAt time.Time // by the server's clock

	Challenge Challenge       // the challenge that was solved
	Solution  solver.Solution // its solution
	Rounds    int             // challenges requested, 1 or more; 0 if the token comes from a cache

	// received and expires are by the local clock, with monotonic readings. They are
	// zero in a Token that was not received from the service.
	received, expires time.Time
}

// RestoreToken returns a token that was stored outside the process. The arguments are what
// the token's Value, ExpiresAt, Received and Expires were; Challenge and Solution of the
// result are zero. The error is ErrRejected if value cannot be a token, and ErrExpired if
// by the local clock the token has expired or was received in the future.
func RestoreToken(value Secret, expiresAt, received, expires time.Time) (Token, error) {
	now := time.Now()
	switch {
	case !isToken(value.Reveal()):
		return Token{}, &Error{Op: "token", Kind: ErrRejected, Err: errNotToken}
	case received.After(now) || !expires.After(now):
		return Token{}, &Error{Op: "token", Kind: ErrExpired, Err: errors.New("the stored token has expired, or is from the future")}
	}
	return Token{
		Value:     value,
		ExpiresAt: expiresAt,
		received:  now.Add(received.Sub(now)),
		expires:   now.Add(expires.Sub(now)),
	}, nil
}

var errNotToken = errors.New("a token is 1 byte to 16 KiB of visible ASCII")

// Received returns the time when the token arrived, by the local clock. It is zero if the
// token was not received from the service.
func (t Token) Received() time.Time { return t.received }

// Expires returns the time when the token expires, by the local clock. See
// Challenge.Deadline.
func (t Token) Expires() time.Time {
	if t.expires.IsZero() {
		return t.ExpiresAt
	}
	return t.expires
}

// Alive reports whether the token has not expired, by both the monotonic clock and the
// wall clock. Every TokenSource of this module returns only such tokens.
func (t Token) Alive() bool { return before(time.Now(), t.Expires()) }

// CheckAlive returns ErrExpired if the token has expired. A TokenSource returns that error
// instead of an expired token.
func (t Token) CheckAlive() error {
	if t.Alive() {
		return nil
	}
	return &Error{Op: "token", Kind: ErrExpired, Err: errExpiredOnArrival}
}

var errExpiredOnArrival = errors.New("the token had expired when it arrived, by the service's clock")

// verifyRequest is the body of gkCAPTCHA M2M API, "2. Solve and Submit".
type verifyRequest struct {
	SiteKey     string `json:"siteKey"`
	SecretKey   string `json:"secretKey"`
	ChallengeID string `json:"challengeId"`
	Nonce       uint64 `json:"nonce"` // a JSON number, as in all samples
	Hash        string `json:"hash"`  // lower-case hex
}

// Submit submits a solution, without retries, and returns the token. A challenge allows
// only one attempt, so Submit sends nothing if the challenge has expired (ErrExpired) or
// if crypto/sha256 contradicts the solution (ErrRejected). If the token has already
// expired when it arrives, the error is ErrExpired.
func (c *Client) Submit(ctx context.Context, ch Challenge, solution solver.Solution) (Token, error) {
	puzzle, err := ch.Puzzle()
	if err != nil {
		return Token{}, &Error{Op: "verify", Kind: ErrDifficulty, Err: err}
	}
	if !puzzle.Solves(solution.Nonce) || puzzle.Hash(solution.Nonce) != solution.Hash {
		return Token{}, &Error{Op: "verify", Kind: ErrRejected,
			Err: errors.New("crypto/sha256 contradicts the solution, so it was not sent: the solver is faulty")}
	}
	if late := c.api.now().Sub(ch.Deadline()); late >= 0 {
		return Token{}, &Error{Op: "verify", Kind: ErrExpired,
			Err: fmt.Errorf("the challenge expired %v ago, so the solution was not sent", rounded(late))}
	}
	a, err := c.api.ask(ctx, APIRequest{Op: "verify", Path: "/api/v1/m2m/verify", Body: verifyRequest{
		SiteKey:     c.siteKey,
		SecretKey:   c.secretKey.Reveal(),
		ChallengeID: ch.ID,
		Nonce:       solution.Nonce,
		Hash:        hex.EncodeToString(solution.Hash[:]),
	}})
	if err != nil {
		return Token{}, err
	}
	token, err := decodeToken(a)
	if err != nil {
		return Token{}, err
	}
	if !before(c.api.now(), token.Expires()) {
		return Token{}, &Error{Op: "verify", Kind: ErrExpired, Err: errExpiredOnArrival}
	}
	token.Challenge, token.Solution, token.Rounds = ch, solution, 1
	return token, nil
}

// decodeToken decodes gkCAPTCHA M2M API, "Verify Response". It treats a malformed
// expiresAt as absent, rather than losing a token that has cost quota.
func decodeToken(a answer) (Token, error) {
	malformed := func(what string) (Token, error) {
		return Token{}, &Error{Op: "verify", Kind: ErrUnavailable, Status: a.status,
			Err: errors.New("the response is malformed: " + what)}
	}
	if !a.fields.IsTrue("success") {
		return malformed("success is missing")
	}
	if !a.fields.Has("token") {
		return malformed("token is missing")
	}
	value, ok := a.fields.Text("token")
	if !ok || !isToken(value) {
		return malformed("token is not a string of 1 byte to 16 KiB of visible ASCII")
	}
	t := Token{Value: NewSecret(value), received: a.clock.local}
	if t.ExpiresAt, ok = a.fields.Timestamp("expiresAt"); !ok {
		t.ExpiresAt, ok = jwtExpiry(value)
	}
	if !ok {
		t.ExpiresAt = a.clock.server.Add(tokenLifetime)
	}
	t.expires = a.clock.toLocal(t.ExpiresAt)
	return t, nil
}

// isToken reports whether a token can safely go into a header or on a line of its own.
func isToken(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxToken
}

// jwtExpiry reads the claim exp without verifying the signature. Only the service has the
// key, since the signature is symmetric (HS256), and the token comes straight from it.
func jwtExpiry(token string) (time.Time, bool) {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || claims.ExpiresAt == nil {
		return time.Time{}, false
	}
	expiry := claims.ExpiresAt.Time
	return expiry, expiry.Unix() >= 0 && expiry.Unix() <= jsonobject.MaxUnix
}
