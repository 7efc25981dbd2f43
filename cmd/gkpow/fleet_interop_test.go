package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// startRedis starts a server without persistence and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	return address
}

// Two hundred commands on four machines (cache directories) start at once and share one handshake.
func TestInteropFleet(t *testing.T) {
	interop(t)
	u := newUser(t, gktest.Options{Difficulty: 4})
	cache := "GKPOW_CACHE_URL=redis://" + startRedis(t) + "?timeout=1s"
	homes := make([]string, 4)
	for i := range homes {
		homes[i] = t.TempDir()
	}
	outputs := make([]bytes.Buffer, 200)
	var running sync.WaitGroup
	begun := time.Now()
	for i := range outputs {
		cmd := u.command("gkpow", "token")
		home := homes[i%len(homes)]
		cmd.Env = append(cmd.Env, cache, "HOME="+home, "XDG_CACHE_HOME="+home, "LocalAppData="+home)
		running.Go(func() {
			cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
			if err := cmd.Run(); err != nil {
				t.Errorf("%v: %s", err, &outputs[i])
			}
		})
	}
	running.Wait()
	t.Logf("%d commands took %v", len(outputs), time.Since(begun))
	for i := range outputs {
		require.Equal(t, outputs[0].String(), outputs[i].String())
	}
	require.Equal(t, gktest.Counts{Challenges: 1, Verifies: 1, Tokens: 1}, u.service.Counts())
	kept := 0
	for _, home := range homes {
		files, err := filepath.Glob(filepath.Join(home, "gkpow", strings.Repeat("[0-9a-f]", 64)))
		require.NoError(t, err)
		kept += len(files)
	}
	require.Equal(t, 1, kept, "only the machine that did the handshake stores the token on disk")
}

// Two agents share a token, and both drop it after the service rejects it.
func TestInteropAgentsShare(t *testing.T) {
	interop(t)
	u := newUser(t, gktest.Options{})
	cache := "redis://" + startRedis(t) + "?timeout=1s"
	var agents []*runningAgent
	for range 2 {
		env := u.environment(nil, nil)
		env.cacheDir = t.TempDir()
		agents = append(agents, startAgent(t, env, "--listen", "127.0.0.1:0", "--cache-url", cache))
	}
	first := agents[0].token()
	require.Equal(t, first, agents[1].token())
	status, _, _ := agents[1].call("DELETE", "/token", fmt.Sprintf(`{"token":%q}`, first))
	require.Equal(t, http.StatusNoContent, status)
	require.Eventually(t, func() bool {
		second := agents[0].token()
		return second != first && second == agents[1].token()
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, 2, u.service.Counts().Tokens)
	_, _, metrics := agents[0].call("GET", "/metrics", "")
	require.Contains(t, metrics, "gkpow_cache_up 1\n")
	require.Contains(t, metrics, "gkpow_cache_refused_total 1\n")
	agents[0].journal.check(t)
}
