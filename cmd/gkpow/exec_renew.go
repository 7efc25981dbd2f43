package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// execRenewing runs the command with its own agent until the command ends.
func execRenewing(ctx context.Context, env environment, f execFlags, path string, args []string) error {
	log := slog.New(warningHandler{env: env})
	registry := &metrics.Registry{}
	state := newAgentState(env, registry)
	// The first signal ends ctx, but the agent keeps running: the command decides how to
	// handle the signal.
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	agent := agentFlags{engineFlags: f.engineFlags, accountFlags: f.accountFlags}
	source, stop, err := agent.openTokens(lasting, env, &agentKeys{log: log}, state, registry, log)
	if err != nil {
		return err
	}
	defer stop()
	limited, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	token, err := source.Token(limited)
	if err != nil {
		return err
	}

	dir, err := privateDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	lock := flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))
	if _, err := lock.TryLock(); err != nil {
		return err
	}
	defer lock.Close()
	removeAbandoned(filepath.Dir(dir))
	socket, err := listenUnix(ctx, filepath.Join(dir, "agent"))
	if err != nil {
		return err
	}
	handler := newAgentServer(source, "", registry, log)
	state.addTo(handler)
	handler.onFailure, handler.onRejected = state.failed, state.change
	server := handler.server()
	go func() {
		if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			log.Warn("the agent's socket failed", "error", err.Error())
		}
	}()
	defer server.Close()
	file, err := newTokenFile("renew", filepath.Join(dir, "token"), f.format, log)
	if err != nil {
		return err
	}
	file.onFailure = state.failed
	if err := file.write(token); err != nil { // before the command looks for it
		return err
	}
	defer file.start(lasting, source, state)()
	if err := ctx.Err(); err != nil { // a signal that the command would miss
		return err
	}

	cmd := exec.Command(path)
	cmd.Args = args
	cmd.Env = f.variables(env, token, "GKCAPTCHA_TOKEN_FILE="+file.path, "GKPOW_AGENT_SOCKET="+socket.path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = env.stdin, env.stdout, env.stderr
	return runForwarding(ctx, cmd)
}

// privateDir makes a directory that only the user can enter, with a path short enough for
// a socket in it. It prefers XDG_RUNTIME_DIR, which is in memory.
func privateDir() (string, error) {
	var failed error
	for _, parent := range []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"} {
		if parent == "" || !filepath.IsAbs(parent) {
			continue
		}
		dir, err := os.MkdirTemp(parent, directoryPrefix)
		if err == nil && len(dir)+len("/agent") <= longestSocket {
			return dir, nil
		}
		if err == nil {
			err = errors.Join(fmt.Errorf("%s: the path is too long for a socket", dir), os.Remove(dir))
		}
		failed = errors.Join(failed, err)
	}
	return "", fmt.Errorf("no place for the token file: set TMPDIR to a writable directory: %w", failed)
}

// Names of the directories that privateDir makes, and of the file in them that gkpow keeps
// locked while it runs.
const (
	directoryPrefix = "gkpow-exec-"
	lockName        = "lock"
)

// removeAbandoned removes directories that a killed gkpow left behind. It skips directories of
// other users, and those less than a minute old, which may not be locked yet.
func removeAbandoned(parent string) {
	locks, _ := filepath.Glob(filepath.Join(parent, directoryPrefix+"*", lockName))
	for _, path := range locks {
		dir, err := os.Lstat(filepath.Dir(path))
		if err != nil || !dir.IsDir() || !isOwn(dir) { // before anything in it is opened
			continue
		}
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock := flock.New(path, flock.SetFlag(os.O_RDWR))
		if free, err := lock.TryLock(); err == nil && free {
			lock.Close()
			_ = os.RemoveAll(filepath.Dir(path))
		}
	}
}

// A warningHandler prints the log warnings of an agent as warnings of a command.
type warningHandler struct {
	slog.Handler // nil: groups and attributes of loggers are not used
	env          environment
}

func (h warningHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (h warningHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			b.WriteString(": " + a.Value.String())
		} else {
			fmt.Fprintf(&b, " (%s %s)", a.Key, a.Value)
		}
		return true
	})
	warn(h.env, errors.New(b.String()))
	return nil
}
