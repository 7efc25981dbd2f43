//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

func mkfifo(t *testing.T, name string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

// waiting returns commands whose input may never arrive.
func waiting(fifo string) map[string]struct {
	args      string
	variables []string
} {
	type command = struct {
		args      string
		variables []string
	}
	secret, key := "GKCAPTCHA_SECRET_KEY=", "GKTINC_API_KEY="
	ours := []string{secret, "GKCAPTCHA_SECRET_KEY_FILE=" + fifo}
	theirs := []string{key, "GKTINC_HASHID=h", "GKTINC_API_KEY_FILE=" + fifo}
	return map[string]command{
		"token":           {"token", ours},
		"exec":            {"exec true", ours},
		"doctor":          {"doctor", ours},
		"verify":          {"verify x", ours},
		"token on stdin":  {"verify -", nil},
		"challenge":       {"solve --challenge " + fifo, nil},
		"stdin":           {"solve --challenge -", nil},
		"level":           {"gktinc level 192.0.2.1", theirs},
		"config":          {"gktinc config --url example.com/ --ip 192.0.2.1", theirs},
		"validation":      {"gktinc validate " + fifo, theirs},
		"form on stdin":   {"gktinc validate", theirs},
		"report":          {"bench --compare " + fifo, nil},
		"GKTinc in agent": {"agent", append(theirs, "GKCAPTCHA_SITE_KEY=", secret)},
		"agent":           {"agent", ours},
	}
}

// A command that reads a key file or its input from a FIFO without a writer still ends at
// its --timeout.
func TestTimeoutWhileReading(t *testing.T) {
	u := newUser(t, gktest.Options{})
	for name, test := range waiting(mkfifo(t, "fifo")) {
		if strings.HasPrefix(test.args, "agent") {
			continue // the agent has no --timeout
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(test.args)
			args = append([]string{args[0]}, append([]string{"--timeout", "100ms"}, args[1:]...)...)
			if args[0] == "gktinc" {
				args = append(strings.Fields(test.args), "--timeout", "100ms")
			}
			var stdout, stderr bytes.Buffer
			env := u.environment(&stdout, &stderr)
			env.stdin, _ = io.Pipe()
			lookup := env.lookup
			env.lookup = func(name string) (string, bool) {
				for _, variable := range test.variables {
					if value, ok := strings.CutPrefix(variable, name+"="); ok {
						return value, true
					}
				}
				return lookup(name)
			}
			require.Equal(t, exitTime, run(t.Context(), args, env), stderr.String())
			require.Contains(t, stdout.String()+stderr.String(), "still waiting for ")
			require.Contains(t, stderr.String(), "--timeout has passed (100ms)")
			require.NotContains(t, stderr.String(), "--threads", "this advice is only for searches")
		})
	}
}

// A command that writes to a pipe without a reader ends at its --timeout, too. A pipe with
// a reader gets the report even if the timeout has already passed.
func TestTimeoutWhileWriting(t *testing.T) {
	u := newUser(t, gktest.Options{})
	bench := func(ctx context.Context, fifo string) (int, string) {
		var stderr bytes.Buffer
		env := u.environment(new(bytes.Buffer), &stderr)
		env.bench = cannedBench
		return run(ctx, []string{"bench", "--timeout", "1ms", "--save", fifo}, env), stderr.String()
	}
	code, stderr := bench(t.Context(), mkfifo(t, "unread"))
	require.Equal(t, exitTime, code, stderr)
	require.Contains(t, stderr, "still waiting for a reader: --timeout has passed (1ms)")

	fifo := mkfifo(t, "read")
	report := make(chan []byte, 1)
	go func() {
		data, _ := os.ReadFile(fifo)
		report <- data
	}()
	code, stderr = bench(t.Context(), fifo)
	require.Equal(t, exitTime, code, stderr)
	require.NotContains(t, stderr, "reader")
	require.Contains(t, string(<-report), `"format"`)
}

// A signal ends a command that waits for a FIFO, and the exit code tells which signal it was.
func TestSignalWhileReading(t *testing.T) {
	t.Parallel()
	for _, sent := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		u := newUser(t, gktest.Options{})
		for name, test := range waiting(mkfifo(t, "fifo")) {
			t.Run(sent.String()+"/"+name, func(t *testing.T) {
				t.Parallel()
				cmd := u.command("gkpow", strings.Fields(test.args)...)
				cmd.Env = append(cmd.Env, test.variables...)
				stdin, err := cmd.StdinPipe()
				require.NoError(t, err)
				defer stdin.Close()
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				require.NoError(t, cmd.Start())
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				for deadline := time.After(time.Minute); ; {
					select {
					case <-ended:
						// A signal that arrives before the command catches signals kills the process.
						if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
							require.Equal(t, 128+int(sent), cmd.ProcessState.ExitCode(), stderr.String())
							require.Contains(t, stderr.String(), "gkpow: error: ")
						}
						return
					case <-deadline:
						_ = cmd.Process.Kill()
						t.Fatal("the signal did not stop the command")
					case <-time.After(300 * time.Millisecond):
						if err := cmd.Process.Signal(sent); !errors.Is(err, os.ErrProcessDone) {
							require.NoError(t, err)
						}
					}
				}
			})
		}
	}
}

// If the lock file is a FIFO, the command warns and goes on without it.
func TestLockIsFIFO(t *testing.T) {
	u := newUser(t, gktest.Options{})
	code, first, stderr := u.run(t.Context(), "token")
	require.Equal(t, exitOK, code, stderr)
	file := u.tokenFile(t)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Remove(file+".lock"))
	require.NoError(t, syscall.Mkfifo(file+".lock", 0o600))
	code, second, stderr := u.run(t.Context(), "token", "--timeout", "20s")
	require.Equal(t, exitOK, code, stderr)
	require.NotEqual(t, first, second)
	require.Contains(t, stderr, file+".lock is not a regular file: remove it")
}

// A command can read a key from a FIFO, such as a shell's <(command).
func TestKeyThroughFIFO(t *testing.T) {
	u := newUser(t, gktest.Options{})
	fifo := mkfifo(t, "key")
	cmd := u.command("gkpow", "token", "--timeout", "20s")
	cmd.Env = append(cmd.Env, "GKCAPTCHA_SECRET_KEY=", "GKCAPTCHA_SECRET_KEY_FILE="+fifo)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = io.WriteString(writer, secret+"\n")
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	require.NoError(t, cmd.Wait(), stderr.String())
	require.Regexp(t, `^eyJ`, stdout.String())
}

// readsInput waits until a command reads its standard input. It writes more spaces, which
// JSON ignores, than a pipe can hold.
func readsInput(t *testing.T, stdin io.Writer) {
	_, err := io.WriteString(stdin, strings.Repeat(" ", 1<<17))
	require.NoError(t, err)
}

// An interrupted search has the exit code that shells expect.
func TestInterruptedSearch(t *testing.T) {
	u := newUser(t, gktest.Options{})
	for sent, want := range map[syscall.Signal]string{syscall.SIGINT: "interrupted", syscall.SIGTERM: "stopped by a signal (terminated)"} {
		var cmd *exec.Cmd
		var stderr bytes.Buffer
		// On a busy machine the signal may arrive before the command has read its whole input. The
		// next try then waits longer.
		for wait := 100 * time.Millisecond; wait < time.Minute; wait *= 2 {
			cmd = u.command("gkpow", "solve", "--challenge", "-")
			stderr.Reset()
			cmd.Stderr = &stderr
			stdin, err := cmd.StdinPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			readsInput(t, stdin)
			_, err = io.WriteString(stdin, challengeJSON(`"difficulty":64`))
			require.NoError(t, err)
			require.NoError(t, stdin.Close())
			time.Sleep(wait)
			require.NoError(t, cmd.Process.Signal(sent))
			_ = cmd.Wait()
			if !strings.Contains(stderr.String(), "still waiting for ") {
				break
			}
		}
		require.Equal(t, 128+int(sent), cmd.ProcessState.ExitCode(), stderr.String())
		require.Regexp(t, `^gkpow: error: stopped after [0-9]+ hashes in [^ ]+: `+regexp.QuoteMeta(want)+`\n$`, stderr.String())
	}
}
