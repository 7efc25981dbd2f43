package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
)

func ExampleClient_Token() {
	// A stand-in for the service; a real program leaves Config.URL empty.
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
