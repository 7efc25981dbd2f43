package gktinc

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/internal/leaktest"
)

// A fault is a way in which the service fails to give a verdict, with the error that
// errors.Is must find.
type fault struct {
	handler http.HandlerFunc
	kind    error
}

func faults() map[string]fault {
	const leak = "<p>" + gktest.GKTincAPIKey
	redirect := func(status int) http.HandlerFunc {
		return saysJSON(status, `{"action":"ACCEPT"}`, "Location", "https://elsewhere.example/"+gktest.GKTincAPIKey)
	}
	all := map[string]fault{
		"408":           {saysJSON(408, `{}`), client.ErrUnavailable},
		"429":           {saysJSON(429, `{"action":"ACCEPT"}`, "Retry-After", "5"), client.ErrRateLimited},
		"HTML 429":      {says(429, "text/html", leak), client.ErrRateLimited},
		"500":           {saysJSON(500, `{"action":"ACCEPT"}`), client.ErrUnavailable},
		"HTML 502":      {says(502, "text/html", leak), client.ErrUnavailable},
		"503":           {saysJSON(503, `{"error":"quota_exceeded"}`, "Retry-After", "1"), client.ErrUnavailable},
		"301":           {redirect(301), client.ErrUnavailable},
		"307":           {redirect(307), client.ErrUnavailable},
		"304":           {saysJSON(304, ``), client.ErrUnavailable},
		"HTML 200":      {says(200, "text/html", leak), client.ErrUnavailable},
		"empty":         {saysJSON(200, ``), client.ErrUnavailable},
		"204":           {saysJSON(204, ``), client.ErrUnavailable},
		"null":          {saysJSON(200, `null`), client.ErrUnavailable},
		"array":         {saysJSON(200, `[{"action":"ACCEPT"}]`), client.ErrUnavailable},
		"string":        {saysJSON(200, `"ACCEPT"`), client.ErrUnavailable},
		"trailing":      {saysJSON(200, `{"action":"ACCEPT"}{}`), client.ErrUnavailable},
		"half":          {saysJSON(200, `{"action":"ACCEPT"`), client.ErrUnavailable},
		"failed":        {saysJSON(200, `{"success":false,"action":"ACCEPT","error":"invalid_key"}`), client.ErrUnavailable},
		"oversized":     {saysJSON(200, `{"action":"ACCEPT","x":"`+strings.Repeat("x", 1<<20)+`"}`), client.ErrUnavailable},
		"cut":           {saysJSON(200, `{"action":"ACCEPT"}`, "Content-Length", "1000"), client.ErrUnavailable},
		"deep":          {saysJSON(200, strings.Repeat(`{"action":`, 20000)), client.ErrUnavailable},
		"hangs up":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, client.ErrUnavailable},
		"never answers": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, client.ErrUnavailable},
		"slow for ever": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" "))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		}, client.ErrUnavailable},
	}
	for _, status := range []int{400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 451} {
		all[fmt.Sprint(status)] = fault{saysJSON(status, `{"action":"ACCEPT","error":"`+gktest.GKTincAPIKey+`"}`), client.ErrMisconfigured}
		all[fmt.Sprint("HTML ", status)] = fault{says(status, "text/html", leak), client.ErrMisconfigured}
	}
	return all
}

func TestFaults(t *testing.T) {
	for name, f := range faults() {
		t.Run(name, func(t *testing.T) {
			for _, policy := range allPolicies {
				var reported []error
				c := clientOf(t, f.handler, func(c *Config) {
					c.Policy, c.Timeout = policy, 150*time.Millisecond
					c.OnDegraded = func(err error) { reported = append(reported, err) }
				})
				verdict, err := c.Validate(t.Context(), submitted())
				requireConsistent(t, policy, verdict, err)
				require.ErrorIs(t, verdict.Err, f.kind)
				wantAllowed := policy == Open && f.kind != client.ErrMisconfigured || policy == OpenOnOutage && f.kind == client.ErrUnavailable
				require.Equal(t, wantAllowed, verdict.Allowed, "%v: %v", policy, verdict.Err)
				require.Equal(t, !wantAllowed, err != nil)
				if wantAllowed {
					require.Equal(t, []error{verdict.Err}, reported)
				} else {
					require.Empty(t, reported)
				}
				require.NotContains(t, verdict.Err.Error(), "GKCAPTCHA")

				level, err := c.ChallengeLevel(t.Context(), visitor)
				require.ErrorIs(t, err, f.kind)
				require.Equal(t, Level{}, level)
				leaktest.RequireSafe(t, err, gktest.GKTincAPIKey)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	for _, policy := range allPolicies {
		c := clientOf(t, nil, func(c *Config) { c.URL, c.Policy = server.URL, policy })
		verdict, err := c.Validate(t.Context(), submitted())
		requireConsistent(t, policy, verdict, err)
		require.Equal(t, ReasonUnavailable, verdict.Reason)
		require.Equal(t, policy != Closed, verdict.Allowed)
	}
}
