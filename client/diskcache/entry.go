package diskcache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/gkpow/gkpow/client"
)

// The first field of a file names its format. Change it when the entry changes.
const (
	tokenFormat   = "gkpow token 1"
	failureFormat = "gkpow failure 1"
)

// An entry is the content of a file, in JSON: a token or a failure.
type entry struct {
	Format    string          `json:"format"`
	For       string          `json:"for"` // Issuer.Fingerprint
	Token     string          `json:"token,omitempty"`
	ExpiresAt time.Time       `json:"expiresAt,omitzero"` // by the server's clock
	Received  time.Time       `json:"received,omitzero"`  // by the local clock
	Expires   time.Time       `json:"expires,omitzero"`   // by the local clock
	Failure   *client.Failure `json:"failure,omitempty"`
	Sum       string          `json:"sum"` // SHA-256, in hex, of the JSON with this field empty
}

func encode(e entry) ([]byte, error) {
	e.Format = tokenFormat
	if e.Failure != nil {
		e.Format = failureFormat
	}
	e.Sum = ""
	data, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	e.Sum = hex.EncodeToString(sum[:])
	return json.Marshal(e)
}

// decode accepts only what encode has written in the given format.
func decode(data []byte, format string) (entry, error) {
	var e entry
	if json.Unmarshal(data, &e) != nil || e.Format != format {
		return entry{}, errors.New("it is damaged or in another format")
	}
	again, err := encode(e)
	if err != nil || string(again) != string(data) {
		return entry{}, errors.New("it is damaged")
	}
	return e, nil
}
