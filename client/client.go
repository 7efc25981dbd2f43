// Package client gets gkCAPTCHA tokens for programs: it does the machine-to-
// machine handshake of the gkCAPTCHA M2M API, which is to ask for a challenge,
// solve its proof of work, and hand the solution in for a short-lived JWT.
//
// Most programs need two functions:
//
//	c, err := client.New(client.Config{SiteKey: site, SecretKey: client.NewSecret(secret)})
//	token, err := c.Token(ctx)
//
// Token does all three steps; Challenge and Submit do the first and the last for
// programs that solve by themselves. A token costs quota and lives for five
// minutes: keep it and use it again. A Source does that for all callers in a
// program, a Transport adds the token to HTTP requests, and package diskcache
// shares it among processes:
//
//	source := client.NewSource(c, client.SourceOptions{})
//	hc := &http.Client{Transport: client.NewTransport(source, client.TransportOptions{})}
//
// A back end that is handed a token asks the service about it with VerifyToken,
// or by the middleware RequireToken. Package gktinc is for back ends that use
// GKTinc.
//
// Every failure is an *Error. Its kind tells what to do:
//
//	switch {
//	case errors.Is(err, client.ErrRateLimited):   // wait, see Error.RetryAfter
//	case errors.Is(err, client.ErrQuotaExceeded): // stop until next month
//	case errors.Is(err, client.ErrMisconfigured): // keys, plan or Config are wrong
//	case errors.Is(err, client.ErrUnavailable):   // no answer that makes sense
//	}
//
// Nothing of this package prints the secret key or a token, whether by fmt,
// JSON, slog or a dump by reflection; Secret.Reveal is the one way to them. The
// secret key is sent over https only, to Config.URL only: redirects are not
// followed. Deadlines are by the server's clock, whatever the local one shows.
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

// A Client talks to the API with one pair of keys. It is safe for concurrent
// use; its calls share nothing but connections and the solver.
type Client struct {
	siteKey       string
	secretKey     Secret
	solver        PuzzleSolver
	maxDifficulty int
	maxRounds     int
	margin        time.Duration
	api           *API
}

// New returns a Client. It sends nothing. A Config that cannot be is an
// ErrMisconfigured that names the field and says what to set it to.
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

// Fingerprint names what the client's tokens are for: 64 hex digits, a SHA-256
// of the URL, the site key and the secret key's own SHA-256. Tokens that are kept
// under it are not mixed up, nor shared by keys that follow one another.
func (c *Client) Fingerprint() string {
	secret := sha256.Sum256([]byte(c.secretKey.Reveal()))
	// Each part but the last ends with a byte that none of them can have.
	sum := sha256.Sum256([]byte("gkpow token\n" + c.api.endpoint("") + "\n" + c.siteKey + "\n" + hex.EncodeToString(secret[:])))
	return hex.EncodeToString(sum[:])
}

// Token asks for a challenge, solves it and hands the solution in. If the
// challenge expires on the way it starts again with a new one, Config.MaxRounds
// times in all, and then fails with ErrExpired. A token that has expired when it
// arrives is an ErrExpired at once: the next would cost quota and be no better. It
// repeats requests as
// Config.MaxRetries says. A solution that was handed in without an answer is
// handed in again; if the service has used the challenge up by then, that counts
// as expired.
//
// When ctx ends, Token returns within milliseconds, with an error that errors.Is
// finds to be context.Canceled or context.DeadlineExceeded.
func (c *Client) Token(ctx context.Context) (Token, error) {
	var lifetimes []string
	var arrived time.Duration // the sum of lifetimes
	var last error
	for round := 1; round <= c.maxRounds; round++ {
		token, lifetime, err := c.round(ctx)
		if err == nil {
			token.Rounds = round
			return token, nil
		}
		if !errors.Is(err, ErrExpired) || errors.Is(err, errDead) {
			return Token{}, err
		}
		last = err
		arrived += lifetime
		lifetimes = append(lifetimes, rounded(lifetime).String())
	}
	why := fmt.Sprintf("expired before a token was had; they lived for %s after they arrived, "+
		"so give the solver more CPU, or raise Config.MaxRounds", strings.Join(lifetimes, ", "))
	if arrived == 0 { // no CPU is fast enough for these
		why = "had expired when they arrived: the service or a proxy gives out old ones, or the way to it takes too long"
	}
	return Token{}, &Error{Op: "token", Kind: ErrExpired, Err: fmt.Errorf("%d challenges (Config.MaxRounds) %s; the last: %w",
		c.maxRounds, why, last)}
}

// round goes through the handshake once. The lifetime is that of the challenge,
// 0 if there was none.
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

// solve stops in time for the solution to be handed in before the deadline.
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
	case limited.Err() != nil && isContextError(err):
		failure.Kind = ErrExpired
		failure.Err = fmt.Errorf("no solution in %v, which was all the time there was", rounded(ch.lifetime()))
	case errors.Is(err, solver.ErrExhausted):
		failure.Kind = ErrMisconfigured
		failure.Err = fmt.Errorf("%w: allow larger nonces (solver.Options.MaxNonce)", err)
	default:
		failure.Kind = ErrUnavailable
	}
	return solver.Solution{}, failure
}
