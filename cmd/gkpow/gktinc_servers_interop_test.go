//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktest/devtools"
	"github.com/gkpow/gkpow/client/gktinc"
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

// eventually waits until a server answers.
func eventually(t *testing.T, c *http.Client, url string) {
	require.Eventually(t, func() bool {
		answer, err := c.Get(url)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return true
	}, time.Minute, 20*time.Millisecond)
}

// freePort returns a port on which nothing was listening a moment ago.
func freePort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

// A webServer is a server that docs/gktinc-servers.md configures, together with its
// surroundings: an application that knows nothing about GKTinc, and an agent or a proxy
// that uses an emulator.
type webServer struct {
	*testing.T
	dir     string // readable by the server
	address string // to which visitors connect
	socket  string // the agent's
	proxy   string // the proxy's address
	client  *http.Client
	witness witness
	service *gktest.Service
	env     environment

	mu    sync.Mutex
	forms []string // received by the application
}

// serverBlocks returns the document's code blocks, with this server's addresses filled in.
func (s *webServer) blocks(language string) []string {
	doc, err := os.ReadFile("../../docs/gktinc-servers.md")
	require.NoError(s, err)
	var blocks []string
	for _, block := range codeBlocks(doc)[language] {
		application := httptest.NewServer(s.application())
		s.Cleanup(application.Close)
		blocks = append(blocks, strings.NewReplacer(
			"127.0.0.1:8080", s.address, "127.0.0.1:3000", application.Listener.Addr().String(), "127.0.0.1:8789", s.proxy,
			"/run/gkpow-agent.sock", s.socket, "/etc/nginx/", s.dir+"/",
		).Replace(block))
	}
	return blocks
}

func newWebServer(t *testing.T) *webServer {
	s := &webServer{T: t, dir: socketDir(t), address: "127.0.0.1:" + freePort(t), client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	require.NoError(t, os.Chmod(s.dir, 0o755))
	s.service, s.env = gktincUser(t, gktest.GKTincOptions{Judge: s.witness.judge})
	s.socket = filepath.Join(s.dir, "agent.sock")
	return s
}

// startAgent starts an agent whose socket belongs to the user that servers run as.
func (s *webServer) startAgent(arguments ...string) {
	startAgent(s.T, s.env, append([]string{"--socket", s.socket}, arguments...)...)
	if os.Getuid() == 0 {
		uid, gid := wwwData(s.T)
		require.NoError(s, os.Chown(s.socket, uid, gid))
	}
}

// startProxy starts gkpow gktinc proxy as the document says.
func (s *webServer) startProxy(arguments ...string) {
	application := httptest.NewServer(s.application())
	s.Cleanup(application.Close)
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	log := &journal{}
	env := s.env
	env.stdout, env.stderr = writer, log
	exited := make(chan int, 1)
	go func() {
		exited <- run(ctx, append([]string{"gktinc", "proxy", "--listen", "127.0.0.1:0", "--upstream", application.URL, "--guard", "example.com/login",
			"--trusted-proxy", "127.0.0.1", "--client-ip-header", "X-Real-IP"}, arguments...), env)
		writer.Close()
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(s, err, log)
	s.proxy = strings.TrimPrefix(strings.TrimSpace(line), "http://")
	s.Cleanup(func() {
		cancel()
		require.Zero(s, <-exited, log)
	})
}

// wwwData returns the IDs of the user that Debian's servers run as.
func wwwData(t *testing.T) (uid, gid int) {
	found, err := osuser.Lookup("www-data")
	require.NoError(t, err)
	uid, err = strconv.Atoi(found.Uid)
	require.NoError(t, err)
	gid, err = strconv.Atoi(found.Gid)
	require.NoError(t, err)
	return uid, gid
}

// application starts a login page that records the forms it receives.
func (s *webServer) application() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/socket" {
			echo(w, r)
			return
		}
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/login") {
			body, _ := io.ReadAll(r.Body)
			fields, _ := url.ParseQuery(string(body))
			s.mu.Lock()
			s.forms = append(s.forms, string(body)+" from "+r.Header.Get("X-Real-IP"))
			s.mu.Unlock()
			if fields.Get("password") != "wrong" {
				fmt.Fprint(w, "welcome, ", fields.Get("username"))
				return
			}
		}
		if r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since")+r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if r.Header.Get("X-Original-URL") != "" || r.Header.Get("X-Rewrite-URL") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html>\n<title>Log in</title>\n<h1>Log in</h1>\n<form method=\"post\" action=\"/login\" id=\"login\">\n"+
			"<p><label>User name <input id=\"username\" name=\"username\"></label>\n<p><button>Log in</button>\n</form>\n")
	})
}

func (s *webServer) get(path string) (int, string) { return s.send("GET", path, "", "") }

func (s *webServer) send(method, path, contentType, body string) (int, string) {
	request, err := http.NewRequest(method, "http://"+s.address+path, strings.NewReader(body))
	require.NoError(s, err)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	request.Header.Set("User-Agent", "Mozilla/5.0")
	request.Header.Set("X-Real-IP", "203.0.113.66") // forged, as is the next header
	request.Header.Set("X-Forwarded-For", "203.0.113.66")
	answer, err := s.client.Do(request)
	require.NoError(s, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s, err)
	return answer.StatusCode, string(text)
}

// page gets the page and returns the form that a browser would send.
func (s *webServer) page() string {
	status, body := s.get("/login")
	require.Equal(s, 200, status, body)
	once := regexp.MustCompile(`(?s)<form method="post".*<input type="hidden" name="gktinc_once" value="([^"]+)">.*<script>.*gktinc_config = .*gktinc_init\(`).FindStringSubmatch(body)
	require.NotNil(s, once, body)
	return url.Values{"gktinc_once": {once[1]}, "username": {"böb"}, "gktinc_solution": {"AAAA"}}.Encode()
}

func (s *webServer) post(body string) (int, string) {
	return s.send("POST", "/login", "application/x-www-form-urlencoded", body)
}

// requireGuarded checks what every server must ensure: a page is good for one form, the
// monitored value arrives decoded, and the visitor's address is the one that the server sees.
func (s *webServer) requireGuarded() {
	form := s.page()
	status, body := s.post(form)
	require.Equal(s, 200, status, body)
	require.Equal(s, "welcome, böb", body)
	got := s.witness.last(s.T)
	require.Equal(s, "böb", got.FormInputElementValue)
	require.Equal(s, "127.0.0.1", got.ClientIP.String(), "the address that the server sees")
	require.Equal(s, "example.com/login", got.URL)
	require.Equal(s, "Mozilla/5.0", got.UserAgent)
	status, body = s.post(form)
	require.Equal(s, 403, status, body)
	require.NotContains(s, body, "welcome")
	status, body = s.post("username=bob")
	require.Equal(s, 403, status, body)
	status, body = s.post(strings.Replace(s.page(), "username=", "username%5B%5D=", 1))
	require.Equal(s, 400, status, body)
	status, body = s.post(s.page() + "&x=" + strings.Repeat("x", 2<<20))
	require.Equal(s, 413, status, body)
}

// requireReplayed checks that the application received the form unchanged.
func (s *webServer) requireReplayed(times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Len(s, s.forms, times)
	require.Regexp(s, `^gktinc_once=[^&]+&gktinc_solution=AAAA&username=b%C3%B6b from 127.0.0.1$`, s.forms[0])
}

func (s *webServer) file(name, content string) string {
	path := filepath.Join(s.dir, name)
	require.NoError(s, os.WriteFile(path, []byte(content), 0o644))
	return path
}

// startNginx runs nginx with the given server blocks, as www-data if possible.
func (s *webServer) startNginx(servers string) {
	config := "daemon off;\nerror_log stderr;\npid nginx.pid;\n"
	if os.Getuid() == 0 {
		config += "user www-data;\n"
	}
	config += "events {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config += kind + "_temp_path " + filepath.Join(s.dir, kind) + ";\n"
	}
	background(s.T, program(s.T, "nginx"), []string{"-p", s.dir, "-c", s.file("nginx.conf", config+servers+"}\n")})
	eventually(s.T, s.client, "http://"+s.address+"/")
}

func TestInteropNginx(t *testing.T) {
	interop(t)
	s := newWebServer(t)
	s.startAgent()
	blocks := s.blocks("nginx")
	s.file("gktinc-page.conf", blocks[1])
	s.startNginx(blocks[0])
	s.requireGuarded()
	s.requireReplayed(1)

	// The application gets the path as the visitor sent it, and may read it differently.
	for path, want := range map[string]int{"/login/": 403, "/LOGIN": 403, "/login;x": 403, "//login": 403, "/%6cogin": 403, "//host/login": 403, `/\host/login`: 403,
		"/login.json": 403, "/login%0A": 403, "/%20login": 403, "/login%20": 403, `/x\..\login`: 403, "/;/login": 403, "/login%3fx": 403,
		"/x/../login": 400, "/a%2Fb/../login": 400, "/a%5Cb/../login": 400, "/login//..": 400, "/login/..;/": 400, "/x/%2e%2E/login": 400, "/x/.%2e/login": 400} {
		status := s.raw("POST " + path + " HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\n\r\nusername=bob")
		require.Equal(t, want, status, path)
	}
	// It may also take a GET for a form.
	for _, header := range []string{"Content-Length: 12\r\n\r\nusername=bob", "Transfer-Encoding: chunked\r\n\r\nc\r\nusername=bob\r\n0\r\n\r\n", "X-HTTP-Method-Override: POST\r\n\r\n"} {
		require.Equal(t, 403, s.raw("GET /login HTTP/1.1\r\n"+header), header)
	}
	require.Equal(t, 200, s.raw("GET /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n"))
	require.Equal(t, 200, s.raw("GET /login HTTP/1.1\r\nIf-None-Match: \"x\"\r\nIf-Modified-Since: Fri, 27 Nov 2026 09:00:00 GMT\r\nRange: bytes=0-9\r\n\r\n"))
	require.Equal(t, 200, s.raw("POST /other HTTP/1.1\r\nX-Original-URL: /login\r\nX-Rewrite-URL: /login\r\nContent-Length: 0\r\n\r\n"), "without these headers")
	require.Equal(t, 200, s.raw("POST /other-login HTTP/1.1\r\nContent-Length: 0\r\n\r\n"))
	require.Equal(t, 403, s.raw("POST /login HTTP/1.1\r\nX-Accel-Redirect: @accepted\r\nContent-Length: 0\r\n\r\n"), "only the agent may redirect")
	s.requireReplayed(1)
	status, body := s.post(s.page() + "&x=" + strings.Repeat("x", 500<<10)) // nginx keeps it in a file
	require.Equal(t, 200, status, body)
	require.Equal(t, "welcome, böb", body)
	// A form on the page that answers a form is prepared as well.
	status, body = s.post(s.page() + "&password=wrong")
	require.Equal(t, 200, status)
	require.Contains(t, body, "gktinc_init(")
	require.Regexp(t, hiddenOnce, body)
	for _, path := range []string{"/gktinc/page", "/gktinc/level-check", "/@accepted"} {
		status, body := s.get(path)
		require.Equal(t, path == "/@accepted", status == 200, "%s is internal: %s", path, body)
	}
	require.Contains(t, func() string { _, body := s.get("/other"); return body }(), "<form")

	// During an outage the configuration that checks only the address denies visitors too.
	form := s.page()
	s.service.SetGKTincFault(gktest.GKTincFault{Status: 403})
	status, body = s.get("/login")
	require.Equal(t, 500, status, body)
	status, body = s.post(form)
	require.Equal(t, 500, status, body)
	require.NotContains(t, body, "welcome")

	// The rule that the document gives for queries works for every spelling of a field.
	s.service.SetGKTincFault(gktest.GKTincFault{})
	s.address = "127.0.0.1:" + freePort(t)
	s.startNginx(strings.Replace(s.blocks("nginx")[0], "location @gktinc {", "location @gktinc {\nif ($args) { return 400; }\n", 1))
	for _, query := range []string{"username=admin", "user%6eame=admin", "Username[]=admin", "x;username=admin"} {
		status, body = s.send("POST", "/login?"+query, "application/x-www-form-urlencoded", s.page())
		require.Equal(t, 400, status, "%s: %s", query, body)
	}
	status, body = s.post(s.page())
	require.Equal(t, 200, status, body)

	// Without an agent the page shows no error within the form.
	s.address, s.socket = "127.0.0.1:"+freePort(t), filepath.Join(s.dir, "none.sock")
	s.startNginx(regexp.MustCompile(`auth_request .*`).ReplaceAllString(s.blocks("nginx")[0], ""))
	status, body = s.get("/login")
	require.Equal(t, 200, status, body)
	require.Contains(t, body, "<button>Log in</button>\n</form>")
	status, body = s.post("username=bob")
	require.Equal(t, 502, status, body)
}

// raw sends a request, whose line net/http might change, and returns the status.
func (s *webServer) raw(request string) int {
	conn, err := net.Dial("tcp", s.address)
	require.NoError(s, err)
	defer conn.Close()
	head, rest, _ := strings.Cut(request, "\r\n")
	_, err = io.WriteString(conn, head+"\r\nHost: x\r\nConnection: close\r\n"+rest)
	require.NoError(s, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(s, err, request)
	defer answer.Body.Close()
	return answer.StatusCode
}

func TestInteropCaddy(t *testing.T) {
	interop(t)
	s := newWebServer(t)
	s.startAgent()
	s.startProxy()
	blocks := s.blocks("caddyfile")
	require.Len(t, blocks, 2)
	options := "{\n\tadmin off\n\tauto_https off\n}\n"
	start := func(block string) {
		background(t, program(t, "caddy"), []string{"run", "--adapter", "caddyfile", "--config", s.file("Caddyfile", options+block)},
			"HOME="+s.dir, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
		eventually(t, s.client, "http://"+s.address+"/")
	}
	start(blocks[0])
	s.requireGuarded()
	s.requireReplayed(1)
	requireEcho(t, s.address)

	// The second configuration checks addresses only.
	s.address = "127.0.0.1:" + freePort(t)
	level := s.blocks("caddyfile")[1]
	start(level)
	status, body := s.get("/")
	require.Equal(t, 200, status, body)
	s.service.SetGKTincFault(gktest.GKTincFault{Status: 403})
	status, body = s.get("/")
	require.Equal(t, 500, status, body)
}

func TestInteropHAProxy(t *testing.T) {
	interop(t)
	s := newWebServer(t)
	s.startProxy()
	background(t, program(t, "haproxy"), []string{"-db", "-f", s.file("haproxy.cfg", s.blocks("haproxy")[0])})
	eventually(t, s.client, "http://"+s.address+"/")
	s.requireGuarded()
	s.requireReplayed(1)
	requireEcho(t, s.address)
}

func TestInteropApache(t *testing.T) {
	interop(t)
	s := newWebServer(t)
	s.startProxy()
	config := "ServerRoot " + s.dir + "\nListen " + s.address + "\nServerName localhost\nPidFile apache.pid\nErrorLog /dev/stderr\n"
	if os.Getuid() == 0 {
		config += "User www-data\nGroup www-data\n"
	}
	for _, module := range []string{"mpm_event", "authz_core", "proxy", "proxy_http", "headers"} {
		config += "LoadModule " + module + "_module /usr/lib/apache2/modules/mod_" + module + ".so\n"
	}
	background(t, program(t, "apache2"), []string{"-DFOREGROUND", "-f", s.file("apache.conf", config+s.blocks("apache")[0])})
	eventually(t, s.client, "http://"+s.address+"/")
	s.requireGuarded()
	s.requireReplayed(1)
	requireEcho(t, s.address)
}

// program returns the path of a server, whose directory may be missing from a user's PATH.
func program(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	require.NoError(t, err)
	return path
}

// The document's programs run unchanged except for the path of the socket.
func TestInteropPrograms(t *testing.T) {
	interop(t)
	for _, p := range []struct{ language, file, interpreter string }{{"js", "login.mjs", "node"}, {"python", "login.py", "python3"}} {
		t.Run(p.language, func(t *testing.T) {
			s := newWebServer(t)
			s.startAgent()
			_, port, _ := net.SplitHostPort(s.address)
			background(t, interpreter(t, p.interpreter), []string{s.file(p.file, s.blocks(p.language)[0])}, "PORT="+port, "GKPOW_AGENT_SOCKET="+s.socket)
			eventually(t, s.client, "http://"+s.address+"/")
			s.requireGuarded()
			s.requireRobust()
			s.requireHonest()
			if p.language != "js" {
				return
			}
			// A page can also log in with fetch.
			form, err := url.ParseQuery(s.page())
			require.NoError(t, err)
			fields := map[string]any{"username": "zoë", "gktinc_once": form.Get("gktinc_once"), "gktinc_solution": "AAAA"}
			sent, err := json.Marshal(fields)
			require.NoError(t, err)
			s.service.SetGKTincFault(gktest.GKTincFault{})
			status, body := s.send("POST", "/login", "application/json; charset=utf-8", string(sent))
			require.Equal(t, 200, status, body)
			require.Equal(t, "welcome, zoë", body)
			require.Equal(t, "zoë", s.witness.last(t).FormInputElementValue)
			require.Equal(t, len(sent)-4, s.witness.last(t).FormPayloadSize)
			status, body = s.send("POST", "/login", "application/json", string(sent))
			require.Equal(t, 403, status, body)
			fields["username"] = []string{"admin"}
			sent, err = json.Marshal(fields)
			require.NoError(t, err)
			status, body = s.send("POST", "/login", "application/json", string(sent))
			require.Equal(t, 400, status, body)
		})
	}
}

// requireRobust checks that a program outlives requests that no browser sends.
func (s *webServer) requireRobust() {
	for _, body := range []string{"null", "5", "[]", "{", `{"username":null}`, `{"gktinc_once":{"toString":1},"username":"bob"}`, `{"__proto__":null,"gktinc_once":[]}`} {
		status, text := s.send("POST", "/login", "application/json", body)
		require.Contains(s, []int{400, 403, 415}, status, "%s: %s", body, text)
	}
	const head = "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for _, rest := range []string{"Content-Length: -1\r\n\r\n", "Content-Length: x\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n"} {
		require.Contains(s, []int{400, 403, 411}, s.raw(head+rest), rest)
	}
	conn, err := net.Dial("tcp", s.address)
	require.NoError(s, err)
	_, err = io.WriteString(conn, head+"Host: x\r\nContent-Length: 100\r\n\r\nusername=")
	require.NoError(s, err)
	conn.Close() // in the middle of the form

	status, body := s.post(s.page() + "&other=%FF\xff")
	require.Equal(s, 200, status, body)
	require.Equal(s, "welcome, böb", body)

	// A multipart form is read or refused, but never accepted with its fields lost.
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	fields, err := url.ParseQuery(s.page())
	require.NoError(s, err)
	for name, values := range fields {
		require.NoError(s, w.WriteField(name, values[0]))
	}
	require.NoError(s, w.Close())
	status, body = s.send("POST", "/login", w.FormDataContentType(), multi.String())
	if status != 415 {
		require.Equal(s, 200, status, body)
		require.Equal(s, "welcome, böb", body)
	}
}

// requireHonest checks that an outage is distinguished from a refusal.
func (s *webServer) requireHonest() {
	form := s.page()
	s.service.SetGKTincFault(gktest.GKTincFault{Status: 503})
	status, body := s.post(form)
	require.Equal(s, 503, status, body)
	require.Equal(s, "not accepted", body)
}

// The PHP program runs under Debian's PHP-FPM and nginx: as www-data, with a cleared
// environment.
func TestInteropPHP(t *testing.T) {
	interop(t)
	s := newWebServer(t)
	s.startAgent()
	page := s.file("login.php", s.blocks("php")[0])
	pool := "[global]\nerror_log = /dev/stderr\ndaemonize = no\n[www]\nlisten = " + s.dir + "/php.sock\npm = static\npm.max_children = 2\nclear_env = yes\n"
	arguments := []string{"-F", "-y", s.file("php-fpm.conf", pool)}
	if os.Getuid() == 0 {
		pool += "user = www-data\ngroup = www-data\nlisten.owner = www-data\nlisten.group = www-data\n"
	}
	s.file("php-fpm.conf", pool)
	background(t, program(t, "php-fpm8.2"), arguments)
	s.startNginx(`server {
    listen ` + s.address + `;
    client_max_body_size 20m;
    location / {
        fastcgi_pass unix:` + s.dir + `/php.sock;
        include /etc/nginx/fastcgi_params;
        fastcgi_param SCRIPT_FILENAME ` + page + `;
    }
}
`)
	require.Eventually(t, func() bool { status, _ := s.get("/login"); return status == 200 }, time.Minute, 50*time.Millisecond)

	form := s.page()
	status, body := s.post(form)
	require.Equal(t, 200, status, body)
	require.Equal(t, "welcome, böb", body)
	got := s.witness.last(t)
	require.Equal(t, "böb", got.FormInputElementValue)
	require.Equal(t, "127.0.0.1", got.ClientIP.String())
	require.Equal(t, "Mozilla/5.0", got.UserAgent)
	parsed, err := gktinc.ParseForm("application/x-www-form-urlencoded", []byte(form))
	require.NoError(t, err)
	require.Equal(t, gktinc.PayloadSizePHP(parsed), got.FormPayloadSize)
	status, body = s.post(form)
	require.Equal(t, 403, status, body)

	// PHP provides a multipart form only in $_POST.
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	fields, err := url.ParseQuery(s.page())
	require.NoError(t, err)
	for name, values := range fields {
		require.NoError(t, w.WriteField(name, values[0]))
	}
	file, err := w.CreateFormFile("photo", "photo.png")
	require.NoError(t, err)
	_, err = file.Write(bytes.Repeat([]byte("x"), 1000))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	status, body = s.send("POST", "/login", w.FormDataContentType(), multi.String())
	require.Equal(t, 200, status, body)
	require.Equal(t, "welcome, böb", body)

	for name, form := range map[string]string{
		"an array":  strings.Replace(s.page(), "username=", "username[]=", 1),
		"missing":   strings.Replace(s.page(), "username=", "user=", 1),
		"not UTF-8": strings.Replace(s.page(), "b%C3%B6b", "b%F6b", 1),
	} {
		status, body = s.post(form)
		require.Equal(t, 400, status, "%s: %s", name, body)
	}
	for _, size := range []int{2 << 20, 9 << 20} { // the agent's limit and post_max_size
		status, body = s.post(s.page() + strings.Repeat("x", size))
		require.Equal(t, 413, status, body)
	}
	s.requireHonest()
}

// With --emulator the whole flow works without an account: pages of the agent and the proxy
// load the emulator's script, and the emulator judges their forms. GKPOW_TEST_SCREENSHOTS
// names a directory for screenshots.
func TestInteropBrowser(t *testing.T) {
	interop(t)
	b := devtools.Start(t)
	log := func(t *testing.T, s *webServer, name string) {
		p := b.NewTab()
		p.Open("http://" + s.address + "/login")
		p.Wait(`document.getElementById("gktinc-stand-in")?.innerText.includes("Emulator")`)
		p.Enter("username", "alice")
		shoot := func(what string) {
			if dir := os.Getenv("GKPOW_TEST_SCREENSHOTS"); dir != "" {
				p.Screenshot(filepath.Join(dir, name+"-"+what+".png"))
			}
		}
		shoot("page")
		p.Click("button")
		p.Wait(`document.body.innerText.trim() == "welcome, alice"`)
		require.Empty(t, p.ConsoleErrors())
		shoot("welcome")
		p.Do("Page.reload", devtools.Object{}, nil)
		p.Wait(`document.body.innerText.includes("accepted") && !document.body.innerText.includes("welcome")`)
		require.Contains(t, p.ConsoleErrors(), "403")
		shoot("refused")
	}
	t.Run("agent", func(t *testing.T) {
		s := newWebServer(t)
		s.startAgent("--emulator", "--difficulty", "1")
		_, port, _ := net.SplitHostPort(s.address)
		background(t, interpreter(t, "python3"), []string{s.file("login.py", s.blocks("python")[0])}, "PORT="+port, "GKPOW_AGENT_SOCKET="+s.socket)
		eventually(t, s.client, "http://"+s.address+"/")
		log(t, s, "agent")
	})
	t.Run("nginx", func(t *testing.T) {
		s := newWebServer(t)
		s.startAgent("--emulator", "--difficulty", "1")
		blocks := s.blocks("nginx")
		s.file("gktinc-page.conf", blocks[1])
		s.startNginx(blocks[0])
		log(t, s, "nginx")
	})
	t.Run("proxy", func(t *testing.T) {
		s := newWebServer(t)
		s.startProxy("--emulator")
		s.address = s.proxy
		log(t, s, "proxy")
	})
}
