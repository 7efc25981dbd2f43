package gktinc

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
)

// inMemory serves requests without a network, so that the fake clock of a synctest bubble
// can advance.
func inMemory(h http.Handler) func(*Config) {
	return func(c *Config) {
		c.URL = "https://gktinc.example"
		c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
			return w.Result(), nil
		})}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The client retries a request without a response. If the first attempt may have used the
// solution up, the verdict is marked as ambiguous.
func TestRetries(t *testing.T) {
	service := gktest.New(gktest.Options{GKTinc: gktest.GKTincOptions{SingleUse: true}, Clock: time.Now})
	for name, r := range map[string]struct {
		lose      []bool // for each failing request: whether the service processed it
		retries   int
		action    Action // "" means an error
		ambiguous bool
	}{
		"not at all":       {nil, 0, ActionAccept, false},
		"before":           {[]bool{false}, 0, ActionAccept, false},
		"before, twice":    {[]bool{false, false}, 0, ActionAccept, false},
		"before, thrice":   {[]bool{false, false, false}, 0, "", false},
		"thrice, allowed":  {[]bool{false, false, false}, 3, ActionAccept, false},
		"after":            {[]bool{true}, 0, ActionInvalid, true},
		"none are allowed": {[]bool{false}, -1, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					asked++
					if asked > len(r.lose) {
						service.ServeHTTP(w, req)
						return
					}
					if r.lose[asked-1] {
						service.ServeHTTP(httptest.NewRecorder(), req)
					}
					saysJSON(503, `{}`)(w, req)
				})
				config := Config{APIKey: client.NewSecret(gktest.GKTincAPIKey), HashID: gktest.GKTincHashID, MaxRetries: r.retries}
				inMemory(h)(&config)
				c, err := New(config)
				require.NoError(t, err)
				v := submitted()
				v.Once = name
				verdict, err := c.Validate(t.Context(), v)
				requireConsistent(t, Closed, verdict, err)
				require.Equal(t, r.action, verdict.Action)
				require.Equal(t, r.action == "", err != nil)
				require.Equal(t, r.ambiguous, verdict.Ambiguous)
			})
		})
	}
}

// Only the action INVALID can be an effect of the first attempt.
func TestBlockIsNotAmbiguous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := false
		config := Config{APIKey: client.NewSecret("k"), HashID: "h"}
		inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !lost {
				lost = true
				saysJSON(503, `{}`)(w, r)
				return
			}
			saysJSON(200, `{"action":"BLOCK"}`)(w, r)
		}))(&config)
		c, err := New(config)
		require.NoError(t, err)
		verdict, err := c.Validate(t.Context(), submitted())
		require.NoError(t, err)
		require.Equal(t, ActionBlock, verdict.Action)
		require.False(t, verdict.Ambiguous)
	})
}

// If the service does not answer, a visitor waits no longer than Config.Timeout.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		config := Config{APIKey: client.NewSecret("k"), HashID: "h", Policy: OpenOnOutage}
		inMemory(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked++; <-r.Context().Done() }))(&config)
		c, err := New(config)
		require.NoError(t, err)
		start := time.Now()
		verdict, err := c.Validate(t.Context(), submitted())
		require.NoError(t, err)
		require.True(t, verdict.Allowed)
		require.Equal(t, 1, asked)
		require.InDelta(t, 5, time.Since(start).Seconds(), 0.1)
	})
}
