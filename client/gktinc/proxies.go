package gktinc

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Headers in which proxies report the address of their client.
const (
	HeaderForwardedFor = "X-Forwarded-For" // a list; the nearest proxy appends to it
	HeaderRealIP       = "X-Real-Ip"       // a single address
	HeaderForwarded    = "Forwarded"       // RFC 7239; also a list
)

// Proxies configure which proxies to trust for the visitor's address. The zero value
// trusts none: the visitor's address is the peer's.
type Proxies struct {
	// Trusted are the addresses of the proxies in front of the server. An address in
	// the header counts only if one of these proxies has reported it.
	Trusted []netip.Prefix

	// TrustSocket trusts every peer on a unix socket, since such peers have no address.
	TrustSocket bool

	// Header is the header that the proxies write: HeaderForwardedFor, HeaderRealIP or
	// HeaderForwarded; "" means HeaderForwardedFor. The proxies must set it, or append
	// to it, on every request. Other headers are ignored, since a proxy passes them on
	// as the visitor sent them.
	Header string
}

// check rejects an unknown header and invalid prefixes.
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

// ClientIP returns the visitor's address, without zone and never as an IPv4-mapped IPv6
// address:
//
//   - If the peer is a trusted proxy, it is the last address in the header that does not
//     belong to a trusted proxy, or the first address if all do.
//   - If the peer is not trusted, if the header is missing, or if an entry that matters is
//     not an address, it is the peer's address. This is invalid for a peer that has none,
//     as on a unix socket.
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

// TrustsPeer reports whether the peer is a trusted proxy.
func (p Proxies) TrustsPeer(r *http.Request) bool { return p.trusts(peerIP(r.RemoteAddr)) }

// trusts reports whether ip is the address of a trusted proxy.
func (p Proxies) trusts(ip netip.Addr) bool {
	if !ip.IsValid() {
		return p.TrustSocket
	}
	return slices.ContainsFunc(p.Trusted, func(t netip.Prefix) bool {
		return t.Contains(ip) || t.Addr().Is4In6() && netip.PrefixFrom(t.Addr().Unmap(), t.Bits()-96).Contains(ip)
	})
}

// hops returns the addresses in the header, the nearest one last. Entries that are not
// addresses become invalid ones.
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

// forwardedFor returns the "for" node of an element of a Forwarded header (RFC 7239,
// section 4), or "" if there is none or the element is malformed. It does not support
// commas and semicolons in quoted strings: no address contains them, and they invalidate
// only their own elements.
func forwardedFor(element string) string {
	node := ""
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "for") {
			continue
		}
		if node != "" {
			return "" // a parameter must not be repeated (section 4)
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

// parseNode parses an address as proxies write it: bare or in brackets, with or without a
// port. The result is invalid if s is anything else.
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

// peerIP returns the address in host:port; the result is invalid if there is none.
func peerIP(hostport string) netip.Addr {
	peer, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}
