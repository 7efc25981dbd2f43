package diskcache_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/diskcache"
	"github.com/gkpow/gkpow/client/gktest"
)

func Example() {
	service := gktest.New(gktest.Options{Difficulty: 3})
	server := httptest.NewServer(service)
	defer server.Close()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	for range 3 { // like three runs of the program
		c, err := client.New(client.Config{
			SiteKey:   gktest.SiteKey,
			SecretKey: client.NewSecret(gktest.SecretKey),
			URL:       server.URL,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		tokens := diskcache.New(c, diskcache.Options{
			Dir:       dir, // a real program leaves it empty
			OnWarning: func(err error) { fmt.Fprintln(os.Stderr, "warning:", err) },
		})
		token, err := tokens.Token(context.Background())
		fmt.Println("from the file:", err == nil && token.Rounds == 0)
	}
	fmt.Println("handshakes:", service.Counts().Challenges)
	// Output:
	// from the file: false
	// from the file: true
	// from the file: true
	// handshakes: 1
}
