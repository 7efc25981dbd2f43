package rediscache_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/rediscache"
)

// The members of a fleet share one token. Here the server is unreachable, so the member
// gets its own token.
func ExampleNew() {
	service := httptest.NewServer(gktest.New(gktest.Options{Difficulty: 1}))
	defer service.Close()
	c, err := client.New(client.Config{
		URL:       service.URL,
		SiteKey:   gktest.SiteKey,
		SecretKey: client.NewSecret(gktest.SecretKey),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := rediscache.New(c, rediscache.Options{
		URL:       "redis://127.0.0.1:1", // no server listens there
		OnWarning: func(error) { fmt.Println("warning: the shared cache is unavailable") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tokens.Close()
	token, err := tokens.Token(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.CheckAlive() == nil, tokens.Stats().Alone)
	// Output:
	// warning: the shared cache is unavailable
	// true 1
}
