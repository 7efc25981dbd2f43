package client

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted replaces a secret.
const redacted = "[redacted]"

// A Secret is a string that cannot be printed: no verb of fmt shows it, nor do JSON, text
// encoding, slog, or reflection on a struct that contains it. Only Reveal returns it.
// Secrets cannot be compared with ==, and reflect.DeepEqual reports any two non-empty ones
// as different.
//
// The zero value is the empty string. A Secret is safe for concurrent use.
type Secret struct {
	// reveal is a closure, since reflection can dump an unexported string field but not
	// the variables that a closure captures.
	reveal func() string
}

// NewSecret returns a Secret that holds s.
func NewSecret(s string) Secret {
	return Secret{reveal: func() string { return s }}
}

// Reveal returns the string in plain text.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the secret is the empty string.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, width and flag.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[redacted]" for slog records.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// UnmarshalText sets the secret, for example from a configuration file. It keeps white
// space.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
