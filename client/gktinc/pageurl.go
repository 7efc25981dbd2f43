package gktinc

import (
	"errors"
	"net/url"
	"strings"
)

// PageURL returns the url of a page as the API expects it: the host and path, such as
// "example.com/wp-login.php". It drops the scheme, query and fragment of a complete URL,
// and adds the path "/" if there is none. It keeps everything else, including the port
// and the case of letters, and returns its own results unchanged. It returns an error if
// s has no host, or has a user name, spaces or control characters.
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
		return "", errors.New(`the page's URL is invalid: write its host and path, like "example.com/login"`)
	}
	return page, nil
}
