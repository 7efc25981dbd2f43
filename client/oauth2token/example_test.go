package oauth2token_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"golang.org/x/oauth2"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/oauth2token"
)

// An oauth2.Transport of golang.org/x/oauth2 sends the token as a bearer token.
func ExampleNew() {
	service := httptest.NewServer(gktest.New(gktest.Options{Difficulty: 1}))
	defer service.Close()
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("Authorization")[:7])
	}))
	defer api.Close()

	c, err := client.New(client.Config{URL: service.URL, SiteKey: gktest.SiteKey, SecretKey: client.NewSecret(gktest.SecretKey)})
	if err != nil {
		log.Fatal(err)
	}
	source := client.NewSource(c, client.SourceOptions{})
	web := &http.Client{Transport: &oauth2.Transport{Source: oauth2token.New(context.Background(), source, time.Minute)}}
	response, err := web.Get(api.URL)
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	// Output: Bearer
}
