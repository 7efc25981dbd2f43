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

// DefaultURL is where the vendor runs the API.
const DefaultURL = "https://gkcaptcha.gatekeeper.sa"

// Values of Config fields that are 0.
const (
	defaultMaxDifficulty = 8 // 4.3e9 hashes on average
	defaultMaxRounds     = 3
	defaultMaxRetries    = 2
	defaultMargin        = 2 * time.Second
	defaultTimeout       = 10 * time.Second
)

// A PuzzleSolver finds proof-of-work nonces; *solver.Solver is one. When the
// context ends, Solve must soon return an error that errors.Is finds to be the
// context's. It must be safe for concurrent use.
type PuzzleSolver interface {
	Solve(context.Context, solver.Puzzle) (solver.Solution, error)
}

// A Config says whom to ask, with which keys, and how long to try. Both keys are
// needed; every other field may be left zero.
type Config struct {
	SiteKey   string // public, pk_...
	SecretKey Secret // sk_...; it is sent in request bodies, and by VerifyToken in a header

	// URL is where the API is, without "/api/...": "" is DefaultURL. It must be
	// https unless the host is localhost or a loopback address. A path is kept
	// as a prefix; user information, query and fragment are refused.
	URL string

	// HTTPClient sends the requests. It is copied, not modified; the copy never
	// follows redirects. nil is a client of its own, with connections of its own
	// and TLS 1.2 at least. A dump that follows pointers into a transport shows
	// what its connections have buffered, requests included: do not dump yours.
	HTTPClient *http.Client

	Solver PuzzleSolver // nil is solver.New with default Options

	MaxDifficulty int // hex digits, 1 to 64, above which a challenge is refused; 0 is 8
	MaxRounds     int // challenges that Token tries before it gives up; 0 is 3

	// MaxRetries is how many times Token and VerifyToken repeat a request that
	// failed: 0 is 2, negative is none. They repeat what got no whole answer, or
	// one of status 5xx or 408, after a quarter of a second, then half, and so on,
	// or after the answer's Retry-After if that is longer; if it is longer than
	// 30 s they give up, and so they do the second time that Timeout has passed.
	// They wait for a rate limit to end only if the context has a deadline that
	// leaves the time. Certificates that are not trusted, redirects, and all other
	// refusals, the monthly quota above all, are not repeated. Challenge and Submit
	// repeat nothing.
	MaxRetries int

	// Margin is how long before the challenge's deadline Token stops solving, so
	// that the solution arrives in time. 0 is 2 s. It is never more than a
	// quarter of the time that was left when the challenge arrived.
	Margin time.Duration

	Timeout   time.Duration // for each request, to the last byte of the answer; 0 is 10 s
	UserAgent string        // "" is DefaultUserAgent

	Limits Limits // on requests, above all while the service does not answer
}

// complete replaces zero values and refuses those that cannot be.
func (c Config) complete() (Config, error) {
	switch {
	case c.SiteKey == "":
		return c, misconfigured("SiteKey is empty: set it to the site's public key, pk_... (GKCAPTCHA_SITE_KEY)")
	case c.SecretKey.IsZero():
		return c, misconfigured("SecretKey is empty: set it to the site's secret key, sk_... (GKCAPTCHA_SECRET_KEY)")
	case !isKey(c.SiteKey):
		return c, misconfigured("SiteKey has white space or control characters in it, or is over 4 KiB: check that it is the key alone")
	case !isKey(c.SecretKey.Reveal()):
		return c, misconfigured("SecretKey has white space or control characters in it, or is over 4 KiB: check that it is the key alone")
	case c.MaxDifficulty < 0 || c.MaxDifficulty > solver.MaxBits/4:
		return c, misconfigured("MaxDifficulty is %d: set it to 1 to %d hex digits, or to 0 for %d",
			c.MaxDifficulty, solver.MaxBits/4, defaultMaxDifficulty)
	case c.MaxRounds < 0:
		return c, misconfigured("MaxRounds is %d: set it to 1 or more, or to 0 for %d", c.MaxRounds, defaultMaxRounds)
	case c.Margin < 0:
		return c, misconfigured("Margin is %v: set it to a positive duration, or to 0 for %v", c.Margin, defaultMargin)
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

// DefaultUserAgent returns "gkpow-go/" and the version of this module in the
// running program, "devel" if it is not known.
func DefaultUserAgent() string { return "gkpow-go/" + solver.BuildInfo().Version }
