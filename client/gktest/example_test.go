package gktest_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
)

// A test of a program that gets tokens runs the service in the same process, with easy
// puzzles.
func ExampleNew() {
	service := gktest.New(gktest.Options{Difficulty: 1})
	server := httptest.NewServer(service)
	defer server.Close()

	c, err := client.New(client.Config{
		URL:       server.URL,
		SiteKey:   gktest.SiteKey,
		SecretKey: client.NewSecret(gktest.SecretKey),
	})
	if err != nil {
		log.Fatal(err)
	}
	token, err := c.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.CheckAlive() == nil, service.Counts().Challenges, "challenge")
	// Output: true 1 challenge
}

// The service can reject requests, as the real one does when machine-to-machine tokens
// are disabled.
func ExampleService_SetM2MDisabled() {
	service := gktest.New(gktest.Options{Difficulty: 1})
	server := httptest.NewServer(service)
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, SiteKey: gktest.SiteKey, SecretKey: client.NewSecret(gktest.SecretKey)})
	if err != nil {
		log.Fatal(err)
	}
	service.SetM2MDisabled(true)
	_, err = c.Token(context.Background())
	fmt.Println(err != nil)
	// Output: true
}
