package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/gkpow/gkpow/client"
)

// execFlags are the flags of gkpow exec.
type execFlags struct {
	searchFlags
	accountFlags
	keepKeys bool
	renew    bool
	format   string // of the token file
}

// variables returns the environment of the command: that of gkpow without the secret key
// and another agent's variables, plus the token and the variables in more.
func (f *execFlags) variables(env environment, t client.Token, more ...string) []string {
	hidden := []string{"GKCAPTCHA_TOKEN", "GKCAPTCHA_TOKEN_EXPIRES_AT", "GKCAPTCHA_TOKEN_FILE"}
	if f.renew {
		hidden = append(hidden, "GKPOW_AGENT_SOCKET", "GKPOW_AGENT_URL", "GKPOW_AGENT_BEARER_FILE")
	}
	if !f.keepKeys {
		hidden = append(hidden, "GKCAPTCHA_SECRET_KEY", "GKCAPTCHA_SECRET_KEY_FILE", cacheVariable) // its value may contain a password
	}
	variables := slices.DeleteFunc(env.environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.ContainsFunc(hidden, func(h string) bool { return strings.EqualFold(h, name) }) // Windows ignores case
	})
	return append(append(variables,
		"GKCAPTCHA_TOKEN="+t.Value.Reveal(),
		fmt.Sprintf("GKCAPTCHA_TOKEN_EXPIRES_AT=%d", t.ExpiresAt.Unix())), more...)
}

// newStartError explains why exec.LookPath did not find the command. Unlike that function
// it distinguishes a file that cannot be executed from a missing one.
func newStartError(command string, err error) *startError {
	if !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, fs.ErrNotExist) {
		return &startError{err, exitNotExecutable}
	}
	if filepath.Base(command) == command {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			path := filepath.Join(dir, command)
			if info, statErr := os.Stat(path); statErr == nil && info.Mode().IsRegular() {
				return &startError{&fs.PathError{Op: "exec", Path: path, Err: fs.ErrPermission}, exitNotExecutable}
			}
		}
	}
	return &startError{err, exitNotFound}
}

// childOutcome converts the error of a finished command to one of gkpow exec.
func childOutcome(err error) error {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return &childError{exitCodeOf(exit.ProcessState)}
	case err != nil:
		return &startError{err, exitNotExecutable}
	}
	return nil
}

// exitCodeOf is the exit code of a command, or 128 and the number of the signal that ended
// it, as in shells.
func exitCodeOf(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal())
	}
	return state.ExitCode()
}
