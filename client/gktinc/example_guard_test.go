package gktinc_test

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
)

// emulated returns a client of an emulator of the service.
func emulated(emulator *httptest.Server) *gktinc.Client {
	c, err := gktinc.New(gktinc.Config{
		APIKey: client.NewSecret(gktest.GKTincAPIKey),
		HashID: gktest.GKTincHashID,
		URL:    emulator.URL,
	})
	if err != nil {
		panic(err)
	}
	return c
}

var loginPage = template.Must(template.New("login").Parse(`
<form method="post" id="login">
{{.Field}}
<input name="username" id="username"> <input name="password" type="password"> <button>Log in</button>
</form>
{{.Scripts}}`))

// A login page, from the form to the verdict. See examples/login for a complete
// program.
func ExampleGuard() {
	// The emulator stands in for the service; a real program leaves Config.URL empty.
	emulator := httptest.NewServer(gktest.New(gktest.Options{}))
	defer emulator.Close()
	guard, err := emulated(emulator).NewGuard(gktinc.GuardOptions{
		URL:     "example.com/login",
		Page:    gktinc.PageOptions{FormID: "login"},
		Proxies: gktinc.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var once string // in reality only the page has it
	server := httptest.NewServer(guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			page, err := guard.Page(r)
			if err != nil {
				http.Error(w, "try again later", http.StatusServiceUnavailable)
				return
			}
			once = page.OnceValue
			_ = loginPage.Execute(w, page)
			return
		}
		verdict, _ := gktinc.VerdictFrom(r.Context())
		fmt.Fprintf(w, "welcome, %s: %s", r.PostFormValue("username"), verdict.Action)
	})))
	defer server.Close()

	page, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	page.Body.Close()
	// This is what a browser sends. The vendor's script has added gktinc_solution.
	form := url.Values{"username": {"bob"}, "password": {"x"}, "gktinc_once": {once}, "gktinc_solution": {"AAAA"}}
	for range 2 {
		answer, err := http.PostForm(server.URL, form)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		fmt.Println(answer.StatusCode, string(body))
	}
	// Output:
	// 200 welcome, bob: ACCEPT
	// 403 the form was not accepted: load the page again
}

// A Refuse function of your own can distinguish the reasons.
func ExampleGuardOptions_refuse() {
	emulator := httptest.NewServer(gktest.New(gktest.Options{}))
	defer emulator.Close()
	guard, err := emulated(emulator).NewGuard(gktinc.GuardOptions{
		URL: "example.com/login",
		Refuse: func(w http.ResponseWriter, _ *http.Request, verdict gktinc.Verdict, err error) {
			switch {
			case err != nil:
				http.Error(w, "try again later", http.StatusServiceUnavailable)
			case verdict.Reason == gktinc.ReasonUnknownOnce:
				http.Error(w, "this page is too old", http.StatusForbidden)
			default:
				http.Error(w, string(verdict.Reason), http.StatusForbidden)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := httptest.NewRecorder()
	guard.Protect(http.NotFoundHandler()).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/login", nil))
	fmt.Print(answer.Code, " ", answer.Body)
	// Output:
	// 403 missing_once
}

func ExampleProxies_ClientIP() {
	proxies := gktinc.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	request := httptest.NewRequest(http.MethodPost, "/login", nil)
	request.Header.Set("X-Forwarded-For", "198.51.100.1, 2001:db8::7, 10.0.0.3")

	request.RemoteAddr = "10.0.0.2:4711" // a proxy; the visitor may have forged the first address
	fmt.Println(proxies.ClientIP(request))
	request.RemoteAddr = "203.0.113.9:4711" // not a proxy
	fmt.Println(proxies.ClientIP(request))
	// Output:
	// 2001:db8::7
	// 203.0.113.9
}
