package gktinc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
)

// A vendor is a service with configurable responses that records the requests.
type vendor struct {
	mu          sync.Mutex
	status      int    // 0 means 200
	level       string // body of the response to get_challenge_level
	verdict     string // body of the response to validate_challenge
	levels      []string
	validations []map[string]any
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	answer := v.verdict
	if _, ip, ok := strings.Cut(r.URL.Path, "/get_challenge_level/"); ok {
		v.levels = append(v.levels, ip)
		answer = v.level
	} else {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			panic(err)
		}
		v.validations = append(v.validations, body)
	}
	if v.status != 0 {
		w.WriteHeader(v.status)
	}
	io.WriteString(w, answer)
}

// asked returns the validations since its last call.
func (v *vendor) asked() []map[string]any {
	v.mu.Lock()
	defer v.mu.Unlock()
	asked := v.validations
	v.validations = nil
	return asked
}

const accepted = `{"action":"ACCEPT","score":0.5,"country":"BR"}`

// serve starts a vendor and returns a client of it.
func serve(t *testing.T, policy Policy) (*vendor, *Client) {
	v := &vendor{verdict: accepted}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	c, err := New(Config{URL: server.URL, APIKey: client.NewSecret("key-SENTINEL"), HashID: "hash", MaxRetries: -1, Policy: policy})
	require.NoError(t, err)
	return v, c
}

// A site is a guarded form and the application behind it.
type site struct {
	*testing.T
	guard   *Guard
	handler http.Handler

	verdict  Verdict // of the last form that was rejected
	err      error
	reported []error
	seen     []string // user names in accepted forms
}

func newSite(t *testing.T, c *Client, o GuardOptions) *site {
	s := &site{T: t}
	o.URL = "https://example.com/login"
	o.Refuse = func(w http.ResponseWriter, r *http.Request, verdict Verdict, err error) {
		s.verdict, s.err = verdict, err
		refuseShortly(w, r, verdict, err)
	}
	o.OnError = func(r *http.Request, err error) {
		require.NotNil(t, r)
		s.reported = append(s.reported, err)
	}
	var err error
	s.guard, err = c.NewGuard(o)
	require.NoError(t, err)
	s.handler = s.guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, "page")
			return
		}
		verdict, ok := VerdictFrom(r.Context())
		require.True(t, ok)
		require.True(t, verdict.Allowed)
		s.seen = append(s.seen, r.PostFormValue("username"))
		fmt.Fprint(w, "welcome, ", r.PostFormValue("username"))
	}))
	return s
}

// page creates a page and returns the value of its hidden field.
func (s *site) page() string {
	page, err := s.guard.Page(request("GET", "", ""))
	require.NoError(s, err)
	return page.OnceValue
}

// request returns a request of a visitor at 203.0.113.7.
func request(method, contentType, body string) *http.Request {
	r := httptest.NewRequest(method, "http://example.com/login?next=/", strings.NewReader(body))
	r.RemoteAddr = "203.0.113.7:4711"
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

const urlencoded = "application/x-www-form-urlencoded"

// post sends a form with the given names and values, and returns the response.
func (s *site) post(fields ...string) *httptest.ResponseRecorder {
	var body []string
	for i := 0; i < len(fields); i += 2 {
		body = append(body, url.QueryEscape(fields[i])+"="+url.QueryEscape(fields[i+1]))
	}
	return s.do(request("POST", urlencoded, strings.Join(body, "&")))
}

func (s *site) do(r *http.Request) *httptest.ResponseRecorder {
	s.verdict, s.err = Verdict{}, nil
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, r)
	return answer
}

// requireRejected checks that a form was rejected for the reason without a request to the
// service.
func (s *site) requireRejected(v *vendor, answer *httptest.ResponseRecorder, reason Reason) {
	require.Equal(s, http.StatusForbidden, answer.Code)
	require.Equal(s, reason, s.verdict.Reason)
	require.False(s, s.verdict.Allowed)
	require.NoError(s, s.err)
	require.Empty(s, v.asked())
}

// Every field of a form reaches the service and the handler behind the guard.
func TestProtect(t *testing.T) {
	v, c := serve(t, Closed)
	s := newSite(t, c, GuardOptions{})

	answer := s.do(request("GET", "", ""))
	require.Equal(t, "page", answer.Body.String())
	require.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
	page, err := s.guard.Page(request("GET", "", ""))
	require.NoError(t, err)
	require.Equal(t, PageOptions{InputID: "username"}, page.Options)
	require.Equal(t, "gktinc_once", page.OnceField)
	require.Equal(t, "203.0.113.7", page.Config.ClientIP)
	require.Equal(t, "example.com/login", page.Config.URL)
	require.Empty(t, page.Config.Sign)
	require.Empty(t, v.levels, "the guard requested a level")

	r := request("POST", urlencoded, "gktinc_once="+page.OnceValue+"&username=b%C3%B6b&password=x&gktinc_solution=QUJD")
	for name, value := range map[string]string{
		"User-Agent": "Mozilla/5.0", "Sec-CH-UA": `"Chromium";v="156"`, "Sec-CH-UA-Mobile": "?0", "Sec-CH-UA-Platform": `"Linux"`,
		"X-Forwarded-For": "192.0.2.99", // no proxy is trusted
	} {
		r.Header.Set(name, value)
	}
	answer = s.do(r)
	require.Equal(t, http.StatusOK, answer.Code, s.verdict)
	require.Equal(t, "welcome, böb", answer.Body.String())
	require.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
	asked := v.asked()
	require.Len(t, asked, 1)
	require.InDelta(t, time.Now().Unix(), asked[0]["time"], 60)
	delete(asked[0], "time")
	delete(asked[0], "agent_id")
	require.Equal(t, map[string]any{
		"gktinc_solution":          "QUJD",
		"salt":                     page.Config.Salt,
		"client_ip":                "203.0.113.7",
		"url":                      page.Config.URL,
		"once":                     page.Config.Once,
		"form_payload_size":        float64(len(`a:4:{s:11:"gktinc_once";s:` + strconv.Itoa(len(page.OnceValue)) + `:"` + page.OnceValue + `";s:8:"username";s:4:"böb";s:8:"password";s:1:"x";s:15:"gktinc_solution";s:4:"";}`)),
		"form_input_element_value": "böb",
		"challenge_level":          3.0,
		"user_agent":               "Mozilla/5.0",
		"sec_ch_ua":                `"Chromium";v="156"`,
		"sec_ch_ua_mobile":         "?0",
		"sec_ch_ua_platform":       `"Linux"`,
	}, asked[0])

	s.requireRejected(v, s.do(request("POST", urlencoded, "gktinc_once="+page.OnceValue+"&username=bob&gktinc_solution=QUJD")), ReasonUnknownOnce)
	require.Equal(t, []string{"böb"}, s.seen)
}

func TestProtectOnce(t *testing.T) {
	v, c := serve(t, Open) // even this policy does not accept these forms
	store := NewMemoryStore(0)
	s := newSite(t, c, GuardOptions{Store: store})
	good := []string{"username", "bob", "gktinc_solution", "QUJD", "gktinc_once"}

	s.requireRejected(v, s.post(good[:4]...), ReasonMissingOnce)
	s.requireRejected(v, s.post(append(good, "")...), ReasonMissingOnce)
	all := newSite(t, c, GuardOptions{Store: &careless{}}) // this store calls every use the first
	for _, once := range []string{
		"x", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("0", 1<<16), strings.ToUpper(s.page()), s.page() + " ", "\x00",
	} {
		s.requireRejected(v, s.post(append(good, once)...), ReasonUnknownOnce)
		all.requireRejected(v, all.post(append(good, once)...), ReasonUnknownOnce)
	}
	s.requireRejected(v, s.post(append(good, strings.Repeat("0", 32))...), ReasonUnknownOnce)
	once := s.page()
	require.Equal(t, 200, s.post(append(good, once)...).Code)
	require.Len(t, v.asked(), 1)
	s.requireRejected(v, s.post(append(good, once)...), ReasonUnknownOnce)
	require.Equal(t, 403, s.do(request("DELETE", urlencoded, "gktinc_once="+once)).Code, "only GET, HEAD and OPTIONS pass")
	require.Equal(t, ReasonUnknownOnce, s.verdict.Reason)

	// The once is from another form.
	other, err := c.NewGuard(GuardOptions{URL: "example.com/register", Store: store})
	require.NoError(t, err)
	page, err := other.Page(request("GET", "", ""))
	require.NoError(t, err)
	s.requireRejected(v, s.post(append(good, page.OnceValue)...), ReasonForeignOnce)
	verdict, err := other.Check(request("POST", urlencoded, "gktinc_once="+page.OnceValue))
	require.NoError(t, err)
	require.Equal(t, ReasonUnknownOnce, verdict.Reason, "the once is used up, although it came to the wrong form")

	// The once has expired.
	old := newSite(t, c, GuardOptions{Store: &careless{}, Lifetime: time.Minute})
	expired := old.page()
	c.now = func() time.Time { return time.Now().Add(time.Minute) }
	old.requireRejected(v, old.post(append(good, expired)...), ReasonUnknownOnce)
	c.now = time.Now

	// The once is from a page for another address.
	for _, sameIP := range []bool{false, true} {
		s := newSite(t, c, GuardOptions{SameIP: sameIP})
		once := s.page()
		r := request("POST", urlencoded, "username=bob&gktinc_solution=QUJD&gktinc_once="+once)
		r.RemoteAddr = "[2001:db8::7]:4711"
		answer := s.do(r)
		if sameIP {
			s.requireRejected(v, answer, ReasonForeignOnce)
			continue
		}
		require.Equal(t, 200, answer.Code)
		require.Equal(t, "2001:db8::7", v.asked()[0]["client_ip"])
	}
	same := newSite(t, c, GuardOptions{SameIP: true})
	require.Equal(t, 200, same.post(append(good, same.page())...).Code)
}

// A careless store treats every page as unused, or fails.
type careless struct{ err error }

func (s *careless) Use(context.Context, string, time.Time) (bool, error) { return true, s.err }

// If many send the same form at once, only one gets through.
func TestProtectRace(t *testing.T) {
	v, c := serve(t, Closed)
	s := newSite(t, c, GuardOptions{})
	var through atomic.Int64
	handler := s.guard.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { through.Add(1) }))
	body := "username=bob&gktinc_solution=QUJD&gktinc_once=" + s.page()
	s.guard.options.Refuse = refuseShortly
	var running sync.WaitGroup
	for range 50 {
		running.Go(func() { handler.ServeHTTP(httptest.NewRecorder(), request("POST", urlencoded, body)) })
	}
	running.Wait()
	require.EqualValues(t, 1, through.Load())
	require.Len(t, v.asked(), 1)
}

func TestProtectPolicy(t *testing.T) {
	for _, test := range []struct {
		name     string
		status   int
		verdict  string
		solution string
		want     map[Policy]int // HTTP status
		err      error          // if there is no verdict
	}{
		{"accept", 200, accepted, "QUJD", map[Policy]int{Closed: 200, OpenOnOutage: 200, Open: 200}, nil},
		{"block", 200, `{"action":"BLOCK"}`, "QUJD", map[Policy]int{Closed: 403, OpenOnOutage: 403, Open: 403}, nil},
		{"outage", 502, "<html>", "QUJD", map[Policy]int{Closed: 503, OpenOnOutage: 200, Open: 200}, client.ErrUnavailable},
		{"wrong key", 401, "{}", "QUJD", map[Policy]int{Closed: 503, OpenOnOutage: 503, Open: 503}, client.ErrMisconfigured},
		{"no solution", 200, accepted, "", map[Policy]int{Closed: 403, OpenOnOutage: 403, Open: 200}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			for policy, want := range test.want {
				v, c := serve(t, policy)
				v.status, v.verdict = test.status, test.verdict
				s := newSite(t, c, GuardOptions{})
				once := s.page()
				answer := s.post("username", "bob", "gktinc_solution", test.solution, "gktinc_once", once)
				require.Equal(t, want, answer.Code, policy)
				require.NotContains(t, answer.Body.String(), "SENTINEL")
				if want == 503 {
					require.ErrorIs(t, s.err, test.err)
					require.ErrorIs(t, s.verdict.Err, test.err)
				}
				s.requireRejected(v.quiet(), s.post("username", "bob", "gktinc_solution", "QUJD", "gktinc_once", once), ReasonUnknownOnce)
			}
		})
	}
}

// quiet drops the recorded requests.
func (v *vendor) quiet() *vendor {
	v.asked()
	return v
}

func TestProtectStoreFails(t *testing.T) {
	broken := errors.New("the store is broken")
	for policy, want := range map[Policy]int{Closed: 503, OpenOnOutage: 200, Open: 200} {
		v, c := serve(t, policy)
		s := newSite(t, c, GuardOptions{Store: &careless{err: broken}})
		page, err := s.guard.Page(request("GET", "", ""))
		require.NoError(t, err, "pages do not need the store")
		answer := s.post("username", "bob", "gktinc_solution", "QUJD", "gktinc_once", page.OnceValue)
		require.Equal(t, want, answer.Code)
		if want == 503 {
			require.ErrorIs(t, s.err, broken)
			require.Equal(t, ReasonError, s.verdict.Reason)
			require.Empty(t, v.asked())
			continue
		}
		asked := v.asked()
		require.Len(t, asked, 1, "the service still decides")
		require.Equal(t, page.Config.Once, asked[0]["once"])
		require.Equal(t, 3.0, asked[0]["challenge_level"])
		require.Len(t, s.reported, 1)
		require.ErrorIs(t, s.reported[0], broken)

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		verdict, err := s.guard.Check(request("POST", urlencoded, "gktinc_once="+s.page()).WithContext(ended))
		require.ErrorIs(t, err, broken)
		require.False(t, verdict.Allowed)
	}
}

func TestProtectLevel(t *testing.T) {
	v, c := serve(t, Closed)
	v.level = `{"action":"ACCEPT","challenge_level":5,"sign":"s1gn"}`
	form := []string{"username", "bob", "gktinc_solution", "QUJD", "gktinc_once"}
	s := newSite(t, c, GuardOptions{AskLevel: true, PreEnforce: true})
	page, err := s.guard.Page(request("GET", "", ""))
	require.NoError(t, err)
	require.Equal(t, []string{"203.0.113.7"}, v.levels)
	require.Equal(t, 5, page.Config.ChallengeLevel)
	require.Equal(t, "s1gn", page.Config.Sign)
	require.False(t, page.Blocked)
	require.Equal(t, 200, s.post(append(form, page.OnceValue)...).Code)
	require.Equal(t, 5.0, v.asked()[0]["challenge_level"], "the level of the page")

	v.level = `{"action":"BLOCK","challenge_level":5,"sign":"s1gn"}`
	page, err = s.guard.Page(request("GET", "", ""))
	require.NoError(t, err)
	require.True(t, page.Blocked)
	s.requireRejected(v, s.post(append(form, page.OnceValue)...), ReasonBlocked)
	require.Equal(t, ActionBlock, s.verdict.Action)

	lenient := newSite(t, c, GuardOptions{AskLevel: true})
	page, err = lenient.guard.Page(request("GET", "", ""))
	require.NoError(t, err)
	require.False(t, page.Blocked)
	require.Equal(t, 200, lenient.post(append(form, page.OnceValue)...).Code)

	v.status, v.level = 500, `{"challenge_level":5}`
	page, err = s.guard.Page(request("GET", "", ""))
	require.NoError(t, err)
	require.Equal(t, 3, page.Config.ChallengeLevel)
	require.Empty(t, page.Config.Sign)
	require.Len(t, s.reported, 1)
	require.ErrorIs(t, s.reported[0], client.ErrUnavailable)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.guard.Page(request("GET", "", "").WithContext(ended))
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, s.reported, 1)
}

// The page and the form determine the visitor's address in the same way.
func TestProtectBehindProxy(t *testing.T) {
	v, c := serve(t, Closed)
	s := newSite(t, c, GuardOptions{AskLevel: true, Proxies: Proxies{TrustSocket: true}})
	for _, method := range []string{"GET", "POST"} {
		r := request(method, urlencoded, "username=bob&gktinc_solution=QUJD")
		r.RemoteAddr = "@"
		_, err := s.guard.Page(r)
		require.ErrorIs(t, err, errNoVisitor)
		_, err = s.guard.Check(r)
		require.ErrorIs(t, err, errNoVisitor)
	}
	r := request("GET", "", "")
	r.RemoteAddr = "@"
	r.Header.Set("X-Forwarded-For", "2001:db8::7")
	page, err := s.guard.Page(r)
	require.NoError(t, err)
	require.Equal(t, "2001:db8::7", page.Config.ClientIP)
	require.Equal(t, []string{"2001:db8::7"}, v.levels)
	r = request("POST", urlencoded, "username=bob&gktinc_solution=QUJD&gktinc_once="+page.OnceValue)
	r.RemoteAddr = "@"
	r.Header.Set("X-Forwarded-For", "2001:db8::7")
	require.Equal(t, 200, s.do(r).Code)
	require.Equal(t, "2001:db8::7", v.asked()[0]["client_ip"])
}

// multipartForm returns the form with a file of some bytes.
func multipartForm(t *testing.T, once string, size int) (contentType, body string) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, field := range [][2]string{{"username", "bob"}, {"gktinc_solution", "QUJD"}, {"gktinc_once", once}} {
		require.NoError(t, w.WriteField(field[0], field[1]))
	}
	file, err := w.CreateFormFile("photo", "photo.png")
	require.NoError(t, err)
	_, err = file.Write(bytes.Repeat([]byte("x"), size))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return w.FormDataContentType(), out.String()
}

func TestProtectBodies(t *testing.T) {
	v, c := serve(t, Closed)
	s := newSite(t, c, GuardOptions{MaxBody: 4 << 10})
	once := s.page()
	wantSize := float64(len(`a:3:{s:8:"username";s:3:"bob";s:15:"gktinc_solution";s:4:"";s:11:"gktinc_once";s:` + strconv.Itoa(len(once)) + `:"` + once + `";}`))
	run := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			s.T = t
			f(t)
		})
	}
	simple := func() string { return "username=bob&gktinc_solution=QUJD&gktinc_once=" + s.page() }

	run("multipart", func(t *testing.T) {
		contentType, body := multipartForm(t, s.page(), 100)
		r := request("POST", contentType, body)
		handler := s.guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			file, header, err := r.FormFile("photo")
			require.NoError(t, err)
			require.EqualValues(t, 100, header.Size)
			require.NoError(t, file.Close())
			require.Equal(t, "bob", r.PostFormValue("username"))
		}))
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		require.Equal(t, 200, answer.Code)
		require.Equal(t, wantSize, v.asked()[0]["form_payload_size"])
	})
	run("handler reads the raw body", func(t *testing.T) {
		body := simple()
		s.guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, body, string(got))
		})).ServeHTTP(httptest.NewRecorder(), request("POST", urlencoded, body))
		require.Len(t, v.asked(), 1)
	})
	run("charset", func(t *testing.T) {
		require.Equal(t, 200, s.do(request("POST", urlencoded+"; charset=UTF-8", simple())).Code)
		require.Len(t, v.asked(), 1)
	})
	run("unknown length", func(t *testing.T) {
		r := request("POST", urlencoded, simple())
		r.ContentLength = -1
		require.Equal(t, 200, s.do(r).Code)
		require.Len(t, v.asked(), 1)
	})
	run("parsed before", func(t *testing.T) {
		r := request("POST", urlencoded, simple())
		require.NoError(t, r.ParseForm())
		require.Equal(t, "welcome, bob", s.do(r).Body.String())
		require.Equal(t, wantSize, v.asked()[0]["form_payload_size"])
	})
	run("multipart, already parsed", func(t *testing.T) {
		contentType, body := multipartForm(t, s.page(), 100)
		r := request("POST", contentType, body)
		require.NoError(t, r.ParseMultipartForm(1<<20))
		require.Equal(t, "welcome, bob", s.do(r).Body.String())
		require.Equal(t, wantSize, v.asked()[0]["form_payload_size"])
	})
	run("multipart, only ParseForm called", func(t *testing.T) {
		contentType, body := multipartForm(t, s.page(), 100)
		r := request("POST", contentType, body)
		require.NoError(t, r.ParseForm())
		s.guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, r.ParseMultipartForm(1<<20))
			require.Equal(t, "bob", r.PostFormValue("username"))
		})).ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, wantSize, v.asked()[0]["form_payload_size"])
	})
	run("fields in the URL", func(t *testing.T) {
		r := request("POST", urlencoded, "")
		r.URL.RawQuery = simple()
		s.requireRejected(v, s.do(r), ReasonMissingOnce)
	})
	for _, contentType := range []string{"application/json", "text/plain", "", "/"} {
		run("type "+contentType, func(t *testing.T) {
			s.requireRejected(v, s.do(request("POST", contentType, simple())), ReasonMissingOnce)
		})
	}
	run("no body", func(t *testing.T) {
		r := request("POST", urlencoded, "")
		r.Body = nil
		s.requireRejected(v, s.do(r), ReasonMissingOnce)
	})

	contentType, body := multipartForm(t, s.page(), 100)
	longType, long := multipartForm(t, s.page(), 4<<10)
	for _, test := range []struct {
		name              string
		contentType, body string
		status            int
	}{
		{"too large", urlencoded, simple() + "&x=" + strings.Repeat("x", 4<<10), 413},
		{"file too large", longType, long, 413},
		{"cut", contentType, body[:len(body)-10], 400},
		{"no boundary", "multipart/form-data", body, 400},
	} {
		run(test.name, func(t *testing.T) {
			require.Equal(t, test.status, s.do(request("POST", test.contentType, test.body)).Code)
			require.ErrorIs(t, s.err, ErrForm)
			require.False(t, s.verdict.Allowed)
			require.Empty(t, v.asked())
		})
	}
	run("connection lost", func(t *testing.T) {
		r := request("POST", urlencoded, "")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(simple()), errorReader{}))
		require.Equal(t, 400, s.do(r).Code)
		require.ErrorIs(t, s.err, io.ErrUnexpectedEOF)
		require.Empty(t, v.asked())
	})
}

// A form is rejected if the service would check one part of it while the application behind
// the guard, in Go or in PHP, uses another.
func TestProtectReadInTwoWays(t *testing.T) {
	v, c := serve(t, Closed)
	s := newSite(t, c, GuardOptions{})
	const multipart = "multipart/form-data; boundary=B"
	part := func(disposition, value string) string {
		return "--B\r\nContent-Disposition: " + disposition + "\r\n\r\n" + value + "\r\n"
	}
	bob, alice := part(`form-data; name="username"`, "bob"), part(`form-data; name="username"`, "alice")
	rest := func() string {
		return part(`form-data; name="gktinc_once"`, s.page()) + part(`form-data; name="gktinc_solution"`, "AAAA") + "--B--\r\n"
	}
	for _, test := range []struct{ name, contentType, body string }{
		{"repeated", urlencoded, "username=bob&username=alice"},
		{"semicolon", urlencoded, "username=alice&username=bob;x"},
		{"escape", urlencoded, "username=alice&username=bob%zz"},
		{"space", urlencoded, "username=bob&+username=alice"},
		{"NUL", urlencoded, "username=bob&username%00=alice"},
		{"array", urlencoded, "username=bob&username[]=alice"},
		{"solution", urlencoded, "username=bob&gktinc_solution=BBBB"},
		{"once", urlencoded, "username=bob&gktinc_once=x"},
		{"repeated part", multipart, bob + alice},
		{"empty file name", multipart, part(`form-data; name="username"; filename=""`, "alice") + bob},
		{"not form-data", multipart, part(`attachment; name="username"`, "bob") + alice},
		{"quoted-printable", multipart, part("form-data; name=\"username\"\r\nContent-Transfer-Encoding: quoted-printable", "=61lice")},
		{"two names", multipart, bob + part(`form-data; name="x"; name="username"`, "alice")},
		{"single quotes", multipart, bob + part(`form-data; name='username'`, "alice")},
		{"extended name", multipart, bob + part(`form-data; name="username"; name*=utf-8\'\'x`, "alice")},
		{"no disposition", multipart, bob + "--B\r\nX: y\r\n\r\nalice\r\n"},
		{"line feed", multipart, bob + part(`form-data; name="x"`, "1\n--B\nContent-Disposition: form-data; name=\"username\"\n\nalice")},
		{"two boundaries", "multipart/form-data; xboundary=A; boundary=B", bob},
	} {
		body := test.body + "&gktinc_solution=AAAA&gktinc_once=" + s.page()
		if test.contentType != urlencoded {
			body = test.body + rest()
		}
		require.Equal(t, 400, s.do(request("POST", test.contentType, body)).Code, test.name)
		require.ErrorIs(t, s.err, ErrForm, test.name)
		require.Empty(t, v.asked(), test.name)
	}
	require.Equal(t, 400, s.do(request("POST", urlencoded, "username=bob;x&username=%zz&username=alice&gktinc_solution=AAAA&gktinc_once="+s.page())).Code)
	require.Empty(t, s.seen)

	parsed := request("POST", urlencoded, "username=bob&username=alice&gktinc_solution=AAAA&gktinc_once="+s.page())
	require.NoError(t, parsed.ParseForm())
	require.Equal(t, 400, s.do(parsed).Code)

	require.Equal(t, "welcome, bob", s.do(request("POST", multipart, bob+rest())).Body.String())
	require.Equal(t, "welcome, bob", s.post("username", "bob", "x", "1", "x", "2", "gktinc_solution", "AAAA", "gktinc_once", s.page()).Body.String())
	require.Len(t, v.asked(), 2)
}

// The name of a monitored input may be one that PHP drops, or an element of an array.
func TestProtectFieldNames(t *testing.T) {
	v, c := serve(t, Closed)
	for _, name := range []string{"user[name]", "user[]", "user.name", "[user]", "a[b][c]", "a[__Host-b][c]"} {
		s := newSite(t, c, GuardOptions{Field: name})
		require.Equal(t, 200, s.post(name, "bob", "a[b][d]", "x", "gktinc_solution", "AAAA", "gktinc_once", s.page()).Code, name)
		require.Equal(t, "bob", v.asked()[0]["form_input_element_value"], name)
	}
	s := newSite(t, c, GuardOptions{Field: "user[name]"})
	require.Equal(t, 400, s.post("user[name]", "bob", "user", "alice", "gktinc_solution", "AAAA", "gktinc_once", s.page()).Code)
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestNewGuard(t *testing.T) {
	c := newClient(t)
	for name, o := range map[string]GuardOptions{
		"URL":        {},
		"Lifetime":   {URL: "example.com/", Lifetime: -1},
		"MaxBody":    {URL: "example.com/", MaxBody: -1},
		"PreEnforce": {URL: "example.com/", PreEnforce: true},
		"Proxies":    {URL: "example.com/", Proxies: Proxies{Trusted: make([]netip.Prefix, 1)}},
		"ScriptURL":  {URL: "example.com/", Page: PageOptions{ScriptURL: "javascript:x"}},
	} {
		_, err := c.NewGuard(o)
		require.ErrorIs(t, err, client.ErrMisconfigured, name)
		require.ErrorContains(t, err, "client: gktinc/config: GuardOptions")
		require.ErrorContains(t, err, name)
	}
	_, ok := VerdictFrom(t.Context())
	require.False(t, ok)
}
