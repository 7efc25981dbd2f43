package client

import (
	"net/netip"
	"net/url"
	"strings"
)

// parseURL parses the URL of an API. fault says what is wrong with the URL, and is "" if
// the URL is valid. It does not quote the URL, which may contain a password.
func parseURL(s string) (u *url.URL, fault string) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, "is not a valid URL"
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "does not begin with https://"
	case u.Opaque != "" || u.Hostname() == "":
		return nil, "has no host"
	case u.User != nil:
		return nil, "has a user name or password, which the API does not use: remove them"
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return nil, "has a query or fragment: remove it"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, "would send the secret key unencrypted: use https (http is for localhost and loopback addresses only)"
	}
	return u, ""
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// endpoint appends a path that begins with a slash.
func endpoint(base *url.URL, path string) string {
	return strings.TrimRight(base.String(), "/") + path
}
