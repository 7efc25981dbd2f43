package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// A guardedSite is an application behind gkpow gktinc proxy.
type guardedSite struct {
	*testing.T
	server   *httptest.Server
	url      string
	registry *metrics.Registry
	journal  *journal
	witness  witness
	service  *gktest.Service
}

func newGuardedSite(t *testing.T, f proxyFlags, application http.Handler) *guardedSite {
	s := &guardedSite{T: t, registry: &metrics.Registry{}, journal: &journal{}}
	service, env := gktincUser(t, gktest.GKTincOptions{Judge: s.witness.judge})
	s.service = service
	upstream := httptest.NewServer(application)
	t.Cleanup(upstream.Close)
	f.upstream, f.upstreamTimeout, f.inject = upstream.URL, 10*time.Second, true
	if f.forms == nil {
		f.forms = []string{"example.com/login"}
	}
	if f.maxRequests == 0 {
		f.maxRequests = 100
	}
	log := slog.New(slog.NewJSONHandler(s.journal, nil))
	guard, err := f.guard.open(t.Context(), env, "", "", log)
	require.NoError(t, err)
	p, err := f.newProxy(guard, s.registry, log)
	require.NoError(t, err)
	s.server = httptest.NewServer(p)
	t.Cleanup(s.server.Close)
	s.url = s.server.URL
	t.Cleanup(func() { s.journal.check(t) })
	return s
}

func (s *guardedSite) do(r *http.Request) (int, string, http.Header) {
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(s, err)
	return answer.StatusCode, string(body), answer.Header
}

func (s *guardedSite) request(method, path, body string) *http.Request {
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	require.NoError(s, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

var hiddenOnce = regexp.MustCompile(`<input type="hidden" name="gktinc_once" value="([^"]+)">`)

// page gets a page and returns the body that its form would send.
func (s *guardedSite) page(path string) string {
	status, body, _ := s.do(s.request("GET", path, ""))
	require.Equal(s, 200, status, body)
	found := hiddenOnce.FindStringSubmatch(body)
	require.NotNil(s, found, body)
	return url.Values{"gktinc_once": {found[1]}, "username": {"bob"}, "gktinc_solution": {"AAAA"}}.Encode()
}

const plainPage = "<!DOCTYPE html>\n<FORM action=/search><input name=q></FORM>\n<form Method = 'POST'  action=\"/login\">\n<input name=username>&amp; </form ><form method=post></form>\n"

// application returns a login application that knows nothing about GKTinc.
func application() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"x"`)
		if r.Method != "POST" || r.PostFormValue("username") == "eve" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, plainPage)
			return
		}
		fmt.Fprintf(w, "%s %s %s %s", r.PostFormValue("username"), r.Header.Get("X-Real-IP"), r.Header.Get("X-Forwarded-For"), r.Host)
	})
}

func TestProxyGuards(t *testing.T) {
	s := newGuardedSite(t, proxyFlags{}, application())
	status, body, header := s.do(s.request("GET", "/login", ""))
	require.Equal(t, 200, status)
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	require.Empty(t, header.Get("ETag"))
	before, after, _ := strings.Cut(plainPage, "</form >")
	require.True(t, strings.HasPrefix(body, before+`<input type="hidden"`), body)
	require.True(t, strings.HasSuffix(body, "</script>\n</form >"+after), "every other byte must stay the same")
	require.Equal(t, 1, strings.Count(body, "gktinc_init("))

	form := s.page("/login")
	r := s.request("POST", "/login", form)
	r.Header.Set("X-Real-IP", "203.0.113.66") // forged, as is the next header
	r.Header.Set("X-Forwarded-For", "203.0.113.66")
	r.Host = "shop.example"
	status, body, _ = s.do(r)
	require.Equal(t, 200, status, body)
	require.Equal(t, "bob 127.0.0.1 127.0.0.1 shop.example", body)
	require.Equal(t, "127.0.0.1", s.witness.last(t).ClientIP.String())
	require.Equal(t, "example.com/login", s.witness.last(t).URL)
	status, body, _ = s.do(s.request("POST", "/login", form))
	require.Equal(t, 403, status, body)
	require.Contains(t, body, "The form was not accepted")

	// If the response to a form is a page with a form, the proxy prepares that form too.
	status, body, _ = s.do(s.request("POST", "/login", strings.Replace(s.page("/login"), "bob", "eve", 1)))
	require.Equal(t, 200, status)
	require.Regexp(t, hiddenOnce, body)

	// No other spelling of the path bypasses the guard.
	for _, path := range []string{"/login", "/login/", "//login", "/LOGIN", "/x/../login", "/./login", "/login;x=1", "/%6cogin", "/login?a=b",
		"/login/more", "/login.", "/login%20", "/login%00.html", "/x%2f..%2flogin", `/x%5c..%5clogin`, "/login;/x"} {
		r := s.request("POST", "/", "username=bob")
		u, err := url.Parse(s.url + path)
		require.NoError(t, err)
		r.URL = u
		status, body, _ := s.do(r)
		require.Equal(t, 403, status, "%s: %s", path, body)
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE", "PROPFIND"} {
		status, _, _ := s.do(s.request(method, "/login", "username=bob"))
		require.Equal(t, 403, status)
	}
	status, body, _ = s.do(s.request("POST", "/login", form+"&username[]=x"))
	require.Equal(t, 400, status, body)
	status, body, _ = s.do(s.request("POST", "/login?username=admin", s.page("/login")))
	require.Equal(t, 400, status, body)
	status, body, _ = s.do(s.request("POST", "/login", strings.Repeat("x", 1<<20+1)))
	require.Equal(t, 413, status, body)
	form = s.page("/login")
	s.service.SetGKTincFault(gktest.GKTincFault{Status: 401})
	status, body, _ = s.do(s.request("POST", "/login", form))
	require.Equal(t, 503, status, body)
	require.NotContains(t, body, "401")
	require.Contains(t, s.journal.String(), "401")

	// The proxy leaves other paths alone.
	for _, path := range []string{"/", "/loginx", "/other/login", "/logi"} {
		status, body, header := s.do(s.request("POST", path, "username=bob"))
		require.Equal(t, 200, status, body)
		require.Equal(t, `"x"`, header.Get("ETag"))
	}
	status, body, _ = s.do(s.request("GET", "/other", ""))
	require.Equal(t, 200, status)
	require.Equal(t, plainPage, body)

	// A client can receive its response before the handler returns; Close waits for the handlers.
	s.server.Close()
	answer := httptest.NewRecorder()
	s.registry.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{`gkpow_proxy_requests_total{outcome="judged"} 2`, `gkpow_proxy_requests_total{outcome="refused"} 25`,
		`gkpow_gktinc_verdicts_total{allowed="true",of="form",reason="action"} 2`, `gkpow_circuit_open{service="gktinc"} 0`, "gkpow_proxy_requests 0"} {
		require.Contains(t, answer.Body.String(), line+"\n")
	}
}

func TestProxyForms(t *testing.T) {
	page := ""
	csp := ""
	s := newGuardedSite(t, proxyFlags{forms: []string{"example.com/wp-login.php?field=log&form=loginform", "example.com/"},
		guard: guardFlags{trusted: []string{"127.0.0.1"}, ipHeader: "X-Real-IP"}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if csp != "" {
			w.Header().Set("Content-Security-Policy", csp)
		}
		_, _ = io.WriteString(w, page+r.Header.Get("Accept-Encoding")+r.Header.Get("Range"))
	}))
	get := func(path string) string {
		r := s.request("GET", path, "")
		r.Header.Set("X-Real-IP", "2001:db8::7")
		r.Header.Set("Accept-Encoding", "gzip")
		r.Header.Set("Range", "bytes=0-1")
		_, body, _ := s.do(r)
		return body
	}
	page = `<form method=post>1</form><form id="loginform" method=post>2</form>`
	body := get("/wp-login.php")
	require.Regexp(t, `^<form method=post>1</form><form id="loginform" method=post>2<input type="hidden"`, body)
	require.Contains(t, body, `document.getElementById("loginform"), "log",`)
	require.Contains(t, body, `"client_ip":"2001:db8::7"`)
	require.True(t, strings.HasSuffix(body, "</form>"), "the page must be neither compressed nor partial: %s", body)

	page = `<form method=post><!-- gktinc -->1</form><script>"</form><!--gktinc-->"</script>`
	body = get("/")
	require.Regexp(t, `(?s)^<form method=post><input type="hidden".*</script>\n1</form><script>"</form><!--gktinc-->"</script>$`, body)

	for _, page = range []string{"", "no form", "<form>x</form>", "<form method=get></form>", `<script>"<form method=post></form>"</script>`,
		"<textarea><form method=post></form></textarea>", "<!-- <form method=post></form> -->", "</form>", "<form method=post", "\x00<\xff"} {
		require.Equal(t, page, get("/"))
	}

	page, csp = "<form method=post></form>", "default-src 'self'; script-src 'nonce-abc123=' 'strict-dynamic'"
	require.Equal(t, 3, strings.Count(get("/"), `<script nonce="abc123="`))
	page = "<p>" + strings.Repeat("ä<b>x</b>", 200_000) + "<form method=post></form>"
	before, end, found := strings.Cut(get("/"), `<input type="hidden"`)
	require.True(t, found)
	require.Equal(t, strings.TrimSuffix(page, "</form>"), before)
	require.True(t, strings.HasSuffix(end, "</script>\n</form>"))
}

// The proxy flushes what each Read returns, so that must not be a single token.
func TestInjectorReads(t *testing.T) {
	page := strings.Repeat("ä<b>x</b>", 10_000) + "<form method=post></form>"
	i := newInjector(io.NopCloser(strings.NewReader(page)), "", func() []byte { return []byte("FIELD") })
	var got []byte
	reads := 0
	for buffer := make([]byte, 32<<10); ; reads++ {
		n, err := i.Read(buffer)
		got = append(got, buffer[:n]...)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	require.Equal(t, strings.TrimSuffix(page, "</form>")+"FIELD</form>", string(got))
	require.Less(t, reads, len(page)/1000)

	// Read does not wait for the rest of the page.
	r, w := io.Pipe()
	defer w.Close()
	i = newInjector(r, "", nil)
	go io.WriteString(w, "<p>first</p>second")
	got = make([]byte, len("<p>first</p>"))
	_, err := io.ReadFull(i, got)
	require.NoError(t, err)
	require.Equal(t, "<p>first</p>", string(got))
}

// Browsers end a form that has no end tag at the end of the page, and ignore a form in a
// form.
func TestProxyOddPages(t *testing.T) {
	var page []byte
	header := http.Header{}
	s := newGuardedSite(t, proxyFlags{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for name, values := range header {
			w.Header()[name] = values
		}
		_, _ = w.Write(page)
	}))
	get := func(text string) string {
		page = []byte(text)
		_, body, _ := s.do(s.request("GET", "/login", ""))
		return body
	}
	for name, test := range map[string]struct{ before, after string }{
		"no end tag":         {"<form method=post><p>x", ""},
		"no end tag in body": {"<body><form method=post><p>x", "</body></html>"},
		"no end of the body": {"<form method=post><p>x", "</html>"},
		"form in a form":     {"<form method=post><form method=get>x", "</form><form method=post></form>"},
		"form in another":    {"<form><form method=post>x</form><form method=post>y", "</form>"},
		"attributes":         {`<form method=post data-x="a>b" title='</form>'><!-- </form> --><b a="</form>">x`, "</form>"},
		"slash":              {"<form method=post />x<input/>", "</form >"},
		"method twice":       {"<form method=post method=get>x", "</form>"},
	} {
		t.Run(name, func(t *testing.T) {
			body := get(test.before + test.after)
			require.True(t, strings.HasPrefix(body, test.before+`<input type="hidden"`), body)
			require.True(t, strings.HasSuffix(body, "</script>\n"+test.after), body)
			require.Len(t, hiddenOnce.FindAllString(body, -1), 1)
		})
	}

	// XML needs the end of every element.
	header.Set("Content-Type", "application/xhtml+xml; charset=utf-8")
	const xhtml = `<html xmlns="http://www.w3.org/1999/xhtml"><body><form method="post"><p>&#228;</p></form></body></html>`
	body := get(xhtml)
	require.Contains(t, body, "gktinc_init(")
	d := xml.NewDecoder(strings.NewReader(body))
	for {
		if _, err := d.Token(); err != nil {
			require.ErrorIs(t, err, io.EOF, body)
			break
		}
	}

	// An application may compress although the proxy does not ask for it.
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, plainPage)
	require.NoError(t, z.Close())
	header = http.Header{"Content-Encoding": {"gzip"}}
	page = packed.Bytes()
	r := s.request("GET", "/login", "")
	r.Header.Set("Accept-Encoding", "br") // or net/http decompresses
	status, body, answered := s.do(r)
	require.Equal(t, 200, status)
	require.Empty(t, answered.Get("Content-Encoding"))
	require.Regexp(t, hiddenOnce, body)
	require.True(t, strings.HasSuffix(body, "</form ><form method=post></form>\n"), body)

	header = http.Header{"Content-Security-Policy": {"default-src 'nonce-no='; STYLE-SRC 'nonce-no='; Script-Src 'self' 'nonce-yes_-='", "img-src *"}}
	require.Equal(t, 3, strings.Count(get(plainPage), `<script nonce="yes_-="`))
}

// Applications disagree about some paths. The proxy guards every path that some application could
// take for the guarded one.
func TestProxyPaths(t *testing.T) {
	_, env := gktincUser(t, gktest.GKTincOptions{})
	log := slog.New(slog.DiscardHandler)
	guard, err := (&guardFlags{}).open(t.Context(), env, "", "", log)
	require.NoError(t, err)
	forms := func(guards ...string) *proxy {
		f := proxyFlags{upstream: "http://127.0.0.1:1", maxRequests: 1, forms: guards}
		p, err := f.newProxy(guard, &metrics.Registry{}, log)
		require.NoError(t, err)
		return p
	}
	p := forms("example.com/login", "example.com/App/sign-in.php?form=x")
	for _, target := range []string{
		"//host/login", `/\host/login`, "///host/login", "//host:80/login/", // URL parsers: PHP, Node, Python
		"/a%5Cb/../login", `/a\b/../login`, "/a%2Fb/../login", "/a;b/../login", "/a%2F../login", // separators of segments
		"/login/..;/", "/login/..%5Cx", "/login//..", "/login/..%2f..%2fx", "/login/.../", "/login/%2e%2e/x", // segments that lead up
		"/app//../sign-in.php", "/x/..//app/sign-in.php", "/app/x//../sign-in.php/y",
		"/index.php/login", "/blog/index.PHP/login/", "/app.fcgi/app/sign-in.php", "/index.php;x/login", // path info
		"/login%0A", "/login%0d%0a", "/%20login", "/login%09", "/login%E2%80%A8", "/login%C2%A0", // white space
		"/login.json", "/login.html/", "/login~", "/login::$DATA", "/login%3fx", "/login%23", "/login&x", "/login,x", "/app;v=1/sign-in.php", // suffixes
		"/%256cogin", "/x%252f..%252flogin", "/x/%252e%252e/login", "/;/login", "/.;/login", "/%2e/login", "/ /login", // escapes, and segments that mean nothing
		"/L\u00d6GIN/../login", "/\u017fogin/../login", "/app/\u017fign-in.php", "/LOGIN",
	} {
		u := &url.URL{}
		var err error
		u.Path, err = url.PathUnescape(target)
		require.NoError(t, err)
		require.NotNil(t, p.forms.find(u.Path), target)
	}
	for _, path := range []string{"/", "//", "", "*", "/loginx", "/login-now", "/login_now", "/login2", "/loginé", "/other/login", "/x/y/../z", "/app",
		"/app/sign-in", "/sign-in.php", "/static/100%", "/a%2Fb", "/logi", "//host/other/login",
		"/v1.2/login", "/index.html/login", "/index.php/other", "/index.php"} {
		require.Nil(t, p.forms.find(path), path)
	}
	require.Equal(t, "x", p.forms.find("/app/sign-in.php").parameters.Get("form"))
	root := forms("example.com/")
	for _, path := range []string{"/", "//", "/.", "/%2e/", "//host", "//host/", "/;x", "/x/..", "/x/y/../..", `/x\..`, "/index.php", "/Default.aspx", "//host/index.html"} {
		require.NotNil(t, root.forms.find(path), path)
	}
	for _, path := range []string{"/x", "/contact.php", "/index-2", "/x/index.php", "//host/x"} {
		require.Nil(t, root.forms.find(path), path)
	}
}

// A request that only looks like one for a page is judged.
func TestProxyMethods(t *testing.T) {
	s := newGuardedSite(t, proxyFlags{}, application())
	for _, method := range []string{"GET", "OPTIONS", "HEAD"} {
		status, body, _ := s.do(s.request(method, "/login", "username=bob&password=x"))
		require.Equal(t, 403, status, "%s with a body: %s", method, body)
		for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
			r := s.request(method, "/login", "")
			r.Header.Set(name, "POST")
			status, body, _ := s.do(r)
			require.Equal(t, 403, status, "%s with %s: %s", method, name, body)
		}
		status, _, _ = s.do(s.request(method, "/login", ""))
		require.Equal(t, 200, status, method)
	}
	r := s.request("GET", "/login", "")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("username=bob")), -1 // chunked
	status, _, _ := s.do(r)
	require.Equal(t, 403, status)
	r = s.request("GET", "/login", "")
	r.Header["X_http_method-Override"] = []string{"POST"} // the same for CGI
	status, _, _ = s.do(r)
	require.Equal(t, 403, status)
	// A header can replace the path, too.
	for _, name := range []string{"X-Original-URL", "X-Rewrite-URL", "X_Original_URL"} {
		for target, want := range map[string]int{"/login": 403, "/LOGIN?x": 403, "http://host/login": 403, "//host/login": 403, "/other": 200} {
			r := s.request("POST", "/other", "username=bob")
			r.Header[http.CanonicalHeaderKey(name)] = []string{"/", target}
			status, _, _ := s.do(r)
			require.Equal(t, want, status, "%s: %s", name, target)
		}
	}
	// With a valid form such a request passes.
	r = s.request("GET", "/login", s.page("/login"))
	status, _, _ = s.do(r)
	require.Equal(t, 200, status)
}

// No request reaches the application inside a connection that the proxy no longer reads.
func TestProxyUpgrades(t *testing.T) {
	s := newGuardedSite(t, proxyFlags{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if upgrade := r.Header.Get("Upgrade"); upgrade != "" {
			echo(w, r)
			return
		}
		fmt.Fprint(w, r.Header["Connection"], r.Header["Http2-Settings"])
	}))
	for upgrade, want := range map[string]int{"h2c": 200, "H2C": 200, "h2": 200, "HTTP/2.0": 200, "TLS/1.2": 200, "websocket, h2c": 200, "foo,TLS/1.0": 200,
		"websocket": 101, "WebSocket": 101, "tcp": 101} {
		r := s.request("GET", "/other", "")
		r.Header.Set("Connection", "Upgrade, HTTP2-Settings")
		r.Header.Set("Upgrade", upgrade)
		r.Header.Set("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")
		answer, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, want, answer.StatusCode, upgrade)
		if want == 200 {
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.Equal(t, "[] []", string(body))
		}
		answer.Body.Close()
	}
}

// An application that reads headers as CGI variables finds no value that a visitor has
// chosen.
func TestProxyHeaders(t *testing.T) {
	s := newGuardedSite(t, proxyFlags{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.Contains(name, "_") {
				fmt.Fprintln(w, name)
			}
		}
	}))
	r := s.request("GET", "/x", "")
	for _, name := range []string{"X_Real_IP", "x_real-ip", "X_FORWARDED_FOR", "X-Forwarded_Host", "x_forwarded_proto", "Session_Token"} {
		r.Header[name] = []string{"203.0.113.66"}
	}
	_, body, _ := s.do(r)
	require.Equal(t, "Session_token\n", body)
}

// echo is a handler that upgrades to a protocol and returns what it gets.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, section 4.2.2
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + r.Header.Get("Upgrade") +
		"\r\nSec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(accept[:]) + "\r\n\r\n")
	_ = rw.Flush()
	_, _ = io.Copy(conn, rw)
}

// requireEcho checks that WebSockets reach the handler echo at /socket.
func requireEcho(t *testing.T, address string) {
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET /socket HTTP/1.1\r\nHost: "+address+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	in := bufio.NewReader(conn)
	upgraded, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 101, upgraded.StatusCode)
	require.Equal(t, "websocket", upgraded.Header.Get("Upgrade"))
	for _, line := range []string{"ping\n", "pong\n"} {
		fmt.Fprint(conn, line)
		got, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, line, got)
	}
}

// The proxy passes on everything except forms unchanged.
func TestProxyPasses(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%d %v %v %s", n, err, r.TransferEncoding, r.Trailer.Get("X-Client-Sum"))
		w.Header().Set("X-Sum", fmt.Sprintf("%x", sum.Sum(nil)))
	})
	mux.HandleFunc("/query", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "%d\n", i)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // the visitor has read the first part
		}
	})
	mux.HandleFunc("/socket", echo)
	held, hold := make(chan struct{}), make(chan struct{})
	mux.HandleFunc("/hold", func(http.ResponseWriter, *http.Request) {
		held <- struct{}{}
		<-hold
	})
	mux.HandleFunc("/untyped", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "<p>")
	})
	mux.HandleFunc("/broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	s := newGuardedSite(t, proxyFlags{maxRequests: 3}, mux)

	// A chunked upload with trailers is streamed: the proxy never holds all of it in memory.
	const size = 64 << 20
	reader, writer := io.Pipe()
	r, err := http.NewRequest("POST", s.url+"/upload", reader)
	require.NoError(t, err)
	r.Trailer = http.Header{"X-Client-Sum": nil}
	sum := sha256.New()
	go func() {
		block := bytes.Repeat([]byte("x"), 1<<20)
		for range size >> 20 {
			_, _ = writer.Write(block)
			sum.Write(block)
		}
		r.Trailer.Set("X-Client-Sum", fmt.Sprintf("%x", sum.Sum(nil)))
		writer.Close()
	}()
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, fmt.Sprintf("%d <nil> [chunked] %x", size, sum.Sum(nil)), string(body))
	require.Equal(t, fmt.Sprintf("%x", sum.Sum(nil)), answer.Trailer.Get("X-Sum"))

	_, query, _ := s.do(s.request("GET", "/query?a;b=%zz&c=%2F", ""))
	require.Equal(t, "/query?a;b=%zz&c=%2F", query)

	// The proxy flushes each part of a response as it arrives.
	answer, err = http.DefaultClient.Do(s.request("GET", "/slow", ""))
	require.NoError(t, err)
	line, err := bufio.NewReader(answer.Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "0\n", line)
	answer.Body.Close()

	// WebSockets and other protocol upgrades work.
	requireEcho(t, strings.TrimPrefix(s.url, "http://"))

	_, _, header := s.do(s.request("GET", "/untyped", ""))
	require.NotContains(t, header, "Content-Type")
	_, _, header = s.do(s.request("GET", "/query", ""))
	require.Equal(t, []string{"text/plain; charset=utf-8"}, header["Content-Type"])

	status, text, header := s.do(s.request("GET", "/broken", ""))
	require.Equal(t, []string{"text/html; charset=utf-8"}, header["Content-Type"])
	require.Equal(t, 502, status)
	require.NotContains(t, text, "127.0.0.1")
	require.Contains(t, text, "The site does not answer")
	require.NotContains(t, text, "form")
	require.Contains(t, s.journal.String(), "no response from the application")

	// The proxy does not exceed the limit on requests in progress. The requests above may
	// still be among them for a moment.
	get := func() int {
		answer, err := http.Get(s.url + "/hold")
		if err != nil {
			return 0
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	results := make(chan int, 3)
	for range cap(results) {
		go func() {
			status := get()
			for ; status == 503; status = get() {
				time.Sleep(time.Millisecond)
			}
			results <- status
		}()
	}
	for range cap(results) {
		<-held
	}
	for range 7 {
		require.Equal(t, 503, get())
	}
	close(hold)
	for range cap(results) {
		require.Equal(t, 200, <-results)
	}
}

func TestProxyUsage(t *testing.T) {
	_, env := gktincUser(t, gktest.GKTincOptions{})
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no upstream":        {[]string{"--guard", "example.com/"}, "upstream"},
		"no guard":           {[]string{"--upstream", "http://127.0.0.1:1"}, "guard"},
		"upstream":           {[]string{"--guard", "example.com/", "--upstream", "127.0.0.1:1"}, "--upstream 127.0.0.1:1 is not a URL"},
		"upstream's socket":  {[]string{"--guard", "example.com/", "--upstream", "unix://run/app.sock"}, "--upstream"},
		"guard":              {[]string{"--upstream", "http://127.0.0.1:1", "--guard", "/login"}, "--guard /login: not a host and path"},
		"guard's parameter":  {[]string{"--upstream", "http://127.0.0.1:1", "--guard", "example.com/?feild=x"}, `unknown parameter "feild"`},
		"guard's script":     {[]string{"--upstream", "http://127.0.0.1:1", "--guard", "example.com/?script=javascript:x"}, "script"},
		"port":               {[]string{"--upstream", "http://127.0.0.1:1", "--guard", "example.com/", "--listen", "x"}, "--listen x"},
		"port of metrics":    {[]string{"--upstream", "http://127.0.0.1:1", "--guard", "example.com/", "--listen", "127.0.0.1:0", "--metrics-listen", "x"}, "--metrics-listen x"},
		"number of requests": {[]string{"--upstream", "http://127.0.0.1:1", "--guard", "example.com/", "--max-requests", "0"}, "--max-requests must be 1 or more, not 0"},
		"emulator's default": {[]string{"--upstream", "http://127.0.0.1:1", "--guard", "example.com/", "--emulator", "--policy", "ajar"}, "ajar"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr strings.Builder
			env := env
			env.stderr, env.stdout = &stderr, io.Discard
			require.Equal(t, exitUsage, run(brief(t), append([]string{"gktinc", "proxy"}, test.args...), env), stderr.String())
			require.Contains(t, stderr.String(), test.says)
		})
	}
}
