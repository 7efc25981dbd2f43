package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
)

func ExampleClient_Token() {
	// The emulator stands in for the service; a real program leaves Config.URL empty.
	server := httptest.NewServer(gktest.New(gktest.Options{Difficulty: 3}))
	defer server.Close()

	c, err := client.New(client.Config{
		SiteKey:   gktest.SiteKey,
		SecretKey: client.NewSecret(gktest.SecretKey),
		URL:       server.URL,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := c.Token(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("printed:", token.Value)
	fmt.Println("revealed:", token.Value.Reveal()[:20]+"...")
	fmt.Println("rounds:", token.Rounds)
	// Output:
	// printed: [redacted]
	// revealed: eyJhbGciOiJIUzI1NiIs...
	// rounds: 1
}

func ExampleError() {
	server := httptest.NewServer(gktest.New(gktest.Options{M2MDisabled: true}))
	defer server.Close()
	c, err := client.New(client.Config{
		SiteKey:   gktest.SiteKey,
		SecretKey: client.NewSecret(gktest.SecretKey),
		URL:       server.URL,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Token(context.Background())
	fmt.Println(errors.Is(err, client.ErrMisconfigured), errors.Is(err, client.CodeM2MDisabled))
	fmt.Println(err)
	// Output:
	// true true
	// client: challenge: m2m_disabled (HTTP 403): M2M needs a Starter plan or higher and must be enabled for the site in the dashboard
}

func ExampleParseChallenge() {
	challenge, err := client.ParseChallenge([]byte(`{
		"challengeId": "a1b2c3d4", "salt": "7f8e9d0c", "nonce": "server-seed",
		"difficulty": 6, "expiresAt": 1700000060
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	puzzle, err := challenge.Puzzle()
	fmt.Printf("%s %d bits, until %s, %v\n", puzzle.Prefix, puzzle.Bits, challenge.ExpiresAt.UTC(), err)
	// Output:
	// 7f8e9d0c: 24 bits, until 2023-11-14 22:14:20 +0000 UTC, <nil>
}

// emulated returns a client of an emulator of the service.
func emulated(server *httptest.Server) *client.Client {
	c, err := client.New(client.Config{
		SiteKey:   gktest.SiteKey,
		SecretKey: client.NewSecret(gktest.SecretKey),
		URL:       server.URL,
	})
	if err != nil {
		panic(err)
	}
	return c
}

// All callers share one token, so there is only one handshake.
func ExampleSource() {
	service := gktest.New(gktest.Options{Difficulty: 3})
	server := httptest.NewServer(service)
	defer server.Close()

	source := client.NewSource(emulated(server), client.SourceOptions{
		OnToken: func(token client.Token) { fmt.Println("new token:", token.Value) },
	})
	defer source.Close()

	var callers sync.WaitGroup
	for range 1000 {
		callers.Go(func() {
			if _, err := source.Token(context.Background()); err != nil {
				fmt.Println(err)
			}
		})
	}
	callers.Wait()
	fmt.Println("handshakes:", service.Counts().Challenges)
	// Output:
	// new token: [redacted]
	// handshakes: 1
}

// A program calls a protected API, which verifies the token with the service.
func ExampleTransport() {
	server := httptest.NewServer(gktest.New(gktest.Options{Difficulty: 3}))
	defer server.Close()
	c := emulated(server)

	protect := c.RequireToken(client.RequireOptions{})
	api := httptest.NewServer(protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verdict, _ := client.VerdictFrom(r.Context())
		fmt.Fprintf(w, "welcome, %s of %s", verdict.Action, verdict.Hostname)
	})))
	defer api.Close()

	source := client.NewSource(c, client.SourceOptions{})
	defer source.Close()
	program := &http.Client{Transport: client.NewTransport(source, client.TransportOptions{})}
	response, err := program.Get(api.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(body), err)
	// Output:
	// 200 welcome, m2m of localhost <nil>
}

func ExampleClient_RequireToken() {
	server := httptest.NewServer(gktest.New(gktest.Options{}))
	defer server.Close()
	protect := emulated(server).RequireToken(client.RequireOptions{
		Verify: client.VerifyOptions{Expected: client.Expected{Hostname: "localhost", MaxScore: 0.5}},
		Refuse: func(w http.ResponseWriter, _ *http.Request, verdict client.Verdict, err error) {
			if err != nil { // without a verdict the request must not pass
				http.Error(w, "try again later", http.StatusServiceUnavailable)
				return
			}
			http.Error(w, verdict.Err().Error(), http.StatusForbidden)
		},
	})
	page := protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))

	request := httptest.NewRequest(http.MethodPost, "/contact", nil)
	request.Header.Set(client.DefaultHeader, "made.up.token")
	answer := httptest.NewRecorder()
	page.ServeHTTP(answer, request)
	fmt.Print(answer.Code, " ", answer.Body)
	// Output:
	// 403 client: token/verify: invalid-input-response (HTTP 200)
}

func ExampleClient_VerifyToken() {
	server := httptest.NewServer(gktest.New(gktest.Options{Difficulty: 3, SingleUse: true}))
	defer server.Close()
	c := emulated(server)
	token, err := c.Token(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		verdict, err := c.VerifyToken(context.Background(), token.Value.Reveal(), client.VerifyOptions{ClientIP: "192.0.2.1"})
		fmt.Println(verdict.OK(), verdict.ReasonCodes, err)
	}
	// Output:
	// true [] <nil>
	// false [timeout-or-duplicate] <nil>
}
