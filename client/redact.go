package client

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// jwtLike is the beginning of any JSON object in base64, so of any JWT.
const jwtLike = `eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*`

// newRedactor returns a function that replaces the given strings, and whatever
// looks like a JWT, in text that comes from outside. It finds them in any case
// and in the forms that error messages and URLs give to strings. It is a
// closure so that a dump of a struct that holds it shows nothing.
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
			alternatives = append(alternatives, "(?i:"+regexp.QuoteMeta(form)+")")
		}
	}
	pattern := regexp.MustCompile(strings.Join(alternatives, "|"))
	return func(s string) string { return pattern.ReplaceAllLiteralString(s, redacted) }
}

// maxForeignText bounds text from outside in an error message.
const maxForeignText = 300

// printable makes text from outside fit for one line of a terminal.
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
