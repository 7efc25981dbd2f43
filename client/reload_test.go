package client

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

func TestReloader(t *testing.T) {
	// The service accepts one key at a time.
	var service atomic.Pointer[gktest.Service]
	accept := func(key string) { service.Store(gktest.New(gktest.Options{Difficulty: 1, SecretKey: key})) }
	accept(gktest.SecretKey)
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		service.Load().ServeHTTP(w, r)
	}))
	defer server.Close()
	var key atomic.Value // the key in the file
	key.Store(gktest.SecretKey)
	var opens atomic.Int64
	var broken atomic.Bool
	r, err := NewReloader(func() (*Client, error) {
		opens.Add(1)
		if broken.Load() {
			return nil, errors.New("the file is gone")
		}
		return New(Config{URL: server.URL, SiteKey: gktest.SiteKey, SecretKey: NewSecret(key.Load().(string))})
	}, nil)
	require.NoError(t, err)
	source := NewSource(r, SourceOptions{SingleUse: true})
	defer source.Close()
	get := func() error { _, err := source.Token(t.Context()); return err }
	require.NoError(t, get())
	require.EqualValues(t, 1, opens.Load(), "the key is still valid")

	// The key was rotated and the file has the new one, so callers see no error.
	accept("sk_test_second")
	key.Store("sk_test_second")
	require.NoError(t, get())
	require.EqualValues(t, 2, opens.Load())

	// Many concurrent callers cause only one reload.
	accept("sk_test_third")
	key.Store("sk_test_third")
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if _, err := r.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	require.EqualValues(t, 3, opens.Load())

	// The file still has the old key. Each failure causes one reload and no retry.
	accept("sk_test_fourth")
	asked.Store(0)
	_, err = r.Token(t.Context())
	require.ErrorIs(t, err, ErrMisconfigured)
	require.True(t, IsKeyRefused(err))
	require.EqualValues(t, 4, opens.Load())
	require.EqualValues(t, 1, asked.Load())

	// The file has a wrong key. The error is about that key, and there is no third attempt.
	key.Store("sk_test_wrong")
	_, err = r.Token(t.Context())
	require.True(t, IsKeyRefused(err))
	require.EqualValues(t, 5, opens.Load())
	require.EqualValues(t, 3, asked.Load())

	// The file is gone. The error contains both causes, and the old Client stays in use.
	broken.Store(true)
	_, err = r.Token(t.Context())
	require.True(t, IsKeyRefused(err))
	require.ErrorContains(t, err, "reloading the keys failed: the file is gone")
	changed, err := r.Reload()
	require.False(t, changed)
	require.ErrorContains(t, err, "gone")
	broken.Store(false)

	// A program can call Reload before the service rejects the old key.
	key.Store("sk_test_fourth")
	changed, err = r.Reload()
	require.NoError(t, err)
	require.True(t, changed)
	require.NoError(t, get())
	old := r.Client()
	changed, err = r.Reload()
	require.NoError(t, err)
	require.False(t, changed)
	require.Same(t, old, r.Client(), "the Client keeps its state of the service")
}

func TestIsKeyRefused(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{&Error{Kind: ErrMisconfigured, Code: CodeInvalidKey, Status: 400}, true},
		{&Error{Kind: ErrMisconfigured, Status: 401}, true},
		{&Error{Kind: ErrMisconfigured, Status: 403, Code: CodeM2MDisabled}, false},
		{&Error{Kind: ErrUnavailable, Status: 401}, false}, // from a proxy
		{&Error{Kind: ErrMisconfigured}, false},
		{errors.New("401"), false},
		{nil, false},
	} {
		require.Equal(t, test.want, IsKeyRefused(test.err), "%v", test.err)
	}
}
