package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/natefinch/atomic"
)

// An endpoint is the address at which programs reach the agent.
type endpoint struct {
	net.Listener
	bearer  string // secret that programs must send; "" on a unix socket
	exports string // shell lines that tell programs the address
	remove  func() // removes the files of the endpoint
}

// listenOn opens the endpoint: the socket that systemd passed, or the one that the flags
// name.
func (f *agentFlags) listenOn(ctx context.Context, env environment, log *slog.Logger) (*endpoint, error) {
	listener, err := passedListener()
	if err != nil {
		return nil, err
	}
	if listener != nil && listener.Addr().Network() == "unix" {
		path := listener.Addr().String()
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o007 != 0 {
			log.Warn("any user can connect to the socket: set SocketMode=0600", "socket", path, "mode", info.Mode().Perm().String())
		}
		return &endpoint{Listener: listener, exports: exportSocket(path), remove: func() {}}, nil
	}
	if listener == nil && f.socket != "" {
		s, err := listenUnix(ctx, f.socket)
		if err != nil {
			return nil, err
		}
		return &endpoint{Listener: s, exports: exportSocket(s.path), remove: s.remove}, nil
	}
	if listener == nil {
		if listener, err = listenTCP(f.listen); err != nil {
			return nil, err
		}
	}
	bearer, file, err := f.writeBearer(env, listener.Addr())
	if err != nil {
		listener.Close()
		return nil, err
	}
	return &endpoint{
		Listener: listener,
		bearer:   bearer,
		exports: fmt.Sprintf("export GKPOW_AGENT_URL=%s\nexport GKPOW_AGENT_BEARER_FILE=%s\n",
			shellQuote("http://"+listener.Addr().String()), shellQuote(file)),
		remove: func() { removeBearer(file, bearer) },
	}, nil
}

func exportSocket(path string) string {
	return fmt.Sprintf("export GKPOW_AGENT_SOCKET=%s\n", shellQuote(path))
}

// passedListener returns the socket that systemd passed, or nil if there is none.
func passedListener() (net.Listener, error) {
	passed, err := activation.Listeners()
	switch {
	case err != nil:
		return nil, err
	case len(passed) == 0:
		return nil, nil
	case len(passed) > 1:
		return nil, usagef("systemd passed %d sockets: configure only one", len(passed))
	case passed[0] == nil:
		return nil, usagef("systemd passed something that is not a stream socket: use ListenStream=")
	}
	switch address := passed[0].Addr().(type) {
	case *net.TCPAddr:
		if !address.IP.IsLoopback() {
			return nil, usagef("systemd passed %v: %s", address, loopbackOnly)
		}
	case *net.UnixAddr:
		if strings.HasPrefix(address.Name, "@") {
			return nil, usagef("systemd passed %s: any user can connect to an abstract socket: use a file", address.Name)
		}
	}
	return passed[0], nil
}

const loopbackOnly = "the agent gives out tokens, so it listens only on 127.0.0.1, [::1] or localhost"

func listenTCP(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("--listen %s: %w", address, err)
	}
	if !isLocalHost(host) {
		return nil, usagef("--listen %s: %s", address, loopbackOnly)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usagef("--listen %s: %w", address, err)
	}
	return listener, nil
}

// writeBearer makes a bearer and writes it to a file that only the user can read. Agents
// on different ports have different files.
func (f *agentFlags) writeBearer(env environment, address net.Addr) (bearer, file string, err error) {
	if file = f.bearerFile; file == "" {
		dir := env.cacheDir
		if dir == "" {
			user, err := os.UserCacheDir()
			if err != nil {
				return "", "", usagef("set --bearer-file: %w", err)
			}
			dir = filepath.Join(user, "gkpow")
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", "", usagef("--bearer-file: %w", err)
		}
		_, port, _ := net.SplitHostPort(address.String())
		file = filepath.Join(dir, "agent-"+port+".bearer")
	}
	if file, err = filepath.Abs(file); err != nil {
		return "", "", usagef("--bearer-file %s: %w", f.bearerFile, err)
	}
	if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
		return "", "", usagef("--bearer-file %s: the file exists and is not a plain file", file)
	}
	// Only its owner can read a new file; replacing an old file would keep its mode.
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", usagef("--bearer-file %s: %w", file, err)
	}
	bearer = rand.Text()
	if err := atomic.WriteFile(file, strings.NewReader(bearer+"\n")); err != nil {
		return "", "", usagef("--bearer-file %s: %w", file, err)
	}
	return bearer, file, nil
}

// removeBearer removes the file of a bearer, unless a newer agent has replaced the file.
func removeBearer(file, bearer string) {
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		return
	}
	if data, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(data)) == bearer {
		_ = os.Remove(file)
	}
}
