//go:build !unix

package main

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
)

// become runs the command, since this system cannot replace a process.
func become(path string, args, variables []string) error {
	cmd := exec.Command(path, args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = variables, os.Stdin, os.Stdout, os.Stderr
	return runForwarding(context.Background(), cmd)
}

// runForwarding runs the command and waits until it ends. An interrupt reaches all
// processes of a console, so gkpow ignores it and lets the command handle it.
func runForwarding(_ context.Context, cmd *exec.Cmd) error {
	signal.Ignore(os.Interrupt)
	return childOutcome(cmd.Run())
}

// isOwn reports whether a file belongs to this user. Directories for temporary files do not
// mix users here.
func isOwn(os.FileInfo) bool { return true }
