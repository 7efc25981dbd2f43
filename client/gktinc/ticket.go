package gktinc

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strings"
	"time"
)

// A ticket is the content of a page's hidden field: everything that the server has to know
// about the page. The server stores nothing about a page until its form arrives, so nobody
// can exhaust its memory by requesting pages, and open pages survive a restart.
type ticket struct {
	Once     string     `json:"once"` // as in gktinc_config
	Issued   int64      `json:"iat"`  // Unix seconds
	Expires  int64      `json:"exp"`  // Unix seconds
	URL      string     `json:"url"`
	Field    string     `json:"field"`              // the monitored input
	Optional bool       `json:"optional,omitempty"` // whether the monitored input may be missing
	Form     string     `json:"form,omitempty"`     // id of the form element
	Level    int        `json:"level"`              // of the challenge
	Blocked  bool       `json:"blocked,omitempty"`  // whether PreEnforce blocks the address
	ClientIP netip.Addr `json:"ip"`
}

// maxSkew is how far the clocks of servers that share a key may differ.
const maxSkew = time.Minute

var ticketEncoding = base64.RawURLEncoding.Strict()

// ticketKey derives the key that signs tickets from secret: Config.PageKey or the API key.
func ticketKey(secret, hashID string) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(secret), []byte(hashID), "gkpow gktinc page 1", sha256.Size)
}

// sign returns the value of the hidden field: the ticket in JSON and its HMAC-SHA-256,
// both in Base64, joined by a dot.
func (c *Client) sign(t ticket) (string, error) {
	data, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	encoded := ticketEncoding.EncodeToString(data)
	return encoded + "." + ticketEncoding.EncodeToString(mac(c.pageKey(), encoded)), nil
}

// open returns the ticket in a hidden field. ok is true only if its signature is valid and
// it is neither expired nor from the future.
func (c *Client) open(field string) (t ticket, ok bool) {
	encoded, signature, _ := strings.Cut(field, ".")
	given, err := ticketEncoding.DecodeString(signature)
	if err != nil || len(field) > maxText {
		return ticket{}, false
	}
	if !hmac.Equal(given, mac(c.pageKey(), encoded)) && (c.oldPageKey == nil || !hmac.Equal(given, mac(c.oldPageKey(), encoded))) {
		return ticket{}, false
	}
	data, err := ticketEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(data, &t) != nil {
		return ticket{}, false
	}
	now := c.now()
	return t, now.Before(time.Unix(t.Expires, 0)) && !time.Unix(t.Issued, 0).After(now.Add(maxSkew))
}

func mac(key []byte, encoded string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(encoded))
	return h.Sum(nil)
}
