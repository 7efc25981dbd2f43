package gktinc_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
)

// Without a Guard, a program requests the visitor's level before it sends the page, and a
// verdict when the form arrives.
func ExampleClient_Validate() {
	// The emulator stands in for the service; a real program leaves Config.URL empty.
	emulator := httptest.NewServer(gktest.New(gktest.Options{}))
	defer emulator.Close()
	c, err := gktinc.New(gktinc.Config{
		APIKey: client.NewSecret(gktest.GKTincAPIKey),
		HashID: gktest.GKTincHashID,
		URL:    emulator.URL,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, visitor := context.Background(), netip.MustParseAddr("192.0.2.1")

	level, err := c.ChallengeLevel(ctx, visitor)
	if err != nil {
		level = c.DefaultLevel() // the page does not depend on the service
	}
	page, err := c.PageConfig("example.com/login", visitor, level)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("level", page.ChallengeLevel)

	form, err := gktinc.ParseForm("application/x-www-form-urlencoded",
		[]byte("username=alice&password=secret&gktinc_solution=AAAA"))
	if err != nil {
		fmt.Println(err)
		return
	}
	verdict, err := c.Validate(ctx, gktinc.Validation{
		Solution:              form.Value(gktinc.SolutionField),
		ClientIP:              visitor,
		URL:                   page.URL,
		Once:                  page.Once, // stored in the session and accepted only once
		FormPayloadSize:       c.PayloadSize(form),
		FormInputElementValue: form.Value("username"),
		ChallengeLevel:        page.ChallengeLevel,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(verdict.Action, verdict.Allowed)
	// Output:
	// level 3
	// ACCEPT true
}
