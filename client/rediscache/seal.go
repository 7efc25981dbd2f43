package rediscache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"github.com/gkpow/gkpow/client"
)

// format is the version of sealed values and their first byte. It also goes into the
// purposes of the keys and into the additional data. Change it when the content changes.
const format = "1"

// A sealer encrypts values for the server, with AES-256-GCM and random nonces. The key is
// derived from the secret key, the URL and the site key. The additional data contains the
// format, the kind of the value and the name of the fleet, so a value of another account,
// kind or fleet cannot be opened.
type sealer struct {
	aead func() cipher.AEAD // closures, so that a dump shows no key
	mac  func() []byte
	name string // name of the fleet, 32 hex digits
}

func newSealer(issuer Issuer) (*sealer, error) {
	derive := func(what string, length int) ([]byte, error) {
		return issuer.DeriveKey("rediscache "+format+" "+what, length)
	}
	key, err := derive("encryption", 32)
	if err != nil {
		return nil, err
	}
	mac, err := derive("tags", 32)
	if err != nil {
		return nil, err
	}
	name, err := derive("name", 16)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &sealer{
		aead: func() cipher.AEAD { return aead },
		mac:  func() []byte { return mac },
		name: hex.EncodeToString(name),
	}, nil
}

func (s *sealer) data(kind string) []byte {
	return []byte("gkpow rediscache " + format + "\n" + kind + "\n" + s.name)
}

// seal encodes v as JSON and encrypts it.
func (s *sealer) seal(kind string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return string(s.aead().Seal([]byte(format), nil, plain, s.data(kind))), nil
}

var errSealed = errors.New("the value on the server is damaged or belongs to another account")

// open decrypts a value that seal made with the same kind, and decodes it into v.
func (s *sealer) open(kind, value string, v any) error {
	sealed, ok := strings.CutPrefix(value, format)
	if !ok {
		return errSealed
	}
	plain, err := s.aead().Open(nil, nil, []byte(sealed), s.data(kind))
	if err != nil || json.Unmarshal(plain, v) != nil {
		return errSealed
	}
	return nil
}

// tag returns a keyed hash that identifies the token without revealing it.
func (s *sealer) tag(token client.Token) string {
	mac := hmac.New(sha256.New, s.mac())
	mac.Write([]byte(token.Value.Reveal()))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
