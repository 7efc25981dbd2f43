package diskcache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
)

// The test binary starts copies of itself as children. These environment variables
// give a child the URL of the service, the cache directory and, if not empty, the
// order to write the file until it is killed.
const childURL, childDir, childWork = "GKPOW_TEST_CHILD_URL", "GKPOW_TEST_CHILD_DIR", "GKPOW_TEST_CHILD_WRITES"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(childURL) == "":
		goleak.VerifyTestMain(m)
	case os.Getenv(childWork) != "":
		writeForever()
	default:
		printToken()
	}
}

func printToken() {
	c := newIssuer(os.Getenv(childURL))
	token, err := New(c, Options{Dir: os.Getenv(childDir), OnWarning: func(err error) { fmt.Fprintln(os.Stderr, err) }}).Token(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(token.Value.Reveal())
}

// writeForever replaces the file until the process is killed.
func writeForever() {
	c := New(newIssuer(os.Getenv(childURL)), Options{Dir: os.Getenv(childDir)})
	for {
		token, err := c.Token(context.Background())
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("written")
		c.Invalidate(token)
	}
}

func newIssuer(url string) *client.Client {
	c, err := client.New(client.Config{
		SiteKey: gktest.SiteKey, SecretKey: client.NewSecret(gktest.SecretKey), URL: url, HTTPClient: &http.Client{
			Transport: &http.Transport{DisableKeepAlives: true},
		},
	})
	if err != nil {
		panic(err)
	}
	return c
}

// child returns a command that runs a copy of the test binary.
func child(url, dir string, environment ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childURL+"="+url, childDir+"="+dir)
	cmd.Env = append(cmd.Env, environment...)
	return cmd
}

// issuer makes tokens and counts the requests and the tokens.
type issuer struct {
	name  string
	asked atomic.Int32
	made  atomic.Int32
	err   error
	took  time.Duration
	life  time.Duration
}

func (i *issuer) Fingerprint() string { return i.name }

func (i *issuer) Token(ctx context.Context) (client.Token, error) {
	i.asked.Add(1)
	if i.took > 0 {
		select {
		case <-time.After(i.took):
		case <-ctx.Done():
			return client.Token{}, &client.Error{Op: "token", Err: ctx.Err()}
		}
	}
	if i.err != nil {
		return client.Token{}, i.err
	}
	life := i.life
	if life == 0 {
		life = 300 * time.Second
	}
	value := client.NewSecret(fmt.Sprintf("%s-token-%d", i.name, i.made.Add(1)))
	return client.Token{Value: value, ExpiresAt: time.Now().Add(life)}, ctx.Err()
}

// cache returns a Cache in a new directory, and the warnings that it gives.
func cache(t *testing.T, i *issuer) (c *Cache, warnings *[]string) {
	t.Helper()
	warnings = new([]string)
	return New(i, Options{
		Dir:       filepath.Join(t.TempDir(), "gkpow"),
		OnWarning: func(err error) { *warnings = append(*warnings, err.Error()) },
	}), warnings
}

func get(t *testing.T, c *Cache) string {
	t.Helper()
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	return token.Value.Reveal()
}

func TestKeepsToken(t *testing.T) {
	i := &issuer{name: "a"}
	c, warnings := cache(t, i)
	require.Equal(t, "a-token-1", get(t, c))
	require.Equal(t, "a-token-1", get(t, c))
	token, err := New(i, Options{Dir: c.dir}).Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a-token-1", token.Value.Reveal())
	require.WithinDuration(t, time.Now().Add(300*time.Second), token.Expires(), 30*time.Second)
	require.WithinDuration(t, token.ExpiresAt, token.Expires(), 30*time.Second)
	require.WithinDuration(t, time.Now(), token.Received(), 30*time.Second)
	require.EqualValues(t, 1, i.made.Load())

	require.Equal(t, "b-token-1", get(t, New(&issuer{name: "b"}, Options{Dir: c.dir})), "two fingerprints share a token")
	require.Equal(t, "a-token-1", get(t, c))
	require.Empty(t, *warnings)

	if runtime.GOOS == "windows" {
		return
	}
	for path, mode := range map[string]fs.FileMode{c.dir: 0o700 | fs.ModeDir, c.Path(): 0o600, c.Path() + ".lock": 0o600} {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), path)
	}
}

func TestDefaultDirectory(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, home)
	}
	c := New(&issuer{name: "a"}, Options{})
	parent, err := os.UserCacheDir()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(parent, "gkpow", "a"), c.Path())
	require.Equal(t, "a-token-1", get(t, c))

	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, "")
	}
	var warned error
	c = New(&issuer{name: "a"}, Options{OnWarning: func(err error) { warned = err }})
	require.Empty(t, c.Path())
	require.Equal(t, "a-token-1", get(t, c))
	require.Error(t, warned)
}

// A Cache replaces a file that it cannot use, and uses the new one.
func TestBadFiles(t *testing.T) {
	past := func(change func(*entry)) func(*testing.T, *Cache) {
		return func(t *testing.T, c *Cache) {
			data, err := os.ReadFile(c.path)
			require.NoError(t, err)
			var e entry
			require.NoError(t, json.Unmarshal(data, &e))
			change(&e)
			data, err = encode(e)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(c.path, data, 0o600))
		}
	}
	content := func(s string) func(*testing.T, *Cache) {
		return func(t *testing.T, c *Cache) { require.NoError(t, os.WriteFile(c.path, []byte(s), 0o600)) }
	}
	now := time.Now()
	for name, r := range map[string]struct {
		spoil   func(*testing.T, *Cache)
		warning string // "" means no warning
		unix    bool
	}{
		"missing":      {func(t *testing.T, c *Cache) { require.NoError(t, os.Remove(c.path)) }, "", false},
		"empty":        {content(""), "damaged or in another format", false},
		"garbage":      {content("\x00\xff"), "damaged or in another format", false},
		"other format": {content(`{"format":"gkpow token 2"}`), "damaged or in another format", false},
		"no sum":       {content(`{"format":"gkpow token 1","token":"x"}`), "it is damaged", false},
		"large":        {content(strings.Repeat(" ", maxFile+1)), "too large", false},
		"other keys":   {past(func(e *entry) { e.For = "b" }), "for other keys", false},
		"no token":     {past(func(e *entry) { e.Token = "a\nb" }), "visible ASCII", false},
		"expired":      {past(func(e *entry) { e.Received, e.Expires = now.Add(-time.Hour), now.Add(-time.Minute) }), "", false},
		"a fifth left": {past(func(e *entry) { e.Received, e.Expires = now.Add(-240*time.Second), now.Add(60*time.Second) }), "", false},
		"from future":  {past(func(e *entry) { e.Received, e.Expires = now.Add(time.Hour), now.Add(2*time.Hour) }), "", false},
		"mode 0644":    {func(t *testing.T, c *Cache) { require.NoError(t, os.Chmod(c.path, 0o644)) }, "other users can access it", true},
		"directory": {func(t *testing.T, c *Cache) {
			require.NoError(t, os.Remove(c.path))
			require.NoError(t, os.Mkdir(c.path, 0o700))
		}, "not a regular file", false},
		"symlink": {func(t *testing.T, c *Cache) {
			elsewhere := filepath.Join(t.TempDir(), "elsewhere")
			require.NoError(t, os.Rename(c.path, elsewhere))
			require.NoError(t, os.Symlink(elsewhere, c.path))
			t.Cleanup(func() {
				data, err := os.ReadFile(elsewhere)
				require.NoError(t, err)
				require.Contains(t, string(data), "a-token-1", "the Cache overwrote the link's target")
			})
		}, "not a regular file", true},
	} {
		t.Run(name, func(t *testing.T) {
			if r.unix && runtime.GOOS == "windows" {
				t.Skip("Windows has no modes, and links need a privilege there")
			}
			i := &issuer{name: "a"}
			c, warnings := cache(t, i)
			require.Equal(t, "a-token-1", get(t, c))
			r.spoil(t, c)
			require.Equal(t, "a-token-2", get(t, c))
			require.Equal(t, "a-token-2", get(t, c))
			if r.warning == "" {
				require.Empty(t, *warnings)
			} else {
				require.Len(t, *warnings, 1)
				require.Contains(t, (*warnings)[0], r.warning)
			}
			require.NotContains(t, strings.Join(*warnings, ""), "token-")
			info, err := os.Lstat(c.path)
			require.NoError(t, err)
			require.NoError(t, check(info))
		})
	}
}

// decode rejects a file if any bit of it was flipped or its end is missing.
func TestDamage(t *testing.T) {
	data, err := encode(entry{For: "a", Token: "token", ExpiresAt: time.Now().UTC(), Received: time.Now().UTC(), Expires: time.Now().UTC()})
	require.NoError(t, err)
	_, err = decode(data, tokenFormat)
	require.NoError(t, err)
	for i := range data {
		for bit := range 8 {
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << bit
			if _, err := decode(damaged, tokenFormat); err == nil {
				t.Fatalf("decode accepts %s with bit %d of byte %d flipped", data, bit, i)
			}
		}
		if _, err := decode(data[:i], tokenFormat); err == nil {
			t.Fatalf("decode accepts the first %d bytes of %s", i, data)
		}
	}
}

// Problems with the files never prevent the Cache from getting a token.
func TestUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, dir := range map[string]string{"is a file": file, "in a file": filepath.Join(file, "dir"), "name": "a\x00b"} {
		t.Run(name, func(t *testing.T) {
			var warnings int
			c := New(&issuer{name: "a"}, Options{Dir: dir, OnWarning: func(error) { warnings++ }})
			require.Equal(t, "a-token-1", get(t, c))
			require.Equal(t, "a-token-2", get(t, c))
			require.Equal(t, 2, warnings)
		})
	}
	t.Run("lock and file are directories", func(t *testing.T) {
		c, warnings := cache(t, &issuer{name: "a"})
		require.NoError(t, os.MkdirAll(filepath.Join(c.path+".lock", "x"), 0o700))
		require.NoError(t, os.MkdirAll(filepath.Join(c.path, "x"), 0o700))
		require.Equal(t, "a-token-1", get(t, c))
		require.NotEmpty(t, *warnings)
	})
	t.Run("other users have access", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("Windows has no modes")
		}
		c, warnings := cache(t, &issuer{name: "a"})
		require.NoError(t, os.Mkdir(c.dir, 0o755))
		require.Equal(t, "a-token-1", get(t, c))
		info, err := os.Stat(c.dir)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
		require.Empty(t, *warnings)
	})
	t.Run("symlink", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("links need a privilege on Windows")
		}
		c, warnings := cache(t, &issuer{name: "a"})
		require.NoError(t, os.Symlink(t.TempDir(), c.dir))
		require.Equal(t, "a-token-1", get(t, c))
		require.Len(t, *warnings, 1)
	})
}

// The Cache removes temporary files that killed processes left, and no others.
func TestLeftovers(t *testing.T) {
	c, _ := cache(t, &issuer{name: "a"})
	require.NoError(t, os.Mkdir(c.dir, 0o700))
	for _, name := range []string{"a123", "b123", "a1b", "123"} {
		require.NoError(t, os.WriteFile(filepath.Join(c.dir, name), nil, 0o600))
	}
	get(t, c)
	entries, err := os.ReadDir(c.dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"123", "a", "a.lock", "a1b", "b123"}, names)
}

func TestIssuersErrors(t *testing.T) {
	failure := &client.Error{Op: "challenge", Kind: client.ErrQuotaExceeded}
	c, warnings := cache(t, &issuer{name: "a", err: failure})
	_, err := c.Token(t.Context())
	require.ErrorIs(t, err, client.ErrQuotaExceeded)
	require.Empty(t, *warnings)
	_, err = os.Lstat(c.path)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestTokenExpiredOnArrival(t *testing.T) {
	for name, c := range map[string]*Cache{
		"kept":     New(&issuer{name: "a", life: -time.Second}, Options{Dir: t.TempDir()}),
		"not kept": New(&issuer{name: "a", life: -time.Second}, Options{Dir: "a\x00b"}),
		"MinLeft":  New(&issuer{name: "a", life: -time.Second}, Options{Dir: t.TempDir(), MinLeft: -time.Hour}),
	} {
		token, err := c.Token(t.Context())
		require.ErrorIs(t, err, client.ErrExpired, name)
		require.Zero(t, token, name)
	}
}

// bubble runs a subtest with a fake clock, which does not advance while the machine is busy.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// Callers that wait for a handshake get its failure. So do callers that arrive
// while the failure is remembered.
func TestFailuresAreShared(t *testing.T) {
	for name, r := range map[string]struct {
		err  *client.Error
		text string
	}{
		"outage":      {&client.Error{Op: "challenge", Kind: client.ErrUnavailable, Status: 502, Err: errors.New("bad gateway")}, "(HTTP 502): bad gateway; another process got this error"},
		"expired":     {&client.Error{Op: "token", Kind: client.ErrExpired}, "expired"},
		"keys":        {&client.Error{Op: "challenge", Kind: client.ErrMisconfigured, Status: 401, Code: client.CodeInvalidKey}, "invalid_key (HTTP 401)"},
		"quota":       {&client.Error{Op: "challenge", Kind: client.ErrQuotaExceeded, Status: 429, Code: client.CodeQuotaExceeded}, "quota_exceeded"},
		"difficulty":  {&client.Error{Op: "challenge", Kind: client.ErrDifficulty}, "difficulty refused"},
		"rate limit":  {&client.Error{Op: "challenge", Kind: client.ErrRateLimited, Status: 429, RetryAfter: time.Hour}, "rate limited (HTTP 429): another process got this error"},
		"no response": {&client.Error{Op: "verify", Kind: client.ErrUnavailable, Attempts: 2, RetryAfter: 20 * time.Second, Err: errors.New("no complete response")}, "(2 attempts)"},
	} {
		bubble(t, name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "x")
			i := &issuer{name: "a", err: r.err, took: 200 * time.Millisecond}
			var waiting sync.WaitGroup
			for range 50 {
				waiting.Go(func() {
					_, err := New(i, Options{Dir: dir}).Token(t.Context())
					if !errors.Is(err, r.err.Kind) {
						t.Errorf("got %v", err)
					}
				})
			}
			waiting.Wait()
			_, err := New(i, Options{Dir: dir}).Token(t.Context())
			require.ErrorIs(t, err, r.err.Kind)
			var failure *client.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, r.err.Status, failure.Status)
			require.Equal(t, r.err.Code, failure.Code)
			require.ErrorContains(t, err, r.text)
			require.Equal(t, r.err.Kind == client.ErrRateLimited, failure.RetryAfter > 59*time.Minute)
			require.EqualValues(t, 1, i.asked.Load())

			// Other keys are not affected, and the next token removes the failure.
			require.Equal(t, "b-token-1", get(t, New(&issuer{name: "b"}, Options{Dir: dir})))
			c := New(&issuer{name: "a"}, Options{Dir: dir})
			require.NoError(t, os.Remove(c.path+failedSuffix))
			get(t, c)
			require.NoFileExists(t, c.path+failedSuffix)
		})
	}
	bubble(t, "except when the caller gave up", func(t *testing.T) {
		i := &issuer{name: "a", took: time.Hour}
		c, _ := cache(t, i)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := c.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		i.took = 0
		require.Equal(t, "a-token-1", get(t, c))
	})
	bubble(t, "a caller with time left waits for the end of a rate limit", func(t *testing.T) {
		i := &issuer{name: "a", err: &client.Error{Op: "challenge", Kind: client.ErrRateLimited, Status: 429, RetryAfter: 1500 * time.Millisecond}}
		c, _ := cache(t, i)
		_, err := c.Token(t.Context())
		require.ErrorIs(t, err, client.ErrRateLimited)
		i.err = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		_, err = c.Token(ctx)
		require.NoError(t, err)
		require.Greater(t, time.Since(begun), 500*time.Millisecond)
	})
	t.Run("except when damaged, for other keys, over or implausible", func(t *testing.T) {
		now := time.Now()
		good := client.Failure{Kind: "unavailable", Op: "challenge", At: now.Add(-time.Second), Until: now.Add(time.Hour)}
		for name, change := range map[string]func(*entry){
			"":         func(*entry) {},
			"foreign":  func(e *entry) { e.For = "b" },
			"kind":     func(e *entry) { e.Failure.Kind = "nosuch" },
			"future":   func(e *entry) { e.Failure.At = now.Add(time.Hour); e.Failure.Until = now.Add(2 * time.Hour) },
			"over":     func(e *entry) { e.Failure.Until = now.Add(-time.Millisecond) },
			"for ever": func(e *entry) { e.Failure.Until = now.Add(1000 * time.Hour) },
			"damaged":  nil,
		} {
			c, _ := cache(t, &issuer{name: "a"})
			require.NoError(t, c.prepare())
			failure := good
			e := entry{For: "a", Failure: &failure}
			if change != nil {
				change(&e)
			}
			data, err := encode(e)
			require.NoError(t, err)
			if change == nil {
				data[len(data)/2] ^= 1
			}
			require.NoError(t, os.WriteFile(c.path+failedSuffix, data, 0o600))
			_, err = c.Token(t.Context())
			require.Equal(t, name == "", err != nil, "%s: %v", name, err)
		}
	})
}

func TestMinLeft(t *testing.T) {
	i := &issuer{name: "a"}
	dir := filepath.Join(t.TempDir(), "x")
	require.Equal(t, "a-token-1", get(t, New(i, Options{Dir: dir})))
	require.Equal(t, "a-token-1", get(t, New(i, Options{Dir: dir, MinLeft: 200 * time.Second})))
	require.Equal(t, "a-token-2", get(t, New(i, Options{Dir: dir, MinLeft: 400 * time.Second})))
}

func TestInvalidate(t *testing.T) {
	i := &issuer{name: "a"}
	c, warnings := cache(t, i)
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	c.Invalidate(client.Token{Value: client.NewSecret("another")})
	require.Equal(t, "a-token-1", get(t, c))
	c.Invalidate(token)
	require.Equal(t, "a-token-2", get(t, c))
	require.Equal(t, "a-token-2", get(t, New(i, Options{Dir: c.dir})))
	require.Empty(t, *warnings)

	s := client.NewSource(c, client.SourceOptions{})
	token, err = s.Token(t.Context())
	require.NoError(t, err)
	s.Invalidate(token)
	token, err = s.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a-token-3", token.Value.Reveal())
}

// held is an issuer that blocks its one caller until release is closed.
type held struct {
	issuer
	entered, release chan struct{}
}

func (h *held) Token(ctx context.Context) (client.Token, error) {
	close(h.entered)
	<-h.release
	return h.issuer.Token(ctx)
}

func TestWaitersHeedTheirContexts(t *testing.T) {
	h := &held{issuer{name: "a"}, make(chan struct{}), make(chan struct{})}
	dir := filepath.Join(t.TempDir(), "x")
	done := make(chan string)
	go func() { done <- get(t, New(h, Options{Dir: dir})) }()
	<-h.entered
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := New(&issuer{name: "a"}, Options{Dir: dir}).Token(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "another process was getting a token")
	var failure *client.Error
	require.True(t, errors.As(err, &failure) && failure.Kind == nil)

	var others sync.WaitGroup
	second := &issuer{name: "a"}
	for range 10 {
		others.Go(func() {
			if got := get(t, New(second, Options{Dir: dir})); got != "a-token-1" {
				t.Errorf("got %s", got)
			}
		})
	}
	close(h.release)
	require.Equal(t, "a-token-1", <-done)
	others.Wait()
	require.Zero(t, second.made.Load())
}

func TestHundredProcessesOneSolve(t *testing.T) {
	service := gktest.New(gktest.Options{Difficulty: 3})
	server := httptest.NewServer(service)
	defer server.Close()
	dir := filepath.Join(t.TempDir(), "gkpow")
	processes := 100
	if testing.Short() {
		processes = 10
	}
	outputs := make([]bytes.Buffer, processes)
	var running sync.WaitGroup
	for i := range outputs {
		running.Go(func() {
			cmd := child(server.URL, dir)
			cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
			if err := cmd.Run(); err != nil {
				t.Errorf("%v: %s", err, &outputs[i])
			}
		})
	}
	running.Wait()
	for i := range outputs {
		require.Equal(t, outputs[0].String(), outputs[i].String())
	}
	require.Equal(t, gktest.Counts{Challenges: 1, Verifies: 1, Tokens: 1}, service.Counts())
}

// A process that is killed leaves neither a lock nor a partial file, at whatever
// moment it is killed.
func TestKilled(t *testing.T) {
	service := gktest.New(gktest.Options{Difficulty: gktest.NoWork})
	server := httptest.NewServer(service)
	defer server.Close()
	dir := filepath.Join(t.TempDir(), "gkpow")
	kills := 20
	if testing.Short() {
		kills = 3
	}
	for n := range kills {
		cmd := child(server.URL, dir, childWork+"=1")
		output, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = output.Read(make([]byte, 1)) // wait until it writes
		require.NoError(t, err)
		time.Sleep(time.Duration(n) * 613 * time.Microsecond)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()

		var warnings []string
		c := New(newIssuer(server.URL), Options{Dir: dir, OnWarning: func(err error) { warnings = append(warnings, err.Error()) }})
		token, err := c.Token(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, token.Value.Reveal())
		require.Empty(t, warnings, "the process left a partial file")
		require.Zero(t, token.Rounds, "the token did not come from the file")

		c.Invalidate(token) // so that the next call writes
		_, err = c.Token(t.Context())
		require.NoError(t, err)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 2, "temporary files are still there")
	}
}

func TestPrintsNoToken(t *testing.T) {
	c, _ := cache(t, &issuer{name: "a"})
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	c.Invalidate(token)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, c), "token-1")
	}
}
