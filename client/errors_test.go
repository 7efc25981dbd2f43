package client

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The wait in an error is for people: it is rounded up, so that nobody comes back too early.
func TestErrorRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		time.Nanosecond: "(retry after 100ms)",
		6428676286:      "(retry after 6.5s)",
		time.Minute:     "(retry after 1m0s)",
	} {
		require.ErrorContains(t, &Error{Op: "challenge", Kind: ErrUnavailable, RetryAfter: wait}, want)
	}
}
