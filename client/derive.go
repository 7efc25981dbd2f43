package client

import (
	"crypto/hkdf"
	"crypto/sha256"
)

// DeriveKey derives a key of length bytes, 1 to 8160, from the secret key, with
// HKDF-SHA256 (RFC 5869). The key depends on the purpose, the URL and the site key. Shared
// caches use it to encrypt tokens. The error is ErrMisconfigured.
func (c *Client) DeriveKey(purpose string, length int) ([]byte, error) {
	info := "gkpow " + purpose + "\n" + c.api.endpoint("") + "\n" + c.siteKey
	key, err := hkdf.Key(sha256.New, []byte(c.secretKey.Reveal()), nil, info, length)
	if err != nil {
		return nil, misconfigured("cannot derive a key from SecretKey: %w", err)
	}
	return key, nil
}
