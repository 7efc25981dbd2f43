package client

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gkpow/gkpow/solver"
)

// DefaultURL is the URL of the vendor's API.
const DefaultURL = "https://gkcaptcha.gatekeeper.sa"

// Defaults of Config fields.
const (
	defaultMaxDifficulty = 8 // 4.3e9 hashes on average
	defaultMaxRounds     = 3
	defaultMaxRetries    = 2
	defaultMargin        = 2 * time.Second
	defaultTimeout       = 10 * time.Second
)

// A PuzzleSolver finds proof-of-work nonces; *solver.Solver is one. It must be safe for
// concurrent use. When the context is done, Solve must soon return an error for which
// errors.Is finds the context's error.
type PuzzleSolver interface {
	// Solve returns a solution of the puzzle.
	Solve(context.Context, solver.Puzzle) (solver.Solution, error)
}

// A Config configures a Client. Both keys are required; every other field may be left
// zero.
type Config struct {
	SiteKey   string // public, pk_...
	SecretKey Secret // sk_...; sent in request bodies, and by VerifyToken in a header

	// URL is the base URL of the API, without "/api/..."; "" means DefaultURL. It must
	// be https unless the host is localhost or a loopback address. It may have a path,
	// which prefixes the API's paths, but no user information, query or fragment.
	URL string

	// HTTPClient sends the requests. The Client uses a copy that never follows
	// redirects, and does not modify the original. nil means a new client with its own
	// connections and at least TLS 1.2. Never dump your HTTP client by reflection: the
	// buffers of its connections contain requests, and with them the secret key.
	HTTPClient *http.Client

	Solver PuzzleSolver // nil means solver.New with default Options

	MaxDifficulty int // hardest challenge to accept, 1 to 64 hex digits; 0 means 8
	MaxRounds     int // challenges that Token tries before it gives up; 0 means 3

	// MaxRetries is the maximum number of retries of a request by Token and
	// VerifyToken: 0 means 2, negative means none. They retry when there is no complete
	// response, and after status 5xx and 408. The first wait is 250 ms, and each later
	// one twice as long. If the response has a longer Retry-After, they wait for that, but
	// give up if it exceeds 30 s. They also give up after two timeouts. They wait for
	// the end of a rate limit only if the context has a deadline after it. They do not
	// retry after any other rejection, such as an exceeded quota, nor after a redirect
	// or an untrusted certificate. Challenge and Submit never retry.
	MaxRetries int

	// Margin is the time between the end of solving and the challenge's deadline. It
	// lets the solution arrive in time. 0 means 2 s. The Client limits it to a quarter
	// of the time that was left when the challenge arrived.
	Margin time.Duration

	Timeout   time.Duration // of each request, up to the last byte of the response; 0 means 10 s
	UserAgent string        // "" means DefaultUserAgent

	Limits Limits // how many requests run at once, and when to stop sending to a failing service

	// OnExchange, if not nil, is called after each request that was sent. Several
	// goroutines may call it at once.
	OnExchange func(Exchange)
}

// complete fills in defaults and rejects invalid values.
func (c Config) complete() (Config, error) {
	switch {
	case c.SiteKey == "":
		return c, misconfigured("SiteKey is empty: set it to the site's public key, pk_... (GKCAPTCHA_SITE_KEY)")
	case c.SecretKey.IsZero():
		return c, misconfigured("SecretKey is empty: set it to the site's secret key, sk_... (GKCAPTCHA_SECRET_KEY)")
	case !isKey(c.SiteKey):
		return c, misconfigured("SiteKey has white space or control characters, or more than 4 KiB: check that it contains only the key")
	case !isKey(c.SecretKey.Reveal()):
		return c, misconfigured("SecretKey has white space or control characters, or more than 4 KiB: check that it contains only the key")
	case c.MaxDifficulty < 0 || c.MaxDifficulty > solver.MaxBits/4:
		return c, misconfigured("MaxDifficulty is %d: set it to 1 to %d hex digits, or to 0 for the default, %d",
			c.MaxDifficulty, solver.MaxBits/4, defaultMaxDifficulty)
	case c.MaxRounds < 0:
		return c, misconfigured("MaxRounds is %d: set it to 1 or more, or to 0 for the default, %d", c.MaxRounds, defaultMaxRounds)
	case c.Margin < 0:
		return c, misconfigured("Margin is %v: set it to a positive duration, or to 0 for the default, %v", c.Margin, defaultMargin)
	}
	c.MaxDifficulty = cmp.Or(c.MaxDifficulty, defaultMaxDifficulty)
	c.MaxRounds = cmp.Or(c.MaxRounds, defaultMaxRounds)
	c.Margin = cmp.Or(c.Margin, defaultMargin)
	if c.Solver == nil {
		s, err := solver.New(solver.Options{})
		if err != nil {
			return c, misconfigured("Solver: %w", err)
		}
		c.Solver = s
	}
	return c, nil
}

func misconfigured(format string, args ...any) *Error {
	return &Error{Op: "config", Kind: ErrMisconfigured, Err: fmt.Errorf(format, args...)}
}

func isKey(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// DefaultUserAgent returns "gkpow-go/" followed by the version of this module in the
// running program, or "devel" if that is unknown.
func DefaultUserAgent() string { return "gkpow-go/" + solver.BuildInfo().Version }
