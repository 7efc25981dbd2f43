package client

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands where a secret would be.
const redacted = "[redacted]"

// A Secret is a string that does not print: not with any verb of fmt, nor in
// JSON, text or slog records, nor when reflection walks over a struct that
// holds it. Only Reveal returns it. Secrets cannot be compared with ==, and
// reflect.DeepEqual finds no two of them equal.
//
// The zero value is the empty string. A Secret is safe for concurrent use.
type Secret struct {
	// reveal is a closure because what a function has captured is out of reach
	// of reflection, which dumps unexported strings without asking their methods.
	reveal func() string
}

// NewSecret returns a Secret that holds s.
func NewSecret(s string) Secret {
	return Secret{reveal: func() string { return s }}
}

// Reveal returns the string itself.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the secret is the empty string.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String returns "[redacted]", whatever the secret is.
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, width and flag.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue is "[redacted]" in slog records.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// UnmarshalText sets the secret, as when a configuration file is read. It keeps
// the text as it stands, white space included.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
