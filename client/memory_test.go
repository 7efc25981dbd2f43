package client

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/internal/pause"
	"github.com/gkpow/gkpow/solver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inMemory serves requests in the caller's goroutine, so that the fake clock of a
// synctest bubble can advance.
func inMemory(h http.Handler) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		response := w.Result()
		response.Request = r
		return response, nil
	})}
}

// newMemoryClient returns a client that calls the handler without a network.
func newMemoryClient(t testing.TB, h http.Handler, change ...func(*Config)) *Client {
	t.Helper()
	config := Config{
		SiteKey:    gktest.SiteKey,
		SecretKey:  NewSecret(gktest.SecretKey),
		URL:        "https://gk.example",
		HTTPClient: inMemory(h),
		Solver:     loop,
	}
	for _, f := range change {
		f(&config)
	}
	c, err := New(config)
	require.NoError(t, err)
	return c
}

// slow returns a solver that works like loop but takes d longer.
func slow(d time.Duration) PuzzleSolver {
	return solverFunc(func(ctx context.Context, p solver.Puzzle) (solver.Solution, error) {
		if !pause.For(ctx, d) {
			return solver.Solution{}, ctx.Err()
		}
		return loop(ctx, p)
	})
}

// bubble runs f in a synctest bubble, whose fake clock advances when all goroutines
// wait. The test fails if f leaves a goroutine behind.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}
