package client

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// jwtLike matches JWTs. Every JSON object in base64 begins with eyJ.
const jwtLike = `eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*`

// newRedactor returns a function that replaces the given secrets, and anything that looks
// like a JWT, in foreign text. It finds the secrets in any case, and quoted or escaped as
// in error messages, JSON and URLs. It is a closure, so that a dump shows no secret.
func newRedactor(secrets ...string) func(string) string {
	alternatives := []string{jwtLike}
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		quoted := strconv.Quote(secret)
		encoded, _ := json.Marshal(secret)
		for _, form := range []string{
			secret, quoted[1 : len(quoted)-1], string(encoded[1 : len(encoded)-1]),
			url.QueryEscape(secret), url.PathEscape(secret),
		} {
			if alternative := "(?i:" + regexp.QuoteMeta(form) + ")"; !slices.Contains(alternatives, alternative) {
				alternatives = append(alternatives, alternative)
			}
		}
	}
	pattern := regexp.MustCompile(strings.Join(alternatives, "|"))
	return func(s string) string { return pattern.ReplaceAllLiteralString(s, redacted) }
}

// maxForeignText is the maximum length of foreign text in an error message, in bytes.
const maxForeignText = 300

// printable makes foreign text safe to print on one line of a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxForeignText {
		s = strings.ToValidUTF8(s[:maxForeignText], "") + "..."
	}
	return s
}
