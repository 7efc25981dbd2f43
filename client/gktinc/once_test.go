package gktinc

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNewOnce(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		once := newOnce()
		require.Regexp(t, `^[0-9a-f]{32}$`, once)
		require.False(t, seen[once])
		seen[once] = true
	}
}

func take(t *testing.T, s OnceStore, once string) (Issued, bool) {
	issued, ok, err := s.Take(t.Context(), once)
	require.NoError(t, err)
	return issued, ok
}

func TestMemoryStore(t *testing.T) {
	s := NewMemoryStore(0)
	want := Issued{URL: "example.com/login", ClientIP: netip.MustParseAddr("2001:db8::1"), ChallengeLevel: 2, Blocked: true, Expires: time.Now().Add(time.Hour)}
	_, ok := take(t, s, "a")
	require.False(t, ok)
	require.NoError(t, s.Put(t.Context(), "a", want))
	_, ok = take(t, s, "A")
	require.False(t, ok)
	got, ok := take(t, s, "a")
	require.True(t, ok)
	require.Equal(t, want, got)
	_, ok = take(t, s, "a")
	require.False(t, ok, "twice")

	// What is put twice is there once, as it was put last.
	require.NoError(t, s.Put(t.Context(), "b", Issued{Expires: want.Expires}))
	require.NoError(t, s.Put(t.Context(), "b", want))
	got, ok = take(t, s, "b")
	require.True(t, ok)
	require.Equal(t, want, got)
	_, ok = take(t, s, "b")
	require.False(t, ok)
	require.Empty(t, s.byKey)
	require.Zero(t, s.order.Len())
}

func TestMemoryStoreForgets(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := NewMemoryStore(3)
	s.now = func() time.Time { return now }
	put := func(once string, lifetime time.Duration) {
		require.NoError(t, s.Put(t.Context(), once, Issued{Expires: now.Add(lifetime)}))
	}
	for i := range 5 {
		put(fmt.Sprint(i), time.Minute)
	}
	require.Len(t, s.byKey, 3)
	for i := range 5 {
		_, ok := take(t, s, fmt.Sprint(i))
		require.Equal(t, i >= 2, ok, i)
	}

	put("a", time.Minute)
	put("b", time.Hour)
	now = now.Add(time.Minute)
	_, ok := take(t, s, "a")
	require.False(t, ok, "it expires at this moment")
	put("c", time.Minute)
	put("d", time.Minute)
	_, ok = take(t, s, "b")
	require.True(t, ok)
	now = now.Add(time.Minute)
	put("e", time.Minute)
	require.Len(t, s.byKey, 1, "what has expired is removed though there is room")
}

func TestMemoryStoreConcurrently(t *testing.T) {
	s := NewMemoryStore(100)
	var taken atomic.Int64
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for i := range 500 {
				once := fmt.Sprint(i % 50)
				if i < 50 {
					_ = s.Put(t.Context(), once, Issued{Expires: time.Now().Add(time.Hour)})
					continue
				}
				if _, ok, _ := s.Take(t.Context(), once); ok {
					taken.Add(1)
				}
			}
		})
	}
	running.Wait()
	require.LessOrEqual(t, taken.Load(), int64(8*50))
	require.GreaterOrEqual(t, taken.Load(), int64(50))

	require.NoError(t, s.Put(t.Context(), "one", Issued{Expires: time.Now().Add(time.Hour)}))
	taken.Store(0)
	for range 50 {
		running.Go(func() {
			if _, ok, _ := s.Take(t.Context(), "one"); ok {
				taken.Add(1)
			}
		})
	}
	running.Wait()
	require.EqualValues(t, 1, taken.Load(), "only one may have it")
}

// A store of somebody's own may keep JSON.
func TestIssuedJSON(t *testing.T) {
	want := Issued{URL: "example.com/login", ClientIP: netip.MustParseAddr("2001:db8::1"), ChallengeLevel: 2, Expires: time.Unix(1_700_000_000, 0).UTC()}
	data, err := json.Marshal(want)
	require.NoError(t, err)
	require.False(t, strings.Contains(string(data), "blocked"))
	var got Issued
	require.NoError(t, json.Unmarshal(data, &got))
	require.Equal(t, want, got)
}
