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

// tokenLifetime is how long a token lives if nothing says otherwise: gkCAPTCHA
// M2M API, "a JWT valid for 5 minutes".
const tokenLifetime = 300 * time.Second

// maxToken bounds a token, in bytes: no server takes a longer header.
const maxToken = 16 << 10

// A Token is what a solution is worth, and how it was come by.
type Token struct {
	Value     Secret    // the JWT: visible ASCII characters, at most 16 KiB
	ExpiresAt time.Time // by the server's clock

	Challenge Challenge       // the one that was solved
	Solution  solver.Solution // its solution
	Rounds    int             // challenges that were asked for; 1 if the first did, 0 if restored

	// received and expires are by the local clock, and monotonic; zero if the
	// Token was made by hand.
	received, expires time.Time
}

// RestoreToken returns a token that was kept outside the process, with what
// ExpiresAt, Received and Expires said of it; Challenge and Solution are zero.
// An error means that it can be no token, or that by the local clock it has
// expired or was received in the future.
func RestoreToken(value Secret, expiresAt, received, expires time.Time) (Token, error) {
	now := time.Now()
	switch {
	case !isToken(value.Reveal()):
		return Token{}, &Error{Op: "token", Kind: ErrRejected, Err: errNotToken}
	case received.After(now) || !expires.After(now):
		return Token{}, &Error{Op: "token", Kind: ErrExpired, Err: errors.New("the token that was kept is not valid now")}
	}
	return Token{
		Value:     value,
		ExpiresAt: expiresAt,
		received:  now.Add(received.Sub(now)),
		expires:   now.Add(expires.Sub(now)),
	}, nil
}

var errNotToken = errors.New("a token is 1 byte to 16 KiB of visible ASCII")

// Received returns when the token arrived, by the local clock; zero if it was
// made by hand.
func (t Token) Received() time.Time { return t.received }

// Expires returns when the token expires, by the local clock. See
// Challenge.Deadline.
func (t Token) Expires() time.Time {
	if t.expires.IsZero() {
		return t.ExpiresAt
	}
	return t.expires
}

// Alive reports whether the token has not expired, by the monotonic clock and by
// the wall clock. Every TokenSource of this module gives out tokens that are alive.
func (t Token) Alive() bool { return before(time.Now(), t.Expires()) }

// CheckAlive returns an ErrExpired for a token that is not alive; a TokenSource
// returns it in the token's place.
func (t Token) CheckAlive() error {
	if t.Alive() {
		return nil
	}
	return &Error{Op: "token", Kind: ErrExpired, Err: errDead}
}

var errDead = errors.New("the token had expired when it arrived, by the service's clock")

// verifyRequest is the body of gkCAPTCHA M2M API, "2. Solve and Submit".
type verifyRequest struct {
	SiteKey     string `json:"siteKey"`
	SecretKey   string `json:"secretKey"`
	ChallengeID string `json:"challengeId"`
	Nonce       uint64 `json:"nonce"` // a JSON number, as in all samples
	Hash        string `json:"hash"`  // lower-case hex
}

// Submit hands in a solution and returns the token. A challenge is good for one
// attempt. Nothing is sent if the challenge's deadline has passed (ErrExpired)
// or if crypto/sha256 does not confirm the solution (ErrRejected). A token that has
// expired when it arrives is an ErrExpired.
func (c *Client) Submit(ctx context.Context, ch Challenge, solution solver.Solution) (Token, error) {
	puzzle, err := ch.Puzzle()
	if err != nil {
		return Token{}, &Error{Op: "verify", Kind: ErrDifficulty, Err: err}
	}
	if !puzzle.Solves(solution.Nonce) || puzzle.Hash(solution.Nonce) != solution.Hash {
		return Token{}, &Error{Op: "verify", Kind: ErrRejected,
			Err: errors.New("the solution is wrong by crypto/sha256, and was not sent: the solver is at fault")}
	}
	if late := c.api.now().Sub(ch.Deadline()); late >= 0 {
		return Token{}, &Error{Op: "verify", Kind: ErrExpired,
			Err: fmt.Errorf("the challenge expired %v ago; the solution was not sent", rounded(late))}
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
		return Token{}, &Error{Op: "verify", Kind: ErrExpired, Err: errDead}
	}
	token.Challenge, token.Solution, token.Rounds = ch, solution, 1
	return token, nil
}

// decodeToken reads gkCAPTCHA M2M API, "Verify Response". An expiresAt that is
// no time counts as absent: the token has been paid for.
func decodeToken(a answer) (Token, error) {
	malformed := func(what string) (Token, error) {
		return Token{}, &Error{Op: "verify", Kind: ErrUnavailable, Status: a.status,
			Err: errors.New("the answer is malformed: " + what)}
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

// isToken reports whether the token can be put into a header or on a line of
// its own without being taken for something else.
func isToken(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxToken
}

// jwtExpiry reads the claim exp. The signature is symmetric (HS256) and its key
// is the service's, so it cannot be checked here and need not be: the token
// came from the service itself.
func jwtExpiry(token string) (time.Time, bool) {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || claims.ExpiresAt == nil {
		return time.Time{}, false
	}
	expiry := claims.ExpiresAt.Time
	return expiry, expiry.Unix() >= 0 && expiry.Unix() <= jsonobject.MaxUnix
}
