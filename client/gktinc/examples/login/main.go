// Command login serves a login page that GKTinc protects. It is an example of package
// gktinc:
//
//	go run ./client/gktinc/examples/login
//
// Without keys it runs an emulator of the service in the same process and uses a
// stand-in for the vendor's script. With GKTINC_API_KEY and GKTINC_HASHID it uses the
// real service and the vendor's script. The user is alice; her password is wonderland.
package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net"
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
		script = emulator.URL + gktest.StandInPath
	}
	handler, err := site(config, *listen+"/login", script)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	fmt.Printf("Open http://%s/login and log in as alice with the password wonderland.\n", *listen)
	if script != "" {
		fmt.Println("The page uses an emulator of GKTinc, which accepts every form that its stand-in for the vendor's script has filled in.")
	}
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

// site returns the handler of all pages. url is the host and path of the login page.
// script is the URL of the script; "" means the vendor's.
func site(config gktinc.Config, url, script string) (http.Handler, error) {
	config.OnDegraded = func(err error) { log.Print(err) }
	c, err := gktinc.New(config)
	if err != nil {
		return nil, err
	}
	login := &login{emulated: script != ""}
	login.guard, err = c.NewGuard(gktinc.GuardOptions{
		URL:      url,
		Field:    "username",
		Page:     gktinc.PageOptions{FormID: "login", ScriptURL: script},
		AskLevel: true,
		Refuse:   login.refuse,
		OnError:  func(_ *http.Request, err error) { log.Print(err) },
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", login.show)
	mux.HandleFunc("POST /login", login.submit)
	pages := http.NewServeMux()
	pages.Handle("/login", login.guard.Protect(mux))
	pages.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return pages, nil
}

// login is the login page. Its only task for GKTinc is to insert the guard's elements.
type login struct {
	guard    *gktinc.Guard
	emulated bool
}

// refuse shows the form again, with a message that says what to do.
func (l *login) refuse(w http.ResponseWriter, r *http.Request, verdict gktinc.Verdict, err error) {
	status, message := http.StatusForbidden, "That did not work. Please try again."
	switch {
	case errors.Is(err, gktinc.ErrForm), errors.Is(err, client.ErrRejected):
		status, message = http.StatusBadRequest, "The form could not be read. Please fill it in again."
	case err != nil:
		status, message = http.StatusServiceUnavailable, "You cannot log in at the moment. Please try again in a few minutes."
	case verdict.Reason == gktinc.ReasonUnknownOnce:
		message = "This page was too old, or its form had been sent before. Please try again."
	case verdict.Reason == gktinc.ReasonMissingSolution:
		message = "Your browser did not run this page's script. Please allow JavaScript and try again."
	}
	log.Printf("rejected: %s %v", verdict.Reason, err)
	l.page(w, r, status, message)
}

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
	if err := loginPage.Execute(w, map[string]any{"GKTinc": page, "Message": message, "Emulated": l.emulated}); err != nil {
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
	log.Printf("%s logged in: %s", user, verdict.Action)
	fmt.Fprintln(w, "welcome, alice")
}
