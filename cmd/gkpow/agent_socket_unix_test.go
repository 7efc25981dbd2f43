//go:build unix

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// longSocket returns a socket path of the maximum length, in an existing directory.
func longSocket(t *testing.T, more int) string {
	dir := filepath.Join(socketDir(t), strings.Repeat("d", 60))
	require.NoError(t, os.MkdirAll(dir, 0o700))
	return filepath.Join(dir, strings.Repeat("s", longestSocket+more-len(dir)-1))
}

func TestSocketPaths(t *testing.T) {
	u := newUser(t, gktest.Options{})
	for path, want := range map[string]string{
		longSocket(t, 1):                      fmt.Sprintf("the path has %d bytes, more than the %d that a socket allows", longestSocket+1, longestSocket),
		"/" + strings.Repeat("x", 5000):       "the path has 5001 bytes",
		"@abstract":                           "any user can connect to an abstract socket",
		"":                                    "--socket is empty",
		filepath.Join(socketDir(t), "no/dir"): "no such file or directory",
	} {
		u.url = "http://not.used.invalid:1" // the path is rejected before any request
		code, stdout, stderr := u.run(t.Context(), "agent", "--socket", path)
		require.Equal(t, exitUsage, code)
		require.Empty(t, stdout)
		if want != "no such file or directory" {
			require.Regexp(t, `^gkpow: error: --socket`, stderr, "nothing may be logged before the error")
			require.Contains(t, stderr, want)
		}
	}
	u = newUser(t, gktest.Options{})

	// A path of the maximum length works, and the log names it.
	path := longSocket(t, 0)
	a := u.startAgent(t, "--socket", path)
	require.Equal(t, path, a.socket)
	first := a.token()
	require.Contains(t, a.journal.String(), `"msg":"listening","address":"`+path+`"`)
	a.stop()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Empty(t, entries)

	// A relative path is printed as an absolute one, for programs in other directories.
	dir := socketDir(t)
	t.Chdir(dir)
	a = u.startAgent(t, "--socket", "agent.sock")
	require.Equal(t, filepath.Join(dir, "agent.sock"), a.socket)
	require.Equal(t, first, a.token())
	require.Contains(t, a.journal.String(), `"address":"`+dir+`/agent.sock"`)
	a.stop()

	// If the absolute path is too long, the agent uses the relative one.
	deep := filepath.Join(dir, strings.Repeat("d", 100))
	require.NoError(t, os.Mkdir(deep, 0o700))
	t.Chdir(deep)
	a = u.startAgent(t, "--socket", "agent.sock")
	require.Equal(t, "agent.sock", a.socket)
	require.Equal(t, first, a.token())
}

// When several agents start on one socket at the same time, exactly one survives, and
// programs reach that one.
func TestSimultaneousSockets(t *testing.T) {
	path := filepath.Join(socketDir(t), "agent.sock")
	for try := range 300 {
		if try%3 == 0 { // left by an agent that was killed
			stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			require.NoError(t, err)
			stale.SetUnlinkOnClose(false)
			stale.Close()
		}
		var starting sync.WaitGroup
		var listening atomic.Pointer[unixSocket]
		var others atomic.Int32
		for range 4 {
			starting.Go(func() {
				s, err := listenUnix(t.Context(), path)
				if err != nil {
					if !strings.Contains(err.Error(), "another agent is listening there") {
						t.Error(err)
					}
					others.Add(1)
				} else if !listening.CompareAndSwap(nil, s) {
					t.Errorf("try %d: two agents are listening", try)
				}
			})
		}
		starting.Wait()
		require.EqualValues(t, 3, others.Load())
		s := listening.Load()
		connection, err := net.Dial("unix", path)
		require.NoError(t, err, "try %d: the agent listens, but its path does not lead to its socket", try)
		connection.Close()
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.ModeSocket|0o600, info.Mode())

		// The next agent starts while this one stops.
		var next *unixSocket
		starting.Go(s.remove)
		starting.Go(func() {
			var err error
			if next, err = listenUnix(t.Context(), path); err != nil {
				next = nil // the next agent came too early and lost
			}
		})
		starting.Wait()
		if next != nil {
			connection, err := net.Dial("unix", path)
			require.NoError(t, err, "try %d: the agent that stopped has removed its successor's socket", try)
			connection.Close()
			next.remove()
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Empty(t, entries)
}

// The same holds for separate processes.
func TestSimultaneousAgents(t *testing.T) {
	u := newUser(t, gktest.Options{Difficulty: 1})
	path := filepath.Join(socketDir(t), "agent.sock")
	tries := 20
	if testing.Short() {
		tries = 3
	}
	for range tries {
		type ended struct{ code int }
		codes := make(chan ended, 2)
		cmds := []*journal{{}, {}}
		kill := make([]func(), 2)
		for i := range cmds {
			cmd := u.command("gkpow", "agent", "--socket", path)
			cmd.Stderr = cmds[i]
			require.NoError(t, cmd.Start())
			kill[i] = func() { _ = cmd.Process.Kill() }
			defer kill[i]()
			go func() {
				_ = cmd.Wait()
				codes <- ended{cmd.ProcessState.ExitCode()}
			}()
		}
		select { // exactly one exits by itself
		case one := <-codes:
			require.Equal(t, exitUsage, one.code, "%s%s", cmds[0], cmds[1])
		case <-time.After(time.Minute):
			t.Fatal("two agents are still running")
		}
		require.Eventually(t, func() bool {
			connection, err := net.Dial("unix", path)
			if err == nil {
				connection.Close()
			}
			return err == nil
		}, time.Minute, 5*time.Millisecond)
		require.Regexp(t, `^eyJ`, askSocket(t, path))
		kill[0]()
		kill[1]()
		<-codes
	}
}

// A lock file without a living owner does not block the next agent.
func TestSocketLock(t *testing.T) {
	path := filepath.Join(socketDir(t), "agent.sock")
	require.NoError(t, os.WriteFile(path+".lock", nil, 0o600)) // left by an agent that was killed
	s, err := listenUnix(t.Context(), path)
	require.NoError(t, err)
	s.remove()
	require.NoFileExists(t, path+".lock")
	require.NoError(t, syscall.Mkfifo(path+".lock", 0o600))
	_, err = listenUnix(t.Context(), path)
	require.ErrorContains(t, err, ".lock is not a plain file: remove it")
}

// A keyedService accepts one key at a time and can change it.
type keyedService struct {
	*httptest.Server
	accepts atomic.Pointer[http.Handler]
	asked   atomic.Int32
}

func newKeyedService(t *testing.T) *keyedService {
	s := &keyedService{}
	s.accept("sk_test_first", "first")
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.accepts.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyedService) accept(secret, gktincKey string) {
	var h http.Handler = gktest.New(gktest.Options{
		SiteKey: "pk_live_site", SecretKey: secret, Difficulty: 1,
		GKTinc: gktest.GKTincOptions{APIKey: gktincKey, HashID: "h"},
	})
	s.accepts.Store(&h)
}

// keyedAgent starts an agent in a separate process that reads its keys from files.
func (s *keyedService) agent(t *testing.T, u *user, socket string) (dir string, process *os.Process, log *journal) {
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("sk_test_first\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gktinc"), []byte("first\n"), 0o600))
	u.url = s.URL
	cmd := u.command("gkpow", "agent", "--socket", socket, "--no-cache")
	cmd.Env = append(cmd.Env, "GKCAPTCHA_SECRET_KEY=", "GKCAPTCHA_SECRET_KEY_FILE="+filepath.Join(dir, "secret"),
		"GKTINC_API_URL="+s.URL, "GKTINC_HASHID=h", "GKTINC_API_KEY=", "GKTINC_API_KEY_FILE="+filepath.Join(dir, "gktinc"))
	_, log = startProcess(t, cmd)
	return dir, cmd.Process, log
}

func checkLevel(t *testing.T, socket string) int {
	c := socketClient(socket)
	defer c.CloseIdleConnections()
	request, err := http.NewRequest("GET", "http://agent/gktinc/level-check", nil)
	require.NoError(t, err)
	request.Header.Set("X-Real-IP", "203.0.113.7")
	response, err := c.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}

// SIGHUP reloads the keys without interrupting the agent.
func TestAgentHangup(t *testing.T) {
	s, u := newKeyedService(t), newUser(t, gktest.Options{})
	socket := filepath.Join(socketDir(t), "agent.sock")
	dir, process, log := s.agent(t, u, socket)
	first := askSocket(t, socket)

	require.NoError(t, process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool {
		return strings.Count(log.String(), `"msg":"the key has not changed"`) == 2
	}, time.Minute, 5*time.Millisecond, log)
	require.Equal(t, first, askSocket(t, socket), "the token is still valid")

	// The agent uses the new keys before the old ones expire, so no request is rejected.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("sk_test_second"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gktinc"), []byte("second"), 0o600))
	require.NoError(t, process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool {
		return strings.Count(log.String(), `"msg":"key reloaded"`) == 2
	}, time.Minute, 5*time.Millisecond, log)
	s.accept("sk_test_second", "second")
	s.asked.Store(0)
	require.Equal(t, http.StatusNoContent, checkLevel(t, socket))
	require.EqualValues(t, 1, s.asked.Load())

	// If a key file cannot be read, the agent logs an error and keeps the old key.
	require.NoError(t, os.Remove(filepath.Join(dir, "secret")))
	require.NoError(t, process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool {
		return strings.Contains(log.String(), "GKCAPTCHA_SECRET_KEY_FILE: stat ")
	}, time.Minute, 5*time.Millisecond, log)
	require.Equal(t, first, askSocket(t, socket))
	require.NoError(t, process.Signal(syscall.SIGTERM))
	_, _ = process.Wait()
	require.NoFileExists(t, socket)
	log.check(t, "sk_test_", first)
}

// Even without SIGHUP the agent reads the key files again when the service rejects the old keys.
func TestAgentKeysRotated(t *testing.T) {
	s, u := newKeyedService(t), newUser(t, gktest.Options{})
	socket := filepath.Join(socketDir(t), "agent.sock")
	dir, _, log := s.agent(t, u, socket)
	s.accept("sk_test_second", "second")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("sk_test_second"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gktinc"), []byte("second"), 0o600))
	require.Regexp(t, `^eyJ`, askSocket(t, socket), log)
	require.EqualValues(t, 3, s.asked.Load(), "a rejection, a challenge, a solution")
	require.Equal(t, http.StatusNoContent, checkLevel(t, socket), log)
	require.EqualValues(t, 5, s.asked.Load())

	// Wrong keys are tried only once.
	s.accept("sk_test_third", "third")
	require.Equal(t, http.StatusInternalServerError, checkLevel(t, socket))
	require.EqualValues(t, 6, s.asked.Load())
	log.check(t, "sk_test_")
}

// The agent does not read a key from a pipe a second time, since that would block.
func TestAgentKeyFromPipe(t *testing.T) {
	s, u := newKeyedService(t), newUser(t, gktest.Options{})
	u.url = s.URL
	socket := filepath.Join(socketDir(t), "agent.sock")
	cmd := u.command("gkpow", "agent", "--no-cache", "--socket", socket)
	cmd.Stdin = strings.NewReader("sk_test_first\n")
	cmd.Env = append(cmd.Env, "GKCAPTCHA_SECRET_KEY=", "GKCAPTCHA_SECRET_KEY_FILE=/dev/stdin")
	_, log := startProcess(t, cmd)
	s.accept("sk_test_second", "")
	c := socketClient(socket)
	defer c.CloseIdleConnections()
	response, err := c.Get("http://agent/token")
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	require.Eventually(t, func() bool {
		return strings.Contains(log.String(), "is not a plain file, so the agent can read it only once")
	}, time.Minute, 5*time.Millisecond, log)
}
