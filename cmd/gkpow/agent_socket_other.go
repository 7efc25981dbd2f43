//go:build !unix

package main

import (
	"context"
	"net"
)

// listenPrivate listens on a socket. It inherits the permissions of its directory.
func listenPrivate(ctx context.Context, path string) (*net.UnixListener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return listener.(*net.UnixListener), nil
}

// isRefused reports whether no process listens on a socket any more.
func isRefused(error) bool { return true }
