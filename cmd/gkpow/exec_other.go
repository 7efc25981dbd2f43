//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
)

// become runs the command, for want of a way to replace this process by it. An
// interrupt reaches all processes of a console, so it is left to the command.
func become(path string, args, variables []string) error {
	signal.Ignore(os.Interrupt)
	cmd := exec.Command(path, args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = variables, os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &childError{exit.ExitCode()}
	}
	if err != nil {
		return &startError{err, exitNotExecutable}
	}
	return nil
}
