package oauth2token_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/oauth2token"
)

type sourceFunc func(context.Context) (client.Token, error)

func (f sourceFunc) Token(ctx context.Context) (client.Token, error) { return f(ctx) }

func TestTransport(t *testing.T) {
	expires := time.Now().Add(time.Hour)
	source := client.NewSource(sourceFunc(func(context.Context) (client.Token, error) {
		return client.Token{Value: client.NewSecret("token-1"), ExpiresAt: expires}, nil
	}), client.SourceOptions{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	}))
	defer server.Close()
	tokens := oauth2token.New(t.Context(), source, 0)
	hc := &http.Client{Transport: &oauth2.Transport{Source: tokens}}
	response, err := hc.Get(server.URL)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "Bearer token-1", string(body))

	token, err := tokens.Token()
	require.NoError(t, err)
	require.True(t, token.Valid())
	require.True(t, token.Expiry.Equal(expires))
}

func TestEnds(t *testing.T) {
	hanging := sourceFunc(func(ctx context.Context) (client.Token, error) {
		<-ctx.Done()
		return client.Token{}, ctx.Err()
	})
	_, err := oauth2token.New(t.Context(), hanging, time.Millisecond).Token()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = oauth2token.New(ctx, hanging, 0).Token()
	require.ErrorIs(t, err, context.Canceled)
}

func TestTokenExpiredOnArrival(t *testing.T) {
	dead := sourceFunc(func(context.Context) (client.Token, error) {
		return client.Token{Value: client.NewSecret("token-1"), ExpiresAt: time.Now().Add(-time.Second)}, nil
	})
	token, err := oauth2token.New(t.Context(), dead, 0).Token()
	require.ErrorIs(t, err, client.ErrExpired)
	require.Nil(t, token)
}
