package client

import (
	"crypto/hkdf"
	"crypto/sha256"
)

// DeriveKey returns length bytes, 1 to 8160, that only who has the secret key can
// know: HKDF-SHA256 (RFC 5869) of it, for one purpose, URL and site key. Caches
// outside the machine encrypt tokens with them.
func (c *Client) DeriveKey(purpose string, length int) ([]byte, error) {
	info := "gkpow " + purpose + "\n" + c.api.endpoint("") + "\n" + c.siteKey
	key, err := hkdf.Key(sha256.New, []byte(c.secretKey.Reveal()), nil, info, length)
	if err != nil {
		return nil, misconfigured("no key can be derived from SecretKey: %w", err)
	}
	return key, nil
}
