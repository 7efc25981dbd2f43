//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// background runs a program until the test ends.
func background(t *testing.T, path string, args []string, environment ...string) {
	cmd := exec.Command(path, args...)
	cmd.Env = append(environment, "PATH="+os.Getenv("PATH"))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		if t.Failed() {
			t.Log(output.String())
		}
	})
}

// eventually waits for a server to answer.
func eventually(t *testing.T, c *http.Client, url string) {
	require.Eventually(t, func() bool {
		answer, err := c.Get(url)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return true
	}, 20*time.Second, 20*time.Millisecond)
}

// freePort returns a port that nobody listens on, just now.
func freePort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

// findNginx returns where it is: not every user has the directory in PATH.
func findNginx(t *testing.T) string {
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	require.NoError(t, err)
	return path
}

// TestInteropNginx runs nginx with the server in docs/agent.md, of which only the
// three addresses are changed.
func TestInteropNginx(t *testing.T) {
	interop(t)
	blocks := agentDocument(t)
	require.Len(t, blocks["nginx"], 1)
	server := blocks["nginx"][0]

	dir := socketDir(t)
	var mu sync.Mutex // of what servers and the test use
	var judged, forms []string
	blocked := false
	service, env := gktincUser(t, gktest.GKTincOptions{})
	watch := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		judged = append(judged, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		block := blocked
		mu.Unlock()
		if block {
			io.WriteString(w, `{"action":"BLOCK","challenge_level":3}`)
			return
		}
		service.ServeHTTP(w, r)
	}))
	defer watch.Close()
	lookup := env.lookup
	env.lookup = func(name string) (string, bool) {
		if name == "GKTINC_API_URL" {
			return watch.URL, true
		}
		return lookup(name)
	}
	startAgent(t, env, "--socket", filepath.Join(dir, "agent.sock"))

	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		forms = append(forms, r.Method+" "+string(body)+" "+r.Header.Get("X-Real-IP"))
		mu.Unlock()
		io.WriteString(w, "application")
	}))
	defer application.Close()

	address := "127.0.0.1:" + freePort(t)
	for old, new := range map[string]string{
		"127.0.0.1:8080": address, "127.0.0.1:3000": application.Listener.Addr().String(), "/run/gkpow-agent.sock": filepath.Join(dir, "agent.sock"),
	} {
		require.Equal(t, 1, strings.Count(server, old), old)
		server = strings.Replace(server, old, new, 1)
	}
	config := "daemon off;\nerror_log stderr;\npid nginx.pid;\n"
	if os.Getuid() == 0 {
		config += "user root;\n" // who owns the socket
	}
	config += "events {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config += kind + "_temp_path " + filepath.Join(dir, kind) + ";\n"
	}
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, []byte(config+server+"}\n"), 0o600))
	background(t, findNginx(t), []string{"-p", dir, "-c", file})

	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	eventually(t, c, "http://"+address+"/")
	post := func() (int, string) {
		request, err := http.NewRequest("POST", "http://"+address+"/login", strings.NewReader("username=bob"))
		require.NoError(t, err)
		request.Header.Set("X-Real-IP", "203.0.113.66") // made up, as the next
		request.Header.Set("X-Forwarded-For", "203.0.113.66")
		answer, err := c.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}

	status, body := post()
	require.Equal(t, 200, status, body)
	require.Equal(t, "application", body)
	mu.Lock()
	require.Equal(t, []string{"POST username=bob 127.0.0.1"}, forms)
	require.Equal(t, []string{"127.0.0.1"}, judged, "the address that nginx has seen")
	blocked = true
	mu.Unlock()
	status, body = post()
	require.Equal(t, 403, status, body)
	mu.Lock()
	blocked = false
	mu.Unlock()
	service.SetGKTincFault(gktest.GKTincFault{Status: 403})
	status, body = post()
	require.Equal(t, 500, status, body)
	mu.Lock()
	require.Len(t, forms, 1)
	mu.Unlock()
	answer, err := c.Get("http://" + address + "/level-check")
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, 404, answer.StatusCode, "it is internal")
}

// TestInteropPHP runs the login page in docs/agent.md.
func TestInteropPHP(t *testing.T) {
	interop(t)
	blocks := agentDocument(t)
	require.Len(t, blocks["php"], 2)
	judged := make(chan gktest.GKTincValidation, 10)
	_, env := gktincUser(t, gktest.GKTincOptions{Judge: func(v gktest.GKTincValidation) string {
		judged <- v
		return gktest.JudgeSolution(v)
	}})
	agent := startAgent(t, env, "--listen", "127.0.0.1:0")

	dir := t.TempDir()
	page := filepath.Join(dir, "login.php")
	require.NoError(t, os.WriteFile(page, []byte(blocks["php"][1]), 0o600))
	address := "127.0.0.1:" + freePort(t)
	background(t, interpreter(t, "php"), []string{"-S", address, page},
		"GKPOW_AGENT_URL="+agent.url, "GKPOW_AGENT_BEARER_FILE="+agent.bearerFile)
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, c, "http://"+address+"/login")

	do := func(method, form string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/login", strings.NewReader(form))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-CH-UA-Platform", `"Linux"`)
		request.Header.Set("User-Agent", "Mozilla/5.0")
		answer, err := c.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	status, body := do("GET", "")
	require.Equal(t, 200, status, body)
	once := regexp.MustCompile(`(?s)<form method="post" id="login">\n<input type="hidden" name="gktinc_once" value="([^"]+)">.*</form>\n<script>`).FindStringSubmatch(body)
	require.NotNil(t, once, body)
	require.Contains(t, body, `gktinc_init(gktinc_config, document.getElementById("login"), "username",`)

	sent := "gktinc_once=" + once[1] + "&username=b%C3%B6b&gktinc_solution=AAAA"
	status, body = do("POST", sent)
	require.Equal(t, 200, status, body)
	require.Equal(t, "welcome, böb", body)
	got := <-judged
	require.Equal(t, "böb", got.FormInputElementValue)
	require.Equal(t, `"Linux"`, got.SecCHUAPlatform)
	require.Equal(t, "Mozilla/5.0", got.UserAgent)
	require.Equal(t, "127.0.0.1", got.ClientIP.String())
	status, body = do("POST", sent)
	require.Equal(t, 403, status)
	require.Equal(t, "not accepted", body)

	agent.stop()
	for _, method := range []string{"GET", "POST"} {
		status, _ = do(method, "")
		require.Equal(t, 503, status)
	}
}
