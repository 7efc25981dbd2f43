package client_test

import (
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
)

func TestOnExchange(t *testing.T) {
	server := httptest.NewServer(gktest.New(gktest.Options{Difficulty: 1, RateLimit: 2}))
	var mu sync.Mutex
	var seen []client.Exchange
	c, err := client.New(client.Config{
		URL: server.URL, SiteKey: gktest.SiteKey, SecretKey: client.NewSecret(gktest.SecretKey), MaxRetries: -1,
		OnExchange: func(e client.Exchange) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, e)
		},
	})
	require.NoError(t, err)
	_, err = c.Token(t.Context())
	require.NoError(t, err)
	_, err = c.Token(t.Context())
	require.ErrorIs(t, err, client.ErrRateLimited)
	server.Close()
	_, err = c.Challenge(t.Context())
	require.ErrorIs(t, err, client.ErrUnavailable)

	require.Len(t, seen, 4)
	for i, want := range []client.Exchange{
		{Op: "challenge", Status: 200},
		{Op: "verify", Status: 200},
		{Op: "challenge", Status: 429, Code: client.CodeRateLimited},
		{Op: "challenge"},
	} {
		got := seen[i]
		require.Greater(t, got.Duration, time.Duration(0))
		require.Equal(t, want.Status == 429, got.RetryAfter > 0)
		got.Duration, got.RetryAfter = 0, 0
		require.Equal(t, want, got)
	}
}
