package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// A unixSocket is a listener on a socket that only its owner can connect to.
type unixSocket struct {
	*net.UnixListener
	path string // absolute, unless only the relative path is short enough
}

// longestSocket is the largest length of a socket's path in bytes: the size of the
// system's socket address without the terminating zero.
const longestSocket = len(syscall.RawSockaddrUnix{}.Path) - 1

// checkSocket returns an error if a socket cannot have this path.
func checkSocket(path string) error {
	switch {
	case path == "":
		return usagef("--socket is empty: name a file, or omit the flag to listen on TCP")
	case strings.HasPrefix(path, "@"):
		return usagef("--socket %s: any user can connect to an abstract socket: name a file", path)
	case len(path) > longestSocket:
		return usagef("--socket %s: the path has %d bytes, more than the %d that a socket allows: use a shorter path, or run gkpow in that directory and use a relative path",
			path, len(path), longestSocket)
	}
	return nil
}

// listenUnix listens on a socket. It replaces the socket of an agent that was killed, but
// not that of a running one. If several agents start at the same time, one listens.
func listenUnix(ctx context.Context, path string) (*unixSocket, error) {
	if err := checkSocket(path); err != nil {
		return nil, err
	}
	s := &unixSocket{path: path}
	if absolute, err := filepath.Abs(path); err == nil && len(absolute) <= longestSocket {
		s.path = absolute
	}
	err := whileLocked(ctx, s.path, func() (err error) {
		if err := makeRoom(s.path); err != nil {
			return err
		}
		if s.UnixListener, err = listenPrivate(ctx, s.path); err != nil {
			return err
		}
		s.SetUnlinkOnClose(false) // see remove
		if err := os.Chmod(s.path, 0o600); err != nil {
			return errors.Join(err, s.Close())
		}
		return nil
	})
	if err != nil {
		return nil, usagef("--socket %s: %w", path, err)
	}
	return s, nil
}

// makeRoom removes the socket of an agent that no longer runs.
func makeRoom(path string) error {
	info, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err):
		return nil
	case err != nil:
		return err
	case info.Mode()&os.ModeSocket == 0:
		return fmt.Errorf("the file exists and is not a socket")
	}
	connection, err := net.DialTimeout("unix", path, 5*time.Second)
	switch {
	case err == nil:
		connection.Close()
		return fmt.Errorf("another agent is listening there")
	case !isRefused(err):
		return fmt.Errorf("another agent may be listening there: %w", err)
	}
	return os.Remove(path)
}

// remove stops listening and removes the socket, unless a newer agent has replaced it.
func (s *unixSocket) remove() {
	_ = s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = whileLocked(ctx, s.path, func() error { return makeRoom(s.path) })
}

// whileLocked calls f while it keeps other agents from changing the socket. It leaves no
// lock file behind.
func whileLocked(ctx context.Context, path string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		lock := flock.New(path+".lock", flock.SetPermissions(0o600))
		if info, err := os.Lstat(lock.Path()); err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a plain file: remove it", lock.Path())
		}
		if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("%s is locked by another process: %w", lock.Path(), context.Cause(ctx))
			}
			return err
		}
		// The previous holder may have removed the lock file. Then this lock is on a file
		// that no other process can find.
		held, err := lock.Stat()
		found, err2 := os.Lstat(lock.Path())
		if err != nil || err2 != nil || !os.SameFile(held, found) {
			lock.Close()
			continue
		}
		err = f()
		_ = os.Remove(lock.Path())
		lock.Close()
		return err
	}
}
