package rediscache

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/client/internal/leaktest"
	"github.com/gkpow/gkpow/client/internal/pause"
)

func TestMain(m *testing.M) {
	if os.Getenv(childURL) != "" {
		child()
		return
	}
	if os.Getenv(childPatience) != "" {
		impatient()
		return
	}
	// rueidis probes for a cluster first, and leaves a goroutine that sleeps for a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

var (
	_ client.TokenSource = (*Cache)(nil)
	_ client.Invalidator = (*Cache)(nil)
	_ gktinc.OnceStore   = (*OnceStore)(nil)
)

// listen starts a server that calls answer for each connection, and returns its URL.
func listen(t *testing.T, answer func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				answer(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return "redis://" + l.Addr().String()
}

// servers returns the URLs of broken servers, by the kind of fault.
func servers(t *testing.T) map[string]string {
	ended, end := context.WithCancel(context.Background())
	urls := map[string]string{
		"nobody listens": listen(t, func(net.Conn) {}),
		"hangs up":       listen(t, func(net.Conn) {}),
		"is silent":      listen(t, func(net.Conn) { <-ended.Done() }),
		"is no Redis":    listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); <-ended.Done() }),
		"is loading": listen(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "-LOADING Redis is loading the dataset in memory\r\n")
			<-ended.Done()
		}),
		"trickles": listen(t, func(c net.Conn) {
			for pause.For(ended, 20*time.Millisecond) {
				if _, err := c.Write([]byte("%")); err != nil {
					return
				}
			}
		}),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	urls["nobody listens"] = "redis://" + l.Addr().String()
	l.Close()
	t.Cleanup(end)
	return urls
}

// Without a server each member soon gets a token of its own. A busy machine may delay a token,
// but not three times in a row.
func TestAloneSoon(t *testing.T) {
	for name, url := range servers(t) {
		soon := func() bool {
			c := member(t, &issuer{secret: "a"}, Options{URL: url, Timeout: 50 * time.Millisecond})
			begun := time.Now()
			get(t, c)
			return time.Since(begun) <= 5*time.Second
		}
		attempts := 1
		for ; attempts <= 3 && !soon(); attempts++ {
		}
		require.LessOrEqual(t, attempts, 3, name)
	}
}

// If the server is unavailable, each member gets its own tokens and warns once.
func TestAlone(t *testing.T) {
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var warnings []string
			i := &issuer{secret: "a"}
			c := member(t, i, Options{URL: url, Timeout: 50 * time.Millisecond, OnWarning: func(err error) {
				mu.Lock()
				defer mu.Unlock()
				warnings = append(warnings, err.Error())
			}})
			require.Equal(t, "token-a-1", get(t, c))
			token, err := c.Token(t.Context())
			require.NoError(t, err)
			c.Invalidate(token)
			require.Equal(t, "token-a-2", get(t, c))
			require.Equal(t, "token-a-2", get(t, c))
			mu.Lock()
			defer mu.Unlock()
			require.Len(t, warnings, 1)
			require.Contains(t, warnings[0], "rediscache: the cache server is unavailable: 127.0.0.1:")
			stats := c.Stats()
			require.False(t, stats.Up)
			require.EqualValues(t, 2, stats.Alone)
			require.NotZero(t, stats.Errors)
		})
	}
}

func TestPolicyFail(t *testing.T) {
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			i := &issuer{secret: "a"}
			for _, single := range []bool{false, true} {
				for _, options := range []Options{{URL: url, Policy: Fail}, {URL: url + "?policy=fail"}} {
					options.Timeout, options.SingleUse, options.Spare = 50*time.Millisecond, single, 1
					_, err := member(t, i, options).Token(t.Context())
					require.ErrorIs(t, err, client.ErrUnavailable)
					require.ErrorContains(t, err, "the policy is to fail")
				}
			}
			require.Zero(t, i.asked.Load())
			store, err := NewOnceStore(Options{URL: url, Timeout: 50 * time.Millisecond})
			require.NoError(t, err)
			defer store.Close()
			first, err := store.Use(t.Context(), strings.Repeat("a", 32), time.Now().Add(time.Hour))
			require.Error(t, err)
			require.False(t, first)
			_, err = Check(t.Context(), url+"?timeout=50ms")
			require.ErrorIs(t, err, client.ErrUnavailable)
		})
	}
}

// The error for a port of the other kind says that TLS may be the reason.
func TestTLSMismatch(t *testing.T) {
	broken := servers(t)
	for url, text := range map[string]string{
		broken["hangs up"] + "?timeout=50ms":                            "expects TLS (rediss://)",
		"rediss" + broken["is silent"][len("redis"):] + "?timeout=50ms": "port for TLS?",
	} {
		_, err := Check(t.Context(), url)
		require.ErrorContains(t, err, text)
	}
}

func TestContextEnds(t *testing.T) {
	url := servers(t)["is silent"]
	for _, bare := range []bool{false, true} {
		c := member(t, &issuer{secret: "a", took: time.Hour}, Options{URL: url, Timeout: 50 * time.Millisecond, Bare: bare})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := c.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		c.Close()
		if !bare {
			_, err = c.Token(t.Context())
			require.ErrorIs(t, err, context.Canceled)
		}
	}
}

func TestShowsNoSecret(t *testing.T) {
	i := &issuer{secret: "SENTINEL"}
	c := member(t, i, Options{URL: "redis://u:PASSWORD@127.0.0.1:1", Timeout: 10 * time.Millisecond})
	require.Equal(t, "token-SENTINEL-1", get(t, c))
	leaktest.RequireSafe(t, c.seal, "SENTINEL", "PASSWORD")
	leaktest.RequireSafe(t, c.store.server, "SENTINEL", "PASSWORD")
	leaktest.RequireSafe(t, c.Stats(), "SENTINEL")
}

// A warm call neither uses the network nor allocates.
func TestWarmCallAllocatesNothing(t *testing.T) {
	c := member(t, &issuer{secret: "a"}, Options{URL: "redis://127.0.0.1:1", Timeout: 10 * time.Millisecond})
	get(t, c)
	ctx := t.Context()
	before := c.Stats().Errors
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = c.Token(ctx) }))
	require.Equal(t, before, c.Stats().Errors)
}

func BenchmarkWarmToken(b *testing.B) {
	c, err := New(&issuer{secret: "a"}, Options{URL: "redis://127.0.0.1:1", Timeout: 10 * time.Millisecond})
	require.NoError(b, err)
	defer c.Close()
	ctx := b.Context()
	_, err = c.Token(ctx)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Token(ctx)
	}
}
