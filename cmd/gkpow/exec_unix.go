//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// become replaces this process with the command. It returns only on failure.
func become(path string, args, variables []string) error {
	return &startError{fmt.Errorf("%s: %w", path, syscall.Exec(path, args, variables)), exitNotExecutable}
}

// forwarded are the signals that programs may handle.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH}

// fromKeyboard are the signals that a terminal sends to all its foreground processes.
var fromKeyboard = map[os.Signal]bool{syscall.SIGINT: true, syscall.SIGQUIT: true, syscall.SIGHUP: true, syscall.SIGWINCH: true}

// runForwarding runs the command, passes signals on to it, and waits until it ends.
func runForwarding(ctx context.Context, cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 16)
	for _, s := range forwarded {
		if !signal.Ignored(s) { // for example by nohup, which is meant for the command as well
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	if err := ctx.Err(); err != nil { // a signal arrived before Notify
		return err
	}
	if err := cmd.Start(); err != nil {
		return childOutcome(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if !fromKeyboard[s] || !inForeground() {
				_ = cmd.Process.Signal(s)
			}
		case err := <-ended:
			return childOutcome(err)
		}
	}
}

// inForeground reports whether this process gets the signals of a terminal. The command
// is in the same process group, so it gets them, too.
func inForeground() bool {
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer terminal.Close()
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// isOwn reports whether a file belongs to this user and nobody else can open it.
func isOwn(file os.FileInfo) bool {
	status, ok := file.Sys().(*syscall.Stat_t)
	return ok && int(status.Uid) == os.Geteuid() && file.Mode().Perm()&0o077 == 0
}
