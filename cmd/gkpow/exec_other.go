//go:build !unix

package main

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
)

// become runs the command, for want of a way to replace this process by it.
func become(path string, args, variables []string) error {
	cmd := exec.Command(path, args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = variables, os.Stdin, os.Stdout, os.Stderr
	return runForwarding(context.Background(), cmd)
}

// runForwarding runs the command and waits for its end. An interrupt reaches all
// processes of a console, so it is left to the command.
func runForwarding(_ context.Context, cmd *exec.Cmd) error {
	signal.Ignore(os.Interrupt)
	return outcome(cmd.Run())
}

// exitCodeOf is the exit code of a command.
func exitCodeOf(state *os.ProcessState) int { return state.ExitCode() }
