//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// awaitFile waits until the function accepts the file's content, which is "" if there is no
// file.
func awaitFile(t *testing.T, path string, accepted func(string) bool) (content string) {
	t.Helper()
	require.Eventually(t, func() bool {
		data, _ := os.ReadFile(path)
		content = string(data)
		return accepted(content)
	}, 60*time.Second, 5*time.Millisecond)
	return content
}

func TestAgentWrite(t *testing.T) {
	for format, form := range map[string]string{
		"token":  `^(eyJ[\w.-]+)\n$`,
		"json":   `^{"token":"(eyJ[\w.-]+)","expiresAt":[0-9]+,.*}\n$`,
		"env":    `^export GKCAPTCHA_TOKEN='(eyJ[\w.-]+)' GKCAPTCHA_TOKEN_EXPIRES_AT=[0-9]+\n$`,
		"header": `^X-Captcha-Token: (eyJ[\w.-]+)\n$`,
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, gktest.Options{})
			file := filepath.Join(t.TempDir(), "token")
			require.NoError(t, os.WriteFile(file, []byte("old"), 0o644))
			a := u.startAgent(t, "--listen", "127.0.0.1:0", "--no-cache", "--write", file, "--format", format)
			whole := regexp.MustCompile(form)
			first := awaitFile(t, file, func(s string) bool { return s != "old" })
			require.Regexp(t, whole, first)
			require.Equal(t, whole.FindStringSubmatch(first)[1], a.token(), "programs that ask must get the same token")
			info, err := os.Stat(file)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode())
			require.Equal(t, 1, u.service.Counts().Challenges)
			_, stdout, _ := askAgentStatus(t, a)
			require.Regexp(t, `(?m)^next renewal +in [0-9ms]+$`, stdout)

			// The agent replaces a rejected token in the file even if no program asks for one.
			status, _, _ := a.call("DELETE", "/token", `{"token":"`+a.token()+`"}`)
			require.Equal(t, 204, status)
			second := awaitFile(t, file, func(s string) bool { require.NotEmpty(t, s, "the file must never be missing"); return s != first })
			require.Regexp(t, whole, second)

			a.stop()
			require.NoFileExists(t, file)
			entries, err := os.ReadDir(filepath.Dir(file))
			require.NoError(t, err)
			require.Empty(t, entries)
		})
	}
}

// The agent renews the token by itself, and the file never contains an expired one.
func TestAgentWriteRenews(t *testing.T) {
	t.Parallel()
	u := newUser(t, gktest.Options{TokenLifetime: 4 * time.Second})
	file := filepath.Join(t.TempDir(), "token")
	a := u.startAgent(t, "--listen", "127.0.0.1:0", "--no-cache", "--write", file)
	first := awaitFile(t, file, func(s string) bool { return s != "" })
	second := awaitFile(t, file, func(s string) bool { return s != "" && s != first })
	u.service.SetM2MDisabled(true)
	awaitFile(t, file, func(s string) bool { return s == "" })
	status, _, _ := a.call("GET", "/readyz", "")
	require.Equal(t, 503, status)
	_, _, metrics := a.call("GET", "/metrics", "")
	require.Regexp(t, `(?m)^gkpow_token_failures_total{kind="misconfigured"} [1-9]`, metrics)
	u.service.SetM2MDisabled(false)
	third := awaitFile(t, file, func(s string) bool { return s != "" })
	require.NotEqual(t, second, third)

	// The agent does not remove a file that somebody else has written.
	require.NoError(t, os.WriteFile(file, []byte("theirs"), 0o600))
	a.stop()
	data, err := os.ReadFile(file)
	if err == nil { // unless the agent renewed the token in between
		require.Equal(t, "theirs", string(data))
	}
}

func TestAgentWriteUsage(t *testing.T) {
	u := newUser(t, gktest.Options{})
	for args, want := range map[string]string{
		"--write /nowhere/token":       "--write /nowhere/token: no such file or directory",
		"--write " + t.TempDir():       "it is a directory",
		"--write " + mkfifo(t, "fifo"): "is not a plain file",
		"--write=":                     `--write "" is not a file name`,
		"--format json":                "--format needs --write",
		"--write " + t.TempDir() + "/token --format jso": "did you mean json?",
	} {
		code, stdout, stderr := u.run(t.Context(), append([]string{"agent", "--listen", "127.0.0.1:0"}, strings.Fields(args)...)...)
		require.Equal(t, exitUsage, code, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, want)
	}
}

// runRenewing starts a shell script under exec --renew. The script first prints the path of
// the token file.
func runRenewing(t *testing.T, u *user, script string, flags ...string) (cmd *exec.Cmd, file string, log *journal) {
	runtime := t.TempDir()
	t.Cleanup(func() {
		entries, err := os.ReadDir(runtime)
		require.NoError(t, err)
		require.Empty(t, entries, "gkpow must remove its directory")
	})
	cmd = u.command("gkpow", append(append([]string{"exec", "--renew"}, flags...), "--", "sh", "-c", `echo "$GKCAPTCHA_TOKEN_FILE"; `+script)...)
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+runtime)
	line, log := startProcess(t, cmd)
	file = strings.TrimSpace(line)
	require.True(t, strings.HasPrefix(file, runtime), file)
	return cmd, file, log
}

func TestExecRenew(t *testing.T) {
	t.Parallel()
	u := newUser(t, gktest.Options{TokenLifetime: 5 * time.Second})
	var file string
	var log *journal
	for early := true; early; {
		var cmd *exec.Cmd
		before := u.service.Counts().Tokens
		cmd, file, log = runRenewing(t, u, `
		first=$(cat "$GKCAPTCHA_TOKEN_FILE")
		[ "$first" = "$GKCAPTCHA_TOKEN" ] || exit 3
		[ "$(stat -c %a "$GKCAPTCHA_TOKEN_FILE" 2>/dev/null || stat -f %Lp "$GKCAPTCHA_TOKEN_FILE")" = 600 ] || exit 4
		[ -z "$GKCAPTCHA_SECRET_KEY$GKPOW_AGENT_URL" ] || exit 5
		gkpow agent status >&2 || exit 6
		while [ "$(cat "$GKCAPTCHA_TOKEN_FILE")" = "$first" ]; do sleep 0.05; done
		exit 42`, "--no-cache")
		_ = cmd.Wait()
		// If the script was delayed, gkpow renewed the token before the script first read it.
		code := cmd.ProcessState.ExitCode()
		if early = code == 3 && u.service.Counts().Tokens > before+1; !early {
			require.Equal(t, 42, code, log)
		}
	}
	require.NoDirExists(t, filepath.Dir(file))
	require.Regexp(t, `(?m)^token +got `, log.String())
	require.NotContains(t, log.String(), "eyJ")
}

// exec --renew forwards signals to the command and returns the command's exit code.
func TestExecRenewSignals(t *testing.T) {
	u := newUser(t, gktest.Options{})
	for _, test := range []struct {
		name, script string
		sent         syscall.Signal
		want         int
	}{
		{"handled", `trap 'exit 7' TERM; echo ready >&2; while :; do sleep 0.02; done`, syscall.SIGTERM, 7},
		{"handled twice", `n=0; trap 'n=$((n+1)); [ $n = 1 ] && echo once >&2 || exit 8' USR1; echo ready >&2; while :; do sleep 0.02; done`, syscall.SIGUSR1, 8},
		{"deadly", `echo ready >&2; exec sleep 60`, syscall.SIGTERM, 128 + 15},
		{"interrupt", `echo ready >&2; exec sleep 60`, syscall.SIGINT, 128 + 2},
		{"killed", `echo ready >&2; kill -KILL $$`, 0, 128 + 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cmd, file, log := runRenewing(t, u, test.script)
			require.Eventually(t, func() bool { return strings.Contains(log.String(), "ready") }, 60*time.Second, time.Millisecond)
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			for running := true; running; {
				if test.sent != 0 {
					_ = cmd.Process.Signal(test.sent)
				}
				select {
				case <-ended:
					running = false
				case <-time.After(500 * time.Millisecond):
				}
			}
			require.Equal(t, test.want, cmd.ProcessState.ExitCode(), log)
			require.NoDirExists(t, filepath.Dir(file))
		})
	}
}

// gkpow warns of failed renewals and writes the file again once a renewal succeeds.
func TestExecRenewOutage(t *testing.T) {
	t.Parallel()
	u := newUser(t, gktest.Options{TokenLifetime: 4 * time.Second})
	disabled := filepath.Join(t.TempDir(), "disabled")
	cmd, file, log := runRenewing(t, u, `
		while [ ! -e '`+disabled+`' ]; do sleep 0.05; done
		while [ -e "$GKCAPTCHA_TOKEN_FILE" ]; do sleep 0.05; done
		echo gone >&2
		while [ ! -e "$GKCAPTCHA_TOKEN_FILE" ]; do sleep 0.05; done
		cat "$GKCAPTCHA_TOKEN_FILE"`, "--no-cache", "--format", "header")
	u.service.SetM2MDisabled(true)
	require.NoError(t, os.WriteFile(disabled, nil, 0o600))
	for _, event := range []string{"m2m_disabled", "gone"} {
		require.Eventually(t, func() bool { return strings.Contains(log.String(), event) }, time.Minute, 10*time.Millisecond)
	}
	u.service.SetM2MDisabled(false)
	_ = cmd.Wait()
	require.Equal(t, 0, cmd.ProcessState.ExitCode(), log)
	require.Contains(t, log.String(), "gkpow: warning: ")
	require.Contains(t, log.String(), "m2m_disabled")
	require.NotContains(t, log.String(), "level=")
	require.NoFileExists(t, file)
}

// A killed gkpow leaves its directory behind. A later gkpow removes only such directories.
func TestExecRenewKilled(t *testing.T) {
	u := newUser(t, gktest.Options{})
	runtime := t.TempDir()
	renew := func(script string) *exec.Cmd {
		cmd := u.command("gkpow", "exec", "--renew", "--", "sh", "-c", script)
		cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+runtime)
		_ = cmd.Run()
		return cmd
	}
	locks := func() (paths []string) {
		paths, err := filepath.Glob(filepath.Join(runtime, "*", "lock"))
		require.NoError(t, err)
		return paths
	}
	require.Equal(t, -1, renew(`kill -KILL $PPID`).ProcessState.ExitCode())
	require.Len(t, locks(), 1)
	require.Equal(t, 0, renew("true").ProcessState.ExitCode())
	require.Len(t, locks(), 1, "a recent directory may belong to a gkpow that is just starting")

	killed, running, foreign := locks()[0], filepath.Join(runtime, "gkpow-exec-running", "lock"), filepath.Join(runtime, "gkpow-exec-shared", "lock")
	for path, mode := range map[string]os.FileMode{running: 0o700, foreign: 0o755} {
		require.NoError(t, os.Mkdir(filepath.Dir(path), mode))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	lock := flock.New(running)
	require.NoError(t, lock.Lock())
	defer lock.Close()
	for _, path := range []string{killed, running, foreign} {
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)))
	}
	require.Equal(t, 0, renew("true").ProcessState.ExitCode())
	require.ElementsMatch(t, []string{running, foreign}, locks())
}

func TestExecRenewFails(t *testing.T) {
	u := newUser(t, gktest.Options{M2MDisabled: true})
	code, stdout, stderr := u.run(t.Context(), "exec", "--renew", "--no-cache", "--", "true")
	require.Equal(t, exitCredentials, code, stderr)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "m2m_disabled")
	code, _, stderr = u.run(t.Context(), "exec", "--format", "json", "true")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--format needs --renew")
	code, _, _ = u.run(t.Context(), "exec", "--renew", "--", "no-such-command")
	require.Equal(t, exitNotFound, code)

	var out bytes.Buffer // run in this process, the command still inherits stdin and stdout
	env := newUser(t, gktest.Options{}).environment(&out, new(bytes.Buffer))
	env.environ = os.Environ
	env.stdin = io.NopCloser(strings.NewReader("from stdin"))
	require.Equal(t, exitOK, run(t.Context(), []string{"exec", "--renew", "cat"}, env))
	require.Equal(t, "from stdin", out.String())
}
