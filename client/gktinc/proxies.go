package gktinc

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Headers in which proxies say who has connected to them.
const (
	HeaderForwardedFor = "X-Forwarded-For" // a list, the nearest proxy's word last
	HeaderRealIP       = "X-Real-Ip"       // one address
	HeaderForwarded    = "Forwarded"       // RFC 7239, a list as well
)

// Proxies say whose word on the visitor's address is believed. The zero value
// believes nobody: the visitor is who has connected.
type Proxies struct {
	// Trusted are the addresses of the proxies in front of the server. An address
	// in the header counts only if one of them has reported it.
	Trusted []netip.Prefix

	// TrustSocket trusts whoever connects over a unix socket, where there are no
	// addresses.
	TrustSocket bool

	// Header is the one that the proxies write, HeaderForwardedFor (""),
	// HeaderRealIP or HeaderForwarded. They must set it, or add to it, on every
	// request: all others are not looked at, since a proxy passes on what a
	// visitor has put there.
	Header string
}

// check refuses what cannot be meant.
func (p Proxies) check() error {
	switch http.CanonicalHeaderKey(p.Header) {
	case "", HeaderForwardedFor, HeaderRealIP, HeaderForwarded:
	default:
		return fmt.Errorf("Proxies.Header is %q: set it to %s, %s or %s", p.Header, HeaderForwardedFor, HeaderRealIP, HeaderForwarded)
	}
	if i := slices.IndexFunc(p.Trusted, func(t netip.Prefix) bool { return !t.IsValid() }); i >= 0 {
		return fmt.Errorf("Proxies.Trusted[%d] is not a valid prefix", i)
	}
	return nil
}

// ClientIP returns the visitor's address, without zone, IPv4 as such: the last one
// in the header that is not a trusted proxy's, if the peer is one; the first one
// if all are. It is the peer's own address if the header is missing or a word of
// it that counts is not an address. It is not valid if the peer has no address, as
// on a unix socket.
func (p Proxies) ClientIP(r *http.Request) netip.Addr {
	peer := peerIP(r.RemoteAddr)
	if !p.trusts(peer) {
		return peer
	}
	hops := p.hops(r.Header)
	for i, hop := range slices.Backward(hops) {
		switch {
		case !hop.IsValid():
			return peer
		case i == 0 || !p.trusts(hop):
			return hop
		}
	}
	return peer
}

// TrustsPeer reports whether whoever has connected is a trusted proxy.
func (p Proxies) TrustsPeer(r *http.Request) bool { return p.trusts(peerIP(r.RemoteAddr)) }

// trusts reports whether who has this address is believed.
func (p Proxies) trusts(ip netip.Addr) bool {
	if !ip.IsValid() {
		return p.TrustSocket
	}
	return slices.ContainsFunc(p.Trusted, func(t netip.Prefix) bool {
		return t.Contains(ip) || t.Addr().Is4In6() && netip.PrefixFrom(t.Addr().Unmap(), t.Bits()-96).Contains(ip)
	})
}

// hops returns the addresses in the header, the nearest one last, and ones that
// are not valid for what is not an address.
func (p Proxies) hops(h http.Header) []netip.Addr {
	var hops []netip.Addr
	switch http.CanonicalHeaderKey(p.Header) {
	case HeaderRealIP:
		if values := h.Values(HeaderRealIP); len(values) > 0 {
			hops = append(hops, parseNode(values[len(values)-1]))
		}
	case HeaderForwarded:
		for element := range strings.SplitSeq(strings.Join(h.Values(HeaderForwarded), ","), ",") {
			hops = append(hops, parseNode(forwardedFor(element)))
		}
	default:
		for value := range strings.SplitSeq(strings.Join(h.Values(HeaderForwardedFor), ","), ",") {
			hops = append(hops, parseNode(value))
		}
	}
	return hops
}

// forwardedFor returns the node of an element of a Forwarded header (RFC 7239,
// section 4), "" if it names none or is not of that form. A comma or semicolon in
// a quoted string, which no address has, spoils only the elements it is in.
func forwardedFor(element string) string {
	node := ""
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "for") {
			continue
		}
		if node != "" {
			return "" // not more than once (section 4)
		}
		node = strings.TrimSpace(value)
		if quoted, ok := strings.CutPrefix(node, `"`); ok {
			if node, ok = strings.CutSuffix(quoted, `"`); !ok {
				return ""
			}
		}
	}
	return node
}

// parseNode reads an address as proxies write it: bare or in brackets, with or
// without a port. The result is not valid if it is something else.
func parseNode(s string) netip.Addr {
	s = strings.TrimSpace(s)
	if inside, ok := strings.CutPrefix(s, "["); ok {
		if inside, ok = strings.CutSuffix(inside, "]"); ok {
			s = inside
			if ip, err := netip.ParseAddr(s); err != nil || !ip.Is6() {
				return netip.Addr{}
			}
		}
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.Unmap().WithZone("")
	}
	return peerIP(s)
}

// peerIP is the address of a host:port, not valid if it has none.
func peerIP(hostport string) netip.Addr {
	peer, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}
