package rediscache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/internal/leaktest"
)

func sealerOf(t *testing.T, issuer Issuer) *sealer {
	s, err := newSealer(issuer)
	require.NoError(t, err)
	return s
}

// account returns the Issuer for a URL and keys.
func account(t *testing.T, url, site, secret string) Issuer {
	c, err := client.New(client.Config{URL: url, SiteKey: site, SecretKey: client.NewSecret(secret)})
	require.NoError(t, err)
	return c
}

// A sealed value opens only for its account and kind, and only if no bit was flipped and
// nothing was cut off or added.
func TestSeal(t *testing.T) {
	s := sealerOf(t, account(t, "https://a.example", "pk", "sk"))
	value, err := s.seal("token", "plain")
	require.NoError(t, err)
	require.NotContains(t, value, "plain")
	again, err := s.seal("token", "plain")
	require.NoError(t, err)
	require.NotEqual(t, value, again)
	var got string
	require.NoError(t, s.open("token", value, &got))
	require.Equal(t, "plain", got)
	require.NoError(t, sealerOf(t, account(t, "https://a.example/", "pk", "sk")).open("token", value, &got))

	require.Error(t, s.open("failed", value, &got))
	names := map[string]bool{s.name: true}
	for _, other := range []Issuer{
		account(t, "https://b.example", "pk", "sk"), account(t, "https://a.example", "pk2", "sk"), account(t, "https://a.example", "pk", "sk2"),
	} {
		o := sealerOf(t, other)
		require.Error(t, o.open("token", value, &got))
		names[o.name] = true
	}
	require.Len(t, names, 4)
	for i := range len(value) {
		require.Error(t, s.open("token", value[:i], &got))
		for bit := range 8 {
			damaged := []byte(value)
			damaged[i] ^= 1 << bit
			require.Error(t, s.open("token", string(damaged), &got), "bit %d of byte %d", bit, i)
		}
	}
	require.Error(t, s.open("token", value+"x", &got))
	leaktest.RequireSafe(t, s, "sk")
}

// The server's clock determines the age of a token. The members' clocks may differ by
// hours.
func TestKept(t *testing.T) {
	s := sealerOf(t, &issuer{secret: "a"})
	token := client.Token{Value: client.NewSecret("token"), ExpiresAt: time.Now().Add(300 * time.Second)}
	const at = 1_700_000_000_000 // the server's clock is years behind the local one
	value, left, err := s.sealToken("token", token, at)
	require.NoError(t, err)
	require.InDelta(t, 300, left.Seconds(), 1)
	after := func(d, ttl time.Duration) *storedToken { return s.openToken("token", value, at+d.Milliseconds(), ttl) }

	require.InDelta(t, 300, after(0, time.Hour).left.Seconds(), 1)
	require.InDelta(t, 240, after(time.Minute, time.Hour).left.Seconds(), 1)
	require.InDelta(t, 200, after(time.Minute, 200*time.Second).left.Seconds(), 1)
	require.InDelta(t, 300, after(-30*time.Second, time.Hour).left.Seconds(), 1, "another server, whose clock is behind")
	restored, err := after(time.Minute, time.Hour).token()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(240*time.Second), restored.Expires(), 2*time.Second)
	require.WithinDuration(t, time.Now().Add(-time.Minute), restored.Received(), 2*time.Second)

	require.Nil(t, after(301*time.Second, time.Hour), "put back after it expired")
	require.Nil(t, after(0, 0), "no time to live")
	require.Nil(t, after(-time.Hour, time.Hour), "from the future")
	require.Nil(t, s.openToken("single x", value, at, time.Hour), "another kind")
	require.Nil(t, s.openToken("token", "", at, time.Hour))

	for wall, ok := range map[time.Duration]bool{0: true, 10 * time.Minute: true, -10 * time.Hour: true, 30 * time.Hour: false, -30 * time.Hour: false} {
		value, err := s.seal("token", storedToken{Token: "token", ExpiresAt: time.Now().Add(time.Minute), Life: 300_000, Left: 300_000, At: at, Wall: time.Now().Add(wall)})
		require.NoError(t, err)
		require.Equal(t, ok, s.openToken("token", value, at, time.Hour) != nil, wall)
	}
}
