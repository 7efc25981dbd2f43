//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// socketDir returns a directory whose path is short enough for sockets.
func socketDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/tmp", "gkpow-test")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestAgentSocket(t *testing.T) {
	u := newUser(t, gktest.Options{})
	path := filepath.Join(socketDir(t), "agent.sock")

	// This is the socket of an agent that was killed.
	stale, err := net.Listen("unix", path)
	require.NoError(t, err)
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	require.FileExists(t, path)

	a := u.startAgent(t, "--socket", path)
	require.Equal(t, path, a.socket)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o600, info.Mode())
	require.Empty(t, a.bearer)
	first := a.token()
	a.url = "http://any.example"
	require.Equal(t, first, a.token(), "on a socket any host is accepted")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "temporary files are left beside the socket")

	code, stdout, stderr := u.run(t.Context(), "agent", "--socket", path)
	require.Equal(t, exitUsage, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "another agent is listening there")
	require.Equal(t, first, a.token())
	a.stop()
	require.NoFileExists(t, path)

	// A stopping agent does not remove another agent's socket.
	lost := u.startAgent(t, "--socket", path)
	require.NoError(t, os.Remove(path))
	found := u.startAgent(t, "--socket", path)
	lost.stop()
	require.Equal(t, first, found.token())
	found.stop()

	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	code, _, stderr = u.run(t.Context(), "agent", "--socket", path)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "not a socket")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "precious", string(data))
	code, _, stderr = u.run(t.Context(), "agent", "--socket", "/nowhere/agent.sock")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--socket /nowhere/agent.sock")
}

// startProcess starts a command in a separate process and returns its first line of
// output. The journal collects its standard error.
func startProcess(t *testing.T, cmd *exec.Cmd) (line string, log *journal) {
	log = &journal{}
	cmd.Stderr = log
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err = bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err, log)
	return line, log
}

// askSocket gets a token from the agent on a socket.
func askSocket(t *testing.T, socket string) string {
	c := socketClient(socket)
	defer c.CloseIdleConnections()
	response, err := c.Get("http://agent/token")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(body))
	token, _, ok := strings.Cut(strings.TrimPrefix(string(body), `{"token":"`), `"`)
	require.True(t, ok)
	return token
}

func TestAgentKilled(t *testing.T) {
	u := newUser(t, gktest.Options{})
	path := filepath.Join(socketDir(t), "agent.sock")
	var first string
	for range 3 {
		cmd := u.command("gkpow", "agent", "--socket", path)
		line, _ := startProcess(t, cmd)
		require.Equal(t, "export GKPOW_AGENT_SOCKET='"+path+"'\n", line)
		token := askSocket(t, path)
		if first == "" {
			first = token
		}
		require.Equal(t, first, token)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		code, stdout, stderr := u.run(t.Context(), "token")
		require.Equal(t, exitOK, code, stderr)
		require.Equal(t, first+"\n", stdout)
	}
	require.Equal(t, 1, u.service.Counts().Challenges)
}

// activated returns an agent that inherits sockets in the way systemd passes them.
func (u *user) activated(notify string, files ...*os.File) *exec.Cmd {
	cmd := u.command("sh", "-c", "LISTEN_PID=$$ exec gkpow agent")
	cmd.Env = append(cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(files)), "NOTIFY_SOCKET="+notify)
	cmd.ExtraFiles = files
	return cmd
}

func listenFile(t *testing.T, network, address string) (*os.File, net.Addr) {
	listener, err := net.Listen(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	file, err := listener.(interface{ File() (*os.File, error) }).File()
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return file, listener.Addr()
}

func TestAgentUnderSystemd(t *testing.T) {
	u := newUser(t, gktest.Options{})
	dir := socketDir(t)
	path, notify := filepath.Join(dir, "agent.sock"), filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	require.NoError(t, err)
	defer manager.Close()
	said := func() string {
		require.NoError(t, manager.SetReadDeadline(time.Now().Add(time.Minute)))
		message := make([]byte, 100)
		n, err := manager.Read(message)
		require.NoError(t, err)
		return string(message[:n])
	}

	file, _ := listenFile(t, "unix", path)
	require.NoError(t, os.Chmod(path, 0o666))
	cmd := u.activated(notify, file)
	line, log := startProcess(t, cmd)
	require.Equal(t, "export GKPOW_AGENT_SOCKET='"+path+"'\n", line)
	require.Equal(t, "READY=1", said())
	token := askSocket(t, path)
	require.Regexp(t, `^eyJ`, token)
	require.Contains(t, log.String(), "SocketMode=0600")

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, "STOPPING=1", said())
	require.NoError(t, cmd.Wait(), log)
	log.check(t, token)
	require.FileExists(t, path, "the socket belongs to systemd, so the agent must not remove it")

	// On loopback TCP the agent still requires a bearer.
	file, address := listenFile(t, "tcp", "127.0.0.1:0")
	line, _ = startProcess(t, u.activated("", file))
	require.Equal(t, "export GKPOW_AGENT_URL='http://"+address.String()+"'\n", line)
	response, err := http.Get("http://" + address.String() + "/token")
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)

	// The agent rejects a network address, several sockets, and a file that is not a listener.
	wide, _ := listenFile(t, "tcp", "0.0.0.0:0")
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	for want, files := range map[string][]*os.File{
		loopbackOnly:          {wide},
		"2 sockets":           {file, wide},
		"not a stream socket": {null},
	} {
		cmd := u.activated("", files...)
		output, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Equal(t, exitUsage, cmd.ProcessState.ExitCode(), string(output))
		require.Contains(t, string(output), want)
	}
}

func TestExecSignals(t *testing.T) {
	u := newUser(t, gktest.Options{})
	cmd := u.command("gkpow", "exec", "--", "sh", "-c", `trap 'exit 7' TERM; echo $$; while :; do sleep 0.02; done`)
	line, log := startProcess(t, cmd)
	require.Equal(t, fmt.Sprintln(cmd.Process.Pid), line, "the command must replace the gkpow process")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Equal(t, 7, cmd.ProcessState.ExitCode(), log)

	cmd = u.command("gkpow", "exec", "--", "sh", "-c", `echo ready; exec sleep 60`)
	startProcess(t, cmd)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	require.Equal(t, syscall.SIGINT, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())

	cmd = u.command("gkpow", "exec", "cat")
	cmd.Stdin = strings.NewReader("piped")
	var output bytes.Buffer
	cmd.Stdout = &output
	require.NoError(t, cmd.Run())
	require.Equal(t, "piped", output.String())
}
