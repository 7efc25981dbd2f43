package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// A proxy is the handler of gkpow gktinc proxy.
type proxy struct {
	*formGuard
	forms    guardedForms
	inject   bool
	log      *slog.Logger
	slots    chan struct{} // one for each request
	upstream *httputil.ReverseProxy
	requests *metrics.Vec[*metrics.Counter]
	verdicts *metrics.Vec[*metrics.Counter]
}

// formReadTimeout is how long a visitor may take to send a guarded form.
const formReadTimeout = 30 * time.Second

// ServeHTTP passes a request on, unless it is a form that GKTinc does not accept.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		p.count("busy")
		w.Header().Set("Retry-After", "1")
		writeMessage(w, http.StatusServiceUnavailable, "The site is busy", "Try again in a few seconds.")
		return
	}
	w.Header()["Content-Type"] = nil // net/http would guess one if the application sends none
	form := p.forms.formOf(r)
	if form == nil {
		p.count("passed")
		p.upstream.ServeHTTP(w, r)
		return
	}
	outcome := "passed"
	if !asksForPage(r) {
		if !p.judge(w, r, form) {
			p.count("refused")
			return
		}
		outcome = "judged"
	}
	p.count(outcome)
	p.upstream.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), pageKey{}, &guardedPage{form, r})))
}

func (p *proxy) count(outcome string) { p.requests.With(outcome).Inc() }

// judge reports whether GKTinc accepts a form. If not, it has answered the request.
func (p *proxy) judge(w http.ResponseWriter, r *http.Request, form *guardedForm) bool {
	guard, err := p.of(form.parameters)
	if err != nil { // parseForms has checked it
		panic(err)
	}
	controller := http.NewResponseController(w)
	_ = controller.SetReadDeadline(time.Now().Add(formReadTimeout))
	used := p.client.Load()
	verdict, err := guard.Check(r)
	_ = controller.SetReadDeadline(time.Time{})
	countVerdict(p.verdicts, "form", verdict)
	if verdict.Allowed {
		return true
	}
	p.renewed(used, err) // for the next form: this one cannot be judged twice
	var tooLarge *http.MaxBytesError
	status := http.StatusServiceUnavailable
	switch {
	case err == nil:
		status = http.StatusForbidden
	case errors.As(err, &tooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, gktinc.ErrForm), errors.Is(err, client.ErrRejected):
		status = http.StatusBadRequest
	}
	text := string(verdict.Reason)
	if err != nil {
		text = words(err.Error())
	}
	p.log.Warn("refused", "form", form.parameters.Get("url"), "status", status, "reason", text)
	writeRefusal(w, status)
	return false
}

// A guardedPage is the request for a page with a guarded form.
type guardedPage struct {
	form    *guardedForm
	request *http.Request
}

// pageKey is the key of a guardedPage in a context.
type pageKey struct{}

func (p *proxy) newReverseProxy(upstream *url.URL, timeout time.Duration) *httputil.ReverseProxy {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext:           dialer.DialContext,
		DisableCompression:    true, // or it would change responses
		MaxIdleConnsPerHost:   100,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: timeout,
	}
	if upstream.Scheme == "unix" {
		socket := upstream.Path
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
		upstream = &url.URL{Scheme: "http", Host: "localhost"}
	}
	return &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { p.rewrite(r, upstream) },
		Transport:      transport,
		ModifyResponse: p.modify,
		FlushInterval:  -1, // at once
		ErrorLog:       slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, context.Canceled) {
				w.WriteHeader(statusCallerGone)
				return
			}
			p.count("failed")
			p.log.Warn("no response from the application", "error", err.Error())
			writeMessage(w, http.StatusBadGateway, "The site does not answer", "Try again in a few minutes.")
		},
	}
}

// rewrite turns a request to the proxy into one to the application.
func (p *proxy) rewrite(r *httputil.ProxyRequest, upstream *url.URL) {
	r.SetURL(upstream)
	r.Out.URL.RawQuery = r.In.URL.RawQuery // unchanged, even if it cannot be parsed
	r.Out.Host = r.In.Host
	r.Out.Trailer = r.In.Trailer // net/http fills it in after the body
	if tunnelsHTTP(r.Out.Header.Get("Upgrade")) {
		for _, name := range []string{"Connection", "Upgrade", "Http2-Settings"} {
			r.Out.Header.Del(name)
		}
	}
	trusted := p.options.Proxies.TrustsPeer(r.In)
	if trusted {
		r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	}
	r.SetXForwarded()
	if trusted {
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
			if values := r.In.Header[name]; len(values) > 0 {
				r.Out.Header[name] = values
			}
		}
	}
	for name := range r.Out.Header { // drop what the visitor claims
		switch cgiName(name) {
		case "x-real-ip":
			delete(r.Out.Header, name)
		case "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded":
			if strings.Contains(name, "_") {
				delete(r.Out.Header, name)
			}
		}
	}
	if ip := p.options.Proxies.ClientIP(r.In); ip.IsValid() {
		r.Out.Header.Set("X-Real-IP", ip.String())
	}
	if r.In.Context().Value(pageKey{}) == nil || !p.inject {
		return
	}
	// Ask for the whole page, not from a cache, and uncompressed.
	for _, name := range []string{"Accept-Encoding", "Range", "If-Range", "If-None-Match", "If-Modified-Since"} {
		r.Out.Header.Del(name)
	}
}

// modify adds the field and the scripts to pages with a guarded form.
func (p *proxy) modify(response *http.Response) error {
	page, ok := response.Request.Context().Value(pageKey{}).(*guardedPage)
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if !ok || !p.inject || response.Request.Method == http.MethodHead || media != "text/html" && media != "application/xhtml+xml" ||
		response.StatusCode == http.StatusSwitchingProtocols || response.StatusCode == http.StatusPartialContent {
		return nil
	}
	switch encoding := response.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
	case "gzip", "x-gzip": // although the proxy did not ask for it
		response.Body = newGunzip(response.Body)
	default:
		p.log.Warn("the application compressed a page although the proxy did not ask for it, so the form gets no hidden field", "encoding", encoding)
		return nil
	}
	nonce := nonceOf(response.Header)
	response.Body = newInjector(response.Body, page.form.parameters.Get("form"), func() []byte {
		fields := p.fields(page, nonce)
		if media == "application/xhtml+xml" {
			fields = bytes.Replace(fields, []byte(`">`), []byte(`"/>`), 1) // XML needs the end of the input element
		}
		return fields
	})
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified", "Accept-Ranges", "Content-Md5", "Digest"} {
		response.Header.Del(name)
	}
	response.ContentLength = -1
	response.Header.Set("Cache-Control", "no-store")
	return nil
}

// fields returns the HTML to insert into the form. If that fails the page still shows,
// but GKTinc will not accept its form.
func (p *proxy) fields(page *guardedPage, nonce string) []byte {
	html, err := p.makeFields(page, nonce)
	if err != nil {
		p.log.Warn("a page gets no hidden field", "error", err.Error())
	}
	return []byte(html)
}

func (p *proxy) makeFields(page *guardedPage, nonce string) (string, error) {
	guard, err := p.of(page.form.parameters)
	if err != nil {
		return "", err
	}
	made, err := guard.Page(page.request)
	if err != nil {
		return "", err
	}
	made.Nonce = nonce
	field, err := made.Field()
	if err != nil {
		return "", err
	}
	scripts, err := made.Scripts()
	return string(field) + "\n" + string(scripts), err
}

var cspNonce = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)'nonce-([a-z0-9+/_-]+=*)'`) })

// nonceOf returns the nonce by which a page's Content-Security-Policy allows scripts,
// "" if there is none.
func nonceOf(h http.Header) string {
	nonces := map[string]string{} // by directive
	for _, policy := range h.Values("Content-Security-Policy") {
		for directive := range strings.FieldsFuncSeq(policy, func(r rune) bool { return r == ';' || r == ',' }) {
			words := strings.Fields(directive)
			if found := cspNonce().FindStringSubmatch(directive); found != nil && len(words) > 0 {
				nonces[strings.ToLower(words[0])] = found[1]
			}
		}
	}
	return cmp.Or(nonces["script-src-elem"], nonces["script-src"], nonces["default-src"])
}
