package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gkpow/gkpow/client"
)

// tokenFormats are the values of --format.
var tokenFormats = []string{"token", "json", "env", "header"}

// tokenJSON is how --json shows a token. The figures of the search are missing
// if the token was in the cache.
type tokenJSON struct {
	Token      string `json:"token"`
	ExpiresAt  int64  `json:"expiresAt"` // Unix seconds, by the service's clock
	Cached     bool   `json:"cached"`
	Challenges int    `json:"challenges"` // number of challenges that it took
	*solutionJSON
}

// checkTokenFormat returns an error for an invalid value of --format.
func checkTokenFormat(format string) error {
	if !slices.Contains(tokenFormats, format) {
		return usagef("--format %q is not one of %s%s", format, strings.Join(tokenFormats, ", "), meant(format, tokenFormats))
	}
	return nil
}

func printToken(w io.Writer, format string, t client.Token) error {
	value := t.Value.Reveal()
	var err error
	switch format {
	case "json":
		out := tokenJSON{Token: value, ExpiresAt: t.ExpiresAt.Unix(), Cached: t.Rounds == 0, Challenges: t.Rounds}
		if !out.Cached {
			solution := newSolutionJSON(t.Solution)
			out.solutionJSON = &solution
		}
		err = printJSON(w, out)
	case "env":
		_, err = fmt.Fprintf(w, "export GKCAPTCHA_TOKEN=%s GKCAPTCHA_TOKEN_EXPIRES_AT=%d\n", shellQuote(value), t.ExpiresAt.Unix())
	case "header":
		_, err = fmt.Fprintf(w, "X-Captcha-Token: %s\n", value)
	default:
		_, err = fmt.Fprintln(w, value)
	}
	return err
}
