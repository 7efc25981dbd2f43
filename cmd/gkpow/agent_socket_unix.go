//go:build unix

package main

import (
	"context"
	"errors"
	"net"
	"runtime"
	"syscall"
)

// listenPrivate listens on a socket that only its owner can use, from the moment that it
// exists.
func listenPrivate(ctx context.Context, path string) (*net.UnixListener, error) {
	var config net.ListenConfig
	if runtime.GOOS == "linux" { // gives the file the mode of the socket
		config.Control = func(_, _ string, c syscall.RawConn) error {
			var modeErr error
			err := c.Control(func(fd uintptr) { modeErr = syscall.Fchmod(int(fd), 0o600) })
			return errors.Join(err, modeErr)
		}
	} else {
		defer syscall.Umask(syscall.Umask(0o177))
	}
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return listener.(*net.UnixListener), nil
}

// isRefused reports whether no process listens on a socket any more.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}
