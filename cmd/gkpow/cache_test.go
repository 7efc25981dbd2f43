package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// A user is an environment with a service, keys for it and a cache directory.
type user struct {
	service *gktest.Service
	url     string
	home    string
}

func newUser(t *testing.T, o gktest.Options) *user {
	o.SiteKey, o.SecretKey = "pk_live_site", secret
	if o.Difficulty == 0 {
		o.Difficulty = 2
	}
	service := gktest.New(o)
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return &user{service, server.URL, t.TempDir()}
}

// cacheDir returns the directory in which commands in separate processes keep files.
func (u *user) cacheDir() string {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return filepath.Join(u.home, "Library", "Caches", "gkpow")
	}
	return filepath.Join(u.home, "gkpow")
}

func (u *user) variables() []string {
	return []string{
		"GKCAPTCHA_API_URL=" + u.url, "GKCAPTCHA_SITE_KEY=pk_live_site", "GKCAPTCHA_SECRET_KEY=" + secret,
		"HOME=" + u.home, "XDG_CACHE_HOME=" + u.home, "LocalAppData=" + u.home,
	}
}

// environment returns the user's environment for a command in this process.
func (u *user) environment(stdout, stderr *bytes.Buffer) environment {
	return environment{
		stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, cacheDir: u.cacheDir(),
		lookup: func(name string) (string, bool) {
			for _, variable := range u.variables() {
				if value, ok := strings.CutPrefix(variable, name+"="); ok {
					return value, true
				}
			}
			return "", false
		},
	}
}

// run runs a command in this process.
func (u *user) run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, u.environment(&out, &errs))
	return code, out.String(), errs.String()
}

// command returns a command that runs in a separate process.
func (u *user) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(append(os.Environ(), quickExit), u.variables()...)
	return cmd
}

// tokenFile returns the only file in the cache directory that is not a lock.
func (u *user) tokenFile(t *testing.T) string {
	files, err := filepath.Glob(filepath.Join(u.cacheDir(), "*"))
	require.NoError(t, err)
	var found []string
	for _, file := range files {
		if filepath.Ext(file) == "" {
			found = append(found, file)
		}
	}
	require.Len(t, found, 1, files)
	return found[0]
}

func TestCacheFile(t *testing.T) {
	u := newUser(t, gktest.Options{})
	token := func() string {
		code, stdout, stderr := u.run(t.Context(), "token")
		require.Equal(t, exitOK, code, stderr)
		require.NotContains(t, stderr, "SENTINEL")
		return stdout
	}
	first := token()
	file := u.tokenFile(t)
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{file: 0o600, file + ".lock": 0o600, u.cacheDir(): 0o700} {
			info, err := os.Stat(name)
			require.NoError(t, err)
			require.Equal(t, want, info.Mode().Perm(), name)
		}
	}
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(good)+file, "SENTINEL")

	tokens := map[string]bool{first: true}
	for name, content := range map[string]string{
		"empty":          "",
		"half":           string(good[:len(good)/2]),
		"other token":    strings.Replace(string(good), "eyJ", "eyK", 1),
		"another format": `{"token":"eyJ"}`,
		"noise":          "\x00\xff" + strings.Repeat("noise", 1000),
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		code, stdout, stderr := u.run(t.Context(), "token")
		require.Equal(t, exitOK, code, stderr)
		require.Contains(t, stderr, "ignoring and replacing "+file, name)
		require.False(t, tokens[stdout], "%s: the command printed an old token", name)
		tokens[stdout] = true
		require.Equal(t, stdout, token(), name)
	}
	require.Equal(t, len(tokens), u.service.Counts().Challenges)
}

func TestProcessesShareToken(t *testing.T) {
	u := newUser(t, gktest.Options{Difficulty: 4})
	processes := 100
	if testing.Short() {
		processes = 10
	}
	outputs := make([]bytes.Buffer, processes)
	var running sync.WaitGroup
	for i := range outputs {
		running.Go(func() {
			cmd := u.command("gkpow", "token")
			cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
			if err := cmd.Run(); err != nil {
				t.Errorf("%v: %s", err, &outputs[i])
			}
		})
	}
	running.Wait()
	for i := range outputs {
		require.Regexp(t, `^eyJ[^\n]+\n$`, outputs[i].String())
		require.Equal(t, outputs[0].String(), outputs[i].String())
	}
	require.Equal(t, gktest.Counts{Challenges: 1, Verifies: 1, Tokens: 1}, u.service.Counts())
}

// A command can be killed at any moment without corrupting the cache.
func TestKilledCommands(t *testing.T) {
	u := newUser(t, gktest.Options{Difficulty: gktest.NoWork})
	start := time.Now()
	require.NoError(t, u.command("gkpow", "token").Run())
	whole := time.Since(start)
	kills := 24
	if testing.Short() {
		kills = 3
	}
	for n := range kills {
		require.NoError(t, os.RemoveAll(u.tokenFile(t)))
		cmd := u.command("gkpow", "token")
		require.NoError(t, cmd.Start())
		time.Sleep(whole/2 + whole*time.Duration(n)/time.Duration(kills))
		_ = cmd.Process.Kill() // fails if the command has already exited
		_ = cmd.Wait()

		code, first, stderr := u.run(t.Context(), "token")
		require.Equal(t, exitOK, code, stderr)
		require.Empty(t, stderr)
		code, second, stderr := u.run(t.Context(), "token")
		require.Equal(t, exitOK, code, stderr)
		require.Equal(t, first, second)
	}
}

// An invalid URL of a shared cache is an error before any request is sent; an unreachable
// server only causes a warning.
func TestSharedCacheURLs(t *testing.T) {
	u := newUser(t, gktest.Options{})
	for url, text := range map[string]string{
		"redis://u:SENTINEL@127.0.0.1:1": "--cache-url contains a password",
		"127.0.0.1:1":                    "--cache-url: ",
		"redis://127.0.0.1:1?nosuch=1":   "unknown parameter",
	} {
		code, stdout, stderr := u.run(t.Context(), "token", "--cache-url", url)
		require.Equal(t, exitUsage, code, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, text)
		require.NotContains(t, stderr, "SENTINEL")
	}
	require.Zero(t, u.service.Counts().Challenges)
	code, first, stderr := u.run(t.Context(), "token", "--cache-url", "redis://127.0.0.1:1?timeout=20ms")
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stderr, "gkpow: warning: the cache server is unavailable: 127.0.0.1:1")
	code, second, _ := u.run(t.Context(), "token")
	require.Equal(t, exitOK, code)
	require.Equal(t, first, second, "the second command must use the cache on disk")
	code, _, stderr = u.run(t.Context(), "token", "--no-cache", "--cache-url", "redis://127.0.0.1:1")
	require.Equal(t, exitOK, code)
	require.Empty(t, stderr)

	before := u.service.Counts()
	code, stdout, stderr := u.run(t.Context(), "token", "--cache-url", "redis://127.0.0.1:1?timeout=20ms&policy=fail")
	require.Equal(t, exitNetwork, code, stderr)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "the policy is to fail")
	require.Equal(t, before, u.service.Counts())

	code, stdout, stderr = u.run(t.Context(), "doctor", "--cache-url", "redis://127.0.0.1:1?timeout=20ms")
	require.Equal(t, exitNetwork, code)
	require.Regexp(t, `FAIL  shared cache   .*127\.0\.0\.1:1.*\n +do: check GKPOW_CACHE_URL or --cache-url`, stdout)
	require.Contains(t, stderr, "hint: check GKPOW_CACHE_URL or --cache-url")
}
