package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/gkpow/gkpow/client"
)

// An API can call any JSON service. It retries temporary failures, limits the size of
// answers, and shows no secrets.
func ExampleNewAPI() {
	// This server stands in for the service. Its first response is a temporary failure.
	failed := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !failed:
			failed = true
			w.WriteHeader(http.StatusBadGateway)
		case r.Header.Get("Authorization") != "Bearer key-1234":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"unknown_key"}`)
		default:
			_, _ = io.WriteString(w, `{"score":0.25}`)
		}
	}))
	defer server.Close()

	for _, key := range []string{"key-1234", "key-9999"} {
		api, err := client.NewAPI(client.APIConfig{
			Name:     "reputation",
			Variable: "REPUTATION_URL",
			URL:      server.URL,
			Advise: func(e *client.Error) string {
				if errors.Is(e, client.ErrMisconfigured) {
					return "check REPUTATION_KEY"
				}
				return ""
			},
			Secrets: []client.Secret{client.NewSecret(key)},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		answer, err := api.Do(context.Background(), client.APIRequest{
			Op:     "score",
			Path:   "/v1/score?ip=192.0.2.1",
			Header: http.Header{"Authorization": {"Bearer " + key}},
		})
		if err != nil {
			fmt.Println(err)
			continue
		}
		var reputation struct{ Score float64 }
		if err := json.Unmarshal(answer.Body, &reputation); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("score", reputation.Score, "after", answer.Attempts, "requests")
	}
	// Output:
	// score 0.25 after 2 requests
	// client: reputation/score: unknown_key (HTTP 401): check REPUTATION_KEY
}
