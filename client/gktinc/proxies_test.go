package gktinc

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClientIP(t *testing.T) {
	inside := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	forwardedFor := Proxies{Trusted: inside}
	realIP := Proxies{Trusted: inside, Header: "X-Real-IP"}
	forwarded := Proxies{Trusted: inside, Header: HeaderForwarded}
	for _, test := range []struct {
		name    string
		proxies Proxies
		remote  string
		header  string   // name of the header; "" means X-Forwarded-For
		values  []string // one header line each
		want    string   // "" means invalid
	}{
		{"peer", Proxies{}, "192.0.2.1:4711", "", nil, "192.0.2.1"},
		{"peer, IPv6", Proxies{}, "[2001:db8::1]:4711", "", nil, "2001:db8::1"},
		{"peer with zone", Proxies{}, "[fe80::1%eth0]:4711", "", nil, "fe80::1"},
		{"peer, IPv4 on an IPv6 socket", Proxies{}, "[::ffff:192.0.2.1]:4711", "", nil, "192.0.2.1"},
		{"unix socket", Proxies{}, "@", "", nil, ""},
		{"no peer", Proxies{}, "", "", nil, ""},
		{"no proxy is trusted", Proxies{}, "10.0.0.1:1", "", []string{"203.0.113.7"}, "10.0.0.1"},
		{"peer is not trusted", forwardedFor, "192.0.2.1:1", "", []string{"203.0.113.7"}, "192.0.2.1"},
		{"unix socket is not trusted", forwardedFor, "@", "", []string{"203.0.113.7"}, ""},
		{"unix socket is trusted", Proxies{TrustSocket: true}, "@", "", []string{"203.0.113.7"}, "203.0.113.7"},
		{"unix socket, no header", Proxies{TrustSocket: true}, "@", "", nil, ""},
		{"no proxies behind a socket", Proxies{TrustSocket: true}, "192.0.2.1:1", "", []string{"203.0.113.7"}, "192.0.2.1"},

		{"one hop", forwardedFor, "10.0.0.1:1", "", []string{"203.0.113.7"}, "203.0.113.7"},
		{"IPv6", forwardedFor, "[fd00::1]:1", "", []string{"2001:db8::7"}, "2001:db8::7"},
		{"forged by the visitor", forwardedFor, "10.0.0.1:1", "", []string{"1.2.3.4, 203.0.113.7"}, "203.0.113.7"},
		{"forged, trusted", forwardedFor, "10.0.0.1:1", "", []string{"10.6.6.6, 203.0.113.7"}, "203.0.113.7"},
		{"two proxies", forwardedFor, "10.0.0.1:1", "", []string{"1.2.3.4, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"two lines", forwardedFor, "10.0.0.1:1", "", []string{"1.2.3.4", "203.0.113.7", "10.0.0.2"}, "203.0.113.7"},
		{"no spaces", forwardedFor, "10.0.0.1:1", "", []string{"1.2.3.4,203.0.113.7,10.0.0.2"}, "203.0.113.7"},
		{"all are trusted", forwardedFor, "10.0.0.1:1", "", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"port", forwardedFor, "10.0.0.1:1", "", []string{"203.0.113.7:4711"}, "203.0.113.7"},
		{"IPv6 and port", forwardedFor, "10.0.0.1:1", "", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"IPv6 in brackets", forwardedFor, "10.0.0.1:1", "", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv4 in brackets", forwardedFor, "10.0.0.1:1", "", []string{"[203.0.113.7]"}, "10.0.0.1"},
		{"zone", forwardedFor, "10.0.0.1:1", "", []string{"fe80::7%eth0"}, "fe80::7"},
		{"IPv4 in IPv6", forwardedFor, "10.0.0.1:1", "", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"trusted IPv4 in IPv6", forwardedFor, "[::ffff:10.0.0.1]:1", "", []string{"203.0.113.7, ::ffff:10.0.0.2"}, "203.0.113.7"},
		{"garbage", forwardedFor, "10.0.0.1:1", "", []string{"garbage"}, "10.0.0.1"},
		{"garbage in front", forwardedFor, "10.0.0.1:1", "", []string{"garbage, 203.0.113.7"}, "203.0.113.7"},
		{"garbage before a proxy", forwardedFor, "10.0.0.1:1", "", []string{"203.0.113.7, garbage, 10.0.0.2"}, "10.0.0.1"},
		{"garbage behind", forwardedFor, "10.0.0.1:1", "", []string{"203.0.113.7, garbage"}, "10.0.0.1"},
		{"empty", forwardedFor, "10.0.0.1:1", "", []string{""}, "10.0.0.1"},
		{"comma behind", forwardedFor, "10.0.0.1:1", "", []string{"203.0.113.7,"}, "10.0.0.1"},
		{"no header", forwardedFor, "10.0.0.1:1", "", nil, "10.0.0.1"},
		{"leading zero", forwardedFor, "10.0.0.1:1", "", []string{"203.0.113.007"}, "10.0.0.1"},
		{"CIDR", forwardedFor, "10.0.0.1:1", "", []string{"203.0.113.7/32"}, "10.0.0.1"},
		{"prefix written as IPv4 in IPv6", Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
			"10.0.0.1:1", "", []string{"203.0.113.7"}, "203.0.113.7"},
		{"wide prefix of IPv6", Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("::/0")}}, "10.0.0.1:1", "", []string{"203.0.113.7"}, "10.0.0.1"},
		{"another header", forwardedFor, "10.0.0.1:1", "X-Real-IP", []string{"203.0.113.7"}, "10.0.0.1"},
		{"Forwarded, not configured", forwardedFor, "10.0.0.1:1", "Forwarded", []string{"for=203.0.113.7"}, "10.0.0.1"},

		{"real IP", realIP, "10.0.0.1:1", "X-Real-IP", []string{"203.0.113.7"}, "203.0.113.7"},
		{"real IP, IPv6", realIP, "10.0.0.1:1", "X-Real-IP", []string{"2001:db8::7"}, "2001:db8::7"},
		{"real IP, two lines", realIP, "10.0.0.1:1", "X-Real-IP", []string{"1.2.3.4", "203.0.113.7"}, "203.0.113.7"},
		{"real IP, list", realIP, "10.0.0.1:1", "X-Real-IP", []string{"1.2.3.4, 203.0.113.7"}, "10.0.0.1"},
		{"real IP is inside", realIP, "10.0.0.1:1", "X-Real-IP", []string{"10.0.0.9"}, "10.0.0.9"},
		{"real IP, missing", realIP, "10.0.0.1:1", "", []string{"203.0.113.7"}, "10.0.0.1"},

		{"RFC 7239", forwarded, "10.0.0.1:1", "Forwarded", []string{"for=203.0.113.7;proto=http;by=10.0.0.1"}, "203.0.113.7"},
		{"case", forwarded, "10.0.0.1:1", "Forwarded", []string{"Proto=http; FOR=203.0.113.7"}, "203.0.113.7"},
		{"IPv6, quoted", forwarded, "10.0.0.1:1", "Forwarded", []string{`for="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"list", forwarded, "10.0.0.1:1", "Forwarded", []string{`for=1.2.3.4, for=203.0.113.7, for="10.0.0.2:80"`}, "203.0.113.7"},
		{"lines", forwarded, "10.0.0.1:1", "Forwarded", []string{"for=1.2.3.4", "for=203.0.113.7, for=10.0.0.2"}, "203.0.113.7"},
		{"unknown", forwarded, "10.0.0.1:1", "Forwarded", []string{"for=unknown"}, "10.0.0.1"},
		{"obfuscated", forwarded, "10.0.0.1:1", "Forwarded", []string{"for=_hidden"}, "10.0.0.1"},
		{"no node", forwarded, "10.0.0.1:1", "Forwarded", []string{"by=203.0.113.7"}, "10.0.0.1"},
		{"two nodes", forwarded, "10.0.0.1:1", "Forwarded", []string{"for=203.0.113.7;for=1.2.3.4"}, "10.0.0.1"},
		{"an open quote in front", forwarded, "10.0.0.1:1", "Forwarded", []string{`for="1.2.3.4`, "for=203.0.113.7"}, "203.0.113.7"},
		{"an open quote", forwarded, "10.0.0.1:1", "Forwarded", []string{`for="203.0.113.7`}, "10.0.0.1"},
		{"only a quote", forwarded, "10.0.0.1:1", "Forwarded", []string{`for="`}, "10.0.0.1"},
		{"X-Forwarded-For, not configured", forwarded, "10.0.0.1:1", "X-Forwarded-For", []string{"203.0.113.7"}, "10.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, test.proxies.check())
			r := httptest.NewRequest("POST", "/login", nil)
			r.RemoteAddr = test.remote
			for _, value := range test.values {
				name := test.header
				if name == "" {
					name = HeaderForwardedFor
				}
				r.Header.Add(name, value)
			}
			got := test.proxies.ClientIP(r)
			if test.want == "" {
				require.False(t, got.IsValid(), got)
				return
			}
			require.Equal(t, netip.MustParseAddr(test.want), got)
		})
	}
}

func TestProxiesCheck(t *testing.T) {
	require.ErrorContains(t, Proxies{Header: "CF-Connecting-IP"}.check(), `"CF-Connecting-IP"`)
	require.ErrorContains(t, Proxies{Trusted: make([]netip.Prefix, 1)}.check(), "Trusted[0]")
	require.NoError(t, Proxies{Header: "x-forwarded-for"}.check())
}

// Whatever the header contains, ClientIP returns an address from it or the peer's, and
// never a trusted one if there is another.
func FuzzClientIP(f *testing.F) {
	for _, seed := range []string{"", "203.0.113.7", "1.2.3.4, 10.0.0.2", `for="[2001:db8::7]:1";by=x`, "[::1]", ",", `for="`, "fe80::1%25eth0"} {
		for _, header := range []byte{0, 1, 2} {
			f.Add(header, seed)
		}
	}
	headers := []string{HeaderForwardedFor, HeaderRealIP, HeaderForwarded}
	peer := netip.MustParseAddr("10.0.0.1")
	f.Fuzz(func(t *testing.T, header byte, value string) {
		p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Header: headers[int(header)%3]}
		r := httptest.NewRequest("POST", "/", nil)
		r.RemoteAddr = "10.0.0.1:4711"
		r.Header[p.Header] = []string{value}
		got := p.ClientIP(r)
		require.True(t, got.IsValid())
		require.Empty(t, got.Zone())
		require.False(t, got.Is4In6())

		// The proxy appends the visitor's address, which must be the result.
		visitor := "203.0.113.7"
		if p.Header == HeaderForwarded {
			visitor = "for=" + visitor
		}
		r.Header[p.Header] = []string{value, visitor}
		require.Equal(t, netip.MustParseAddr("203.0.113.7"), p.ClientIP(r))
		require.NotEqual(t, peer, p.ClientIP(r))
	})
}
