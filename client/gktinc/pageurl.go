package gktinc

import (
	"errors"
	"net/url"
	"strings"
)

// PageURL returns what the API wants as url: host and path of a page, as in
// "example.com/wp-login.php". From a whole URL it drops scheme, query and
// fragment; it adds the path "/" where there is none, and changes nothing else:
// a port stays, and so do upper and lower case. What it returns it leaves as it
// is. An error means that s has no host, or has a user name, spaces or control
// characters.
func PageURL(s string) (string, error) {
	if before, after, ok := strings.Cut(s, "//"); ok && (before == "" || strings.HasSuffix(before, ":") && !strings.ContainsAny(before, "/?#")) {
		s = after
	}
	s, _, _ = strings.Cut(s, "#")
	s, _, _ = strings.Cut(s, "?")
	host, path, _ := strings.Cut(s, "/")
	page := host + "/" + path
	u, err := url.Parse("https://" + page)
	if err != nil || u.Host != host || u.Hostname() == "" || strings.HasSuffix(host, ":") ||
		strings.ContainsFunc(page, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '�' }) {
		return "", errors.New(`the page's URL is not host and path, as in "example.com/login"`)
	}
	return page, nil
}
