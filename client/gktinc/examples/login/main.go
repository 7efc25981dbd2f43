// Command login is a login page that GKTinc protects, as an example of package
// gktinc:
//
//	go run ./client/gktinc/examples/login
//
// Without keys it uses an emulator of the service in the same process and, in
// place of the vendor's script, a stand-in for it. With GKTINC_API_KEY and
// GKTINC_HASHID it uses the service and the vendor's script. The user is alice,
// her password is wonderland.
package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"time"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
)

var (
	//go:embed login.html
	loginHTML string
	loginPage = template.Must(template.New("login").Parse(loginHTML))

	//go:embed stand-in-for-vendor-script.js
	standIn []byte
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address and port to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	config := gktinc.Config{APIKey: client.NewSecret(os.Getenv("GKTINC_API_KEY")), HashID: os.Getenv("GKTINC_HASHID")}
	script := ""
	if config.APIKey.IsZero() && config.HashID == "" {
		emulator := httptest.NewServer(gktest.New(gktest.Options{}))
		defer emulator.Close()
		config = gktinc.Config{URL: emulator.URL, APIKey: client.NewSecret(gktest.GKTincAPIKey), HashID: gktest.GKTincHashID}
		script = standInPath
	}
	handler, err := site(config, *listen+"/login", script)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *listen, Handler: handler, ReadTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	fmt.Printf("http://%s/login\n", *listen)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

const standInPath = "/stand-in-for-vendor-script.js"

// site returns the pages. The url is host and path of the login page; the script
// is the vendor's if it is "".
func site(config gktinc.Config, url, script string) (http.Handler, error) {
	config.OnDegraded = func(err error) { log.Print(err) }
	c, err := gktinc.New(config)
	if err != nil {
		return nil, err
	}
	guard, err := c.NewGuard(gktinc.GuardOptions{
		URL:      url,
		Field:    "username",
		Page:     gktinc.PageOptions{FormID: "login", ScriptURL: script},
		AskLevel: true,
		OnError:  func(_ *http.Request, err error) { log.Print(err) },
	})
	if err != nil {
		return nil, err
	}
	login := &login{guard: guard}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", login.show)
	mux.HandleFunc("POST /login", login.submit)
	pages := http.NewServeMux()
	pages.Handle("/login", guard.Protect(mux))
	pages.HandleFunc("GET "+standInPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(standIn)
	})
	pages.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return pages, nil
}

// login is the page itself. It knows nothing of GKTinc but where to put it.
type login struct{ guard *gktinc.Guard }

func (l *login) show(w http.ResponseWriter, r *http.Request) { l.page(w, r, http.StatusOK, "") }

func (l *login) page(w http.ResponseWriter, r *http.Request, status int, message string) {
	page, err := l.guard.Page(r)
	if err != nil {
		log.Print(err)
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	page.Nonce = rand.Text()
	w.Header().Set("Content-Security-Policy", "script-src 'nonce-"+page.Nonce+"' 'strict-dynamic'; object-src 'none'; base-uri 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := loginPage.Execute(w, map[string]any{"GKTinc": page, "Message": message}); err != nil {
		log.Print(err)
	}
}

// submit is called for forms that GKTinc accepts.
func (l *login) submit(w http.ResponseWriter, r *http.Request) {
	user := r.PostFormValue("username")
	if user != "alice" || subtle.ConstantTimeCompare([]byte(r.PostFormValue("password")), []byte("wonderland")) != 1 {
		l.page(w, r, http.StatusUnauthorized, "The user name or the password is wrong.")
		return
	}
	verdict, _ := gktinc.VerdictFrom(r.Context())
	log.Printf("%s has logged in: %s", user, verdict.Action)
	fmt.Fprintln(w, "welcome, alice")
}
