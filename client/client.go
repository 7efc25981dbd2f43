// Package client gets gkCAPTCHA tokens for programs. It performs the handshake of the
// gkCAPTCHA machine-to-machine (M2M) API: it requests a challenge, solves its proof of
// work, and submits the solution in exchange for a short-lived JWT.
//
// Most programs need two functions:
//
//	c, err := client.New(client.Config{SiteKey: site, SecretKey: client.NewSecret(secret)})
//	token, err := c.Token(ctx)
//
// Token does all three steps. Programs that solve puzzles themselves use Challenge and
// Submit for the first and the last. Each token counts against the quota and is valid for
// five minutes, so reuse it. A Source shares one token among all callers in a program, a
// Transport adds it to HTTP requests, and package diskcache shares it among processes:
//
//	source := client.NewSource(c, client.SourceOptions{})
//	hc := &http.Client{Transport: client.NewTransport(source, client.TransportOptions{})}
//
// A back end that receives a token verifies it with VerifyToken or with the middleware
// RequireToken. Back ends that use GKTinc need package gktinc.
//
// Every failure is an *Error. Its kind determines what to do:
//
//	switch {
//	case errors.Is(err, client.ErrRateLimited):   // wait, see Error.RetryAfter
//	case errors.Is(err, client.ErrQuotaExceeded): // stop until next month
//	case errors.Is(err, client.ErrMisconfigured): // keys, plan or Config are wrong
//	case errors.Is(err, client.ErrUnavailable):   // no valid response
//	}
//
// No value of this package prints the secret key or a token, whether with fmt, JSON, slog
// or a reflective dump; only Secret.Reveal returns them. The client sends the secret key
// to Config.URL only, over https (http only to a loopback address), and does not follow
// redirects. It corrects deadlines for a local clock that differs from the server's.
package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gkpow/gkpow/solver"
)

// A Client calls the API with one pair of keys. It is safe for concurrent use; its calls
// share only connections, Limits and the solver.
type Client struct {
	siteKey       string
	secretKey     Secret
	solver        PuzzleSolver
	maxDifficulty int
	maxRounds     int
	margin        time.Duration
	api           *API
}

// New returns a Client. It makes no requests. If config is invalid, the error is
// ErrMisconfigured, names the field and says what to set it to.
func New(config Config) (*Client, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	api, err := NewAPI(APIConfig{
		DefaultURL: DefaultURL,
		Variable:   "GKCAPTCHA_API_URL",
		URL:        config.URL,
		HTTPClient: config.HTTPClient,
		Timeout:    config.Timeout,
		MaxRetries: config.MaxRetries,
		UserAgent:  config.UserAgent,
		Limits:     config.Limits,
		OnExchange: config.OnExchange,
		Secrets:    []Secret{config.SecretKey, NewSecret(config.SiteKey)},
	})
	if err != nil {
		return nil, err
	}
	return &Client{
		siteKey:       config.SiteKey,
		secretKey:     config.SecretKey,
		solver:        config.Solver,
		maxDifficulty: config.MaxDifficulty,
		maxRounds:     config.MaxRounds,
		margin:        config.Margin,
		api:           api,
	}, nil
}

// Fingerprint identifies the service and the keys that the client uses: it is the SHA-256
// of the URL, the site key and the SHA-256 of the secret key, as 64 hex digits. Caches
// name their entries after it, so that a client never gets a token of other keys, not even
// after a key rotation.
func (c *Client) Fingerprint() string {
	secret := sha256.Sum256([]byte(c.secretKey.Reveal()))
	// A line feed ends each part but the last; no part can contain one.
	sum := sha256.Sum256([]byte("gkpow token\n" + c.api.endpoint("") + "\n" + c.siteKey + "\n" + hex.EncodeToString(secret[:])))
	return hex.EncodeToString(sum[:])
}

// Token requests a challenge, solves it and submits the solution. If the challenge
// expires before that is done, Token starts over with a new one; after Config.MaxRounds
// challenges it returns ErrExpired. If the token has already expired when it arrives,
// Token returns ErrExpired at once, since another token would cost quota and be no
// better.
//
// Token retries requests according to Config.MaxRetries. If a submission gets no response,
// Token submits the solution again; if the service then says that the challenge is used
// up, Token treats it as expired.
//
// When ctx is done, Token returns within milliseconds, with an error for which errors.Is
// finds context.Canceled or context.DeadlineExceeded.
func (c *Client) Token(ctx context.Context) (Token, error) {
	var lifetimes []string
	var total time.Duration // the sum of lifetimes
	var last error
	for round := 1; round <= c.maxRounds; round++ {
		token, lifetime, err := c.round(ctx)
		if err == nil {
			token.Rounds = round
			return token, nil
		}
		if !errors.Is(err, ErrExpired) || errors.Is(err, errExpiredOnArrival) {
			return Token{}, err
		}
		last = err
		total += lifetime
		lifetimes = append(lifetimes, rounded(lifetime).String())
	}
	why := fmt.Sprintf("expired before they were solved; they lived for %s after they arrived, "+
		"so give the solver more CPU, or raise Config.MaxRounds", strings.Join(lifetimes, ", "))
	if total == 0 { // a faster CPU would not help
		why = "had expired when they arrived: the service or a proxy returns old ones, or the network is too slow"
	}
	return Token{}, &Error{Op: "token", Kind: ErrExpired, Err: fmt.Errorf("%d challenges (Config.MaxRounds) %s; the last: %w",
		c.maxRounds, why, last)}
}

// round performs the handshake once. lifetime is how long the challenge was still valid
// when it arrived; 0 if none arrived.
func (c *Client) round(ctx context.Context) (token Token, lifetime time.Duration, err error) {
	ch, err := retry(ctx, c.api, "challenge", func() (Challenge, error) { return c.Challenge(ctx) })
	if err != nil {
		return Token{}, 0, err
	}
	solution, err := c.solve(ctx, ch)
	if err != nil {
		return Token{}, ch.lifetime(), err
	}
	token, err = retry(ctx, c.api, "verify", func() (Token, error) { return c.Submit(ctx, ch, solution) })
	return token, ch.lifetime(), err
}

// solve solves the challenge. It gives up early enough before the deadline that a solution
// can still be submitted in time.
func (c *Client) solve(ctx context.Context, ch Challenge) (solver.Solution, error) {
	puzzle, err := ch.Puzzle()
	if err != nil {
		return solver.Solution{}, &Error{Op: "solve", Kind: ErrDifficulty, Err: err}
	}
	limited, cancel := context.WithTimeout(ctx, ch.stop(c.margin).Sub(c.api.now()))
	defer cancel()
	solution, err := c.solver.Solve(limited, puzzle)
	if err == nil {
		return solution, nil
	}
	failure := &Error{Op: "solve", Err: err}
	ended := contextError(ctx)
	switch {
	case ended != nil:
		failure.Err = ended
	case contextError(limited) != nil && isContextError(err):
		failure.Kind = ErrExpired
		failure.Err = fmt.Errorf("no solution within %v, the lifetime of the challenge", rounded(ch.lifetime()))
	case errors.Is(err, solver.ErrExhausted):
		failure.Kind = ErrMisconfigured
		failure.Err = fmt.Errorf("%w: allow larger nonces (solver.Options.MaxNonce)", err)
	default:
		failure.Kind = ErrUnavailable
	}
	return solver.Solution{}, failure
}
