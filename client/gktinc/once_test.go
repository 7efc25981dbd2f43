package gktinc

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// stores returns each store of this package, and the same store opened as by another process;
// nil if that is impossible.
func stores(t *testing.T) map[string][2]OnceStore {
	open := func(dir string) OnceStore {
		s, err := OpenDiskStore(dir)
		require.NoError(t, err)
		return s
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	return map[string][2]OnceStore{"memory": {NewMemoryStore(0)}, "disk": {open(dir), open(dir)}}
}

func use(t *testing.T, s OnceStore, once string, expires time.Time) bool {
	first, err := s.Use(t.Context(), once, expires)
	require.NoError(t, err)
	return first
}

func TestStores(t *testing.T) {
	for name, pair := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s, other := pair[0], pair[1]
			expires := time.Now().Add(time.Hour)
			one, two := newOnce(), newOnce()
			require.True(t, use(t, s, one, expires))
			require.False(t, use(t, s, one, expires), "twice")
			require.True(t, use(t, s, two, expires))
			require.False(t, use(t, s, one, expires))
			require.False(t, use(t, s, newOnce(), time.Now()), "the page has expired")
			if other != nil {
				require.False(t, use(t, other, two, expires))
			}

			for range 20 {
				once, at := newOnce(), time.Now().Add(time.Hour)
				var first atomic.Int64
				var running sync.WaitGroup
				for i := range 50 {
					running.Go(func() {
						store := pair[i%2]
						if store == nil {
							store = s
						}
						if ok, err := store.Use(t.Context(), once, at); ok && err == nil {
							first.Add(1)
						}
					})
				}
				running.Wait()
				require.EqualValues(t, 1, first.Load())
			}
		})
	}
}

func TestMemoryStoreForgets(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := NewMemoryStore(3)
	s.now = func() time.Time { return now }
	for i, lifetime := range []time.Duration{3, 1, 2} {
		require.True(t, use(t, s, fmt.Sprint(i), now.Add(lifetime*time.Minute)))
	}
	now = now.Add(time.Minute)
	require.True(t, use(t, s, "3", now.Add(5*time.Minute)))
	require.Len(t, s.used, 3, "expired entries take up room")
	require.False(t, use(t, s, "0", now.Add(2*time.Minute)))

	// A fourth entry pushes out the one that expires first. That page still counts as
	// used, and so do all that expire no later.
	require.True(t, use(t, s, "4", now.Add(5*time.Minute)))
	require.Len(t, s.used, 3)
	require.Len(t, s.queue, 3)
	require.False(t, use(t, s, "2", now.Add(time.Minute)))
	require.False(t, use(t, s, "new", now.Add(time.Minute)))
	require.True(t, use(t, s, "newer", now.Add(time.Minute+1)), "a full store accepts a page that expires later")
	require.False(t, use(t, s, "newer", now.Add(time.Minute+1)))
}

// A flood of forms takes no more memory than the capacity of the store.
func TestMemoryStoreIsBounded(t *testing.T) {
	const most = 100_000
	s := NewMemoryStore(most)
	expires := time.Now().Add(time.Hour)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 3 * most {
		use(t, s, fmt.Sprint(i), expires.Add(time.Duration(i)))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, (int64(after.HeapAlloc)-int64(before.HeapAlloc))/most, int64(150), "bytes for each page")
	for i := range 3 * most {
		if use(t, s, fmt.Sprint(i), expires.Add(time.Duration(i))) {
			t.Fatal(i, "is accepted twice")
		}
	}
	runtime.KeepAlive(s)
}

func TestDiskStore(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenDiskStore(dir)
	require.NoError(t, err)
	now := time.Unix(1_700_000_000, 0)
	s.now = func() time.Time { return now }
	once := newOnce()
	expires := now.Add(time.Hour)
	require.True(t, use(t, s, once, expires))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README"), nil, 0o600))
	info, err := os.Stat(filepath.Join(dir, fmt.Sprint(period(expires)), once))
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	now = expires.Add(-1)
	require.False(t, use(t, s, once, expires), "used, not yet expired")
	now = expires.Add(oncePeriod)
	require.False(t, use(t, s, once, expires), "expired")
	require.True(t, use(t, s, once, now.Add(time.Hour)))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "only expired directories are removed")

	for _, bad := range []string{"", ".", "..", "../x", "a/b", "/etc/x"} {
		_, err := s.Use(t.Context(), bad, now.Add(time.Hour))
		require.Error(t, err, bad)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Use(ended, newOnce(), now.Add(time.Hour))
	require.ErrorIs(t, err, context.Canceled)
	file := filepath.Join(dir, "README")
	_, err = OpenDiskStore(file)
	require.Error(t, err)
	s.dir = file
	_, err = s.Use(t.Context(), newOnce(), now.Add(time.Hour))
	require.ErrorContains(t, err, "once store")
}

// useOnces uses the onces on standard input and prints those whose first use it was.
func useOnces(dir string) {
	s, err := OpenDiskStore(dir)
	if err != nil {
		panic(err)
	}
	onces, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	for once := range strings.FieldsSeq(string(onces)) {
		first, err := s.Use(context.Background(), once, time.Unix(1<<40, 0))
		if err != nil {
			panic(err)
		}
		if first {
			fmt.Println(once)
		}
	}
}

// When processes race for pages in one directory, each page is accepted once.
func TestDiskStoreProcesses(t *testing.T) {
	dir := t.TempDir()
	var onces []string
	for range 2000 {
		onces = append(onces, newOnce())
	}
	outputs := make([]strings.Builder, 4)
	var commands []*exec.Cmd
	for i := range outputs {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "GKPOW_TEST_USE_ONCES="+dir)
		cmd.Stdin = strings.NewReader(strings.Join(onces, "\n"))
		cmd.Stdout, cmd.Stderr = &outputs[i], os.Stderr
		require.NoError(t, cmd.Start())
		commands = append(commands, cmd)
	}
	var got []string
	for i, cmd := range commands {
		require.NoError(t, cmd.Wait())
		got = append(got, strings.Fields(outputs[i].String())...)
	}
	require.ElementsMatch(t, onces, got)
}
