package rediscache

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gkpow/gkpow/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestInteropOneHandshake(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a", took: 300 * time.Millisecond}
	var running sync.WaitGroup
	seen := make(chan string, 50)
	for range cap(seen) {
		running.Go(func() { seen <- get(t, member(t, i, Options{URL: server.url()})) })
	}
	running.Wait()
	close(seen)
	for token := range seen {
		require.Equal(t, "token-a-1", token)
	}
	require.EqualValues(t, 1, i.asked.Load())

	late := member(t, i, Options{URL: server.url()})
	token, err := late.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "token-a-1", token.Value.Reveal())
	require.Zero(t, token.Rounds)
	require.WithinDuration(t, time.Now().Add(300*time.Second), token.Expires(), 5*time.Second)
	require.EqualValues(t, 1, late.Stats().Shared)
	require.Equal(t, "token-b-1", get(t, member(t, &issuer{secret: "b"}, Options{URL: server.url()})), "another account")
}

func TestInteropInvalidate(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a"}
	var members []*Cache
	for range 10 {
		members = append(members, member(t, i, Options{URL: server.url()}))
	}
	var first client.Token
	for _, c := range members {
		token, err := c.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, "token-a-1", token.Value.Reveal())
		first = token
	}
	members[3].Invalidate(first)
	require.Eventually(t, func() bool {
		for _, c := range members {
			if get(t, c) != "token-a-2" {
				return false
			}
		}
		return true
	}, 5*time.Second, 10*time.Millisecond)
	for _, c := range members { // all others have it refused, too late
		c.Invalidate(first)
	}
	for _, c := range members {
		require.Equal(t, "token-a-2", get(t, c))
	}
	require.EqualValues(t, 2, i.asked.Load())
}

func TestInteropFailures(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a", took: 200 * time.Millisecond}
	i.err.Store(&client.Error{Op: "challenge", Kind: client.ErrUnavailable, Status: 502})
	var running sync.WaitGroup
	for range 30 {
		running.Go(func() {
			_, err := member(t, i, Options{URL: server.url()}).Token(t.Context())
			if err == nil {
				t.Error("no error")
			}
		})
	}
	running.Wait()
	_, err := member(t, i, Options{URL: server.url()}).Token(t.Context())
	require.ErrorIs(t, err, client.ErrUnavailable)
	require.ErrorContains(t, err, "(HTTP 502): as another process was told")
	require.EqualValues(t, 1, i.asked.Load())
}

func TestInteropSingleUse(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a", took: 10 * time.Millisecond}
	options := Options{URL: server.url(), SingleUse: true, Spare: 4}
	var members []*Cache
	for range 5 {
		members = append(members, member(t, i, options))
	}
	var mu sync.Mutex
	given := map[string]bool{}
	for range 10 {
		var running sync.WaitGroup
		for _, c := range members {
			running.Go(func() {
				token := get(t, c)
				mu.Lock()
				defer mu.Unlock()
				if given[token] {
					t.Errorf("%s was given twice", token)
				}
				given[token] = true
			})
		}
		running.Wait()
	}
	require.Len(t, given, 50)
	time.Sleep(300 * time.Millisecond)
	require.LessOrEqual(t, i.asked.Load(), int32(50+4))
	n, err := server.admin("ZCARD", members[0].keys.pool).AsInt64()
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
}
