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

// format is the first byte of a sealed value, and changes with what follows it. It is
// part of the purposes of the keys and of the additional data as well.
const format = "1"

// A sealer encrypts what is kept on the server, by AES-256-GCM with random nonces. The
// key is derived from the secret key, the URL and the site key; the additional data are
// the format, what the value is, and the name of the fleet. So a value of another
// account, of another kind or under another name does not open.
type sealer struct {
	aead func() cipher.AEAD // closures, so that a dump shows no key
	mac  func() []byte
	name string // of the fleet, 32 hex digits
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

// seal encrypts v, as JSON.
func (s *sealer) seal(kind string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return string(s.aead().Seal([]byte(format), nil, plain, s.data(kind))), nil
}

var errSealed = errors.New("the value on the server is damaged, or another account's")

// open decrypts what seal has made of the kind.
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

// tag names a token without telling it.
func (s *sealer) tag(token client.Token) string {
	mac := hmac.New(sha256.New, s.mac())
	mac.Write([]byte(token.Value.Reveal()))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
