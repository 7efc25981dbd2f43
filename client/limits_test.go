package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// limited returns an API that uses no network, for use in a bubble: answer answers its requests.
func limited(t *testing.T, l Limits, answer func(*http.Request) (status int, body string)) *API {
	a, err := NewAPI(APIConfig{
		DefaultURL: "https://api.example",
		MaxRetries: -1,
		Limits:     l,
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			status, body := answer(r)
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
			w := httptest.NewRecorder()
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return w.Result(), nil
		})},
	})
	require.NoError(t, err)
	return a
}

func hang(r *http.Request) (int, string) { <-r.Context().Done(); return 0, "" }

func TestCircuitBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answer := 0, hang
		a := limited(t, Limits{}, func(r *http.Request) (int, string) { asked++; return answer(r) })
		do := func() error {
			_, err := a.Do(t.Context(), APIRequest{Op: "ask", Path: "/"})
			return err
		}
		start := time.Now()
		for range 5 {
			require.Equal(t, "closed", a.Traffic().Circuit)
			require.ErrorIs(t, do(), ErrUnavailable)
		}
		require.Equal(t, 50*time.Second, time.Since(start))
		require.Equal(t, "open", a.Traffic().Circuit)

		// From now on requests fail at once and do not reach the service.
		start = time.Now()
		for range 1000 {
			err := do()
			require.ErrorIs(t, err, ErrUnavailable)
			require.ErrorIs(t, err, ErrCircuitOpen)
			var failure *Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, 10*time.Second, failure.RetryAfter)
		}
		require.Zero(t, time.Since(start))
		require.Equal(t, 5, asked)
		require.Equal(t, Traffic{Circuit: "open", MaxInFlight: 100, CircuitOpenings: 1, NotSentOpen: 1000}, a.Traffic())

		// After 10 s one request tries the service, while the others still fail at once.
		time.Sleep(10*time.Second + 1)
		probe := make(chan error)
		go func() { probe <- do() }()
		synctest.Wait()
		require.ErrorIs(t, do(), ErrCircuitOpen)
		require.Equal(t, "half-open", a.Traffic().Circuit)
		require.NotErrorIs(t, <-probe, ErrCircuitOpen)
		require.ErrorIs(t, do(), ErrCircuitOpen)
		require.Equal(t, 6, asked)

		// If the caller of that request gives up, the next request tries the service.
		time.Sleep(10*time.Second + 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, err := a.Do(ctx, APIRequest{Op: "ask", Path: "/"}); probe <- err }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-probe, context.Canceled)

		answer = func(*http.Request) (int, string) { return 200, "{}" }
		require.NoError(t, do())
		require.Equal(t, "closed", a.Traffic().Circuit)
		require.Zero(t, a.Traffic().InFlight)
	})
}

// Failures that a single request can cause do not count against the service.
func TestCircuitBreakerCounts(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(*http.Request) (int, string)
		opens  bool
	}{
		"silence":        {hang, true},
		"gateway":        {func(*http.Request) (int, string) { return 502, "{}" }, true},
		"proxy page":     {func(*http.Request) (int, string) { return 200, "<html>" }, true},
		"firewall":       {func(*http.Request) (int, string) { return 403, "<html>" }, true},
		"internal error": {func(*http.Request) (int, string) { return 500, "{}" }, false},
		"rate limit":     {func(*http.Request) (int, string) { return 429, `{"error":"rate_limited"}` }, false},
		"wrong key":      {func(*http.Request) (int, string) { return 401, `{"error":"invalid_key"}` }, false},
		"says no":        {func(*http.Request) (int, string) { return 200, `{"success":false}` }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := limited(t, Limits{FailureThreshold: 3, OpenDuration: time.Minute}, test.answer)
				never := limited(t, Limits{FailureThreshold: -1}, test.answer)
				for range 3 {
					_, err := a.Do(t.Context(), APIRequest{Op: "ask", Path: "/"})
					require.Error(t, err)
				}
				_, err := a.Do(t.Context(), APIRequest{Op: "ask", Path: "/"})
				require.Equal(t, test.opens, a.Traffic().Circuit == "open")
				if test.opens {
					require.ErrorIs(t, err, ErrCircuitOpen)
				} else {
					require.NotErrorIs(t, err, ErrCircuitOpen)
				}
				for range 5 {
					_, err := never.Do(t.Context(), APIRequest{Op: "ask", Path: "/"})
					require.NotErrorIs(t, err, ErrCircuitOpen)
				}
				require.Equal(t, "closed", never.Traffic().Circuit)
			})
		})
	}
	// A caller's missed deadline counts if the service had at least a second.
	for deadline, opens := range map[time.Duration]bool{100 * time.Millisecond: false, 2 * time.Second: true} {
		synctest.Test(t, func(t *testing.T) {
			a := limited(t, Limits{}, hang)
			for range 10 {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				_, err := a.Do(ctx, APIRequest{Op: "ask", Path: "/"})
				cancel()
				require.Error(t, err)
			}
			require.Equal(t, opens, a.Traffic().Circuit == "open", deadline)
		})
	}
}

func TestMaxInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		slow := func(r *http.Request) (int, string) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			select {
			case <-time.After(4 * time.Second):
				return 200, "{}"
			case <-r.Context().Done():
				return 0, ""
			}
		}
		a := limited(t, Limits{MaxInFlight: 3}, slow)
		errs := make(chan error, 12)
		for range cap(errs) {
			go func() { _, err := a.Do(t.Context(), APIRequest{Op: "ask", Path: "/"}); errs <- err }()
		}
		synctest.Wait()
		require.Equal(t, 3, a.Traffic().InFlight)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := a.Do(ended, APIRequest{Op: "ask", Path: "/"})
		require.ErrorIs(t, err, context.Canceled)

		// Six requests are answered within the 10 s. The third group of three has only
		// 2 s left for a response, which is too little. The fourth group gets no slot.
		kinds := map[error]int{}
		for range cap(errs) {
			err := <-errs
			switch {
			case err == nil:
				kinds[nil]++
			default:
				var failure *Error
				require.ErrorAs(t, err, &failure)
				kinds[failure.Kind]++
			}
		}
		require.Equal(t, map[error]int{nil: 6, ErrUnavailable: 3, ErrRateLimited: 3}, kinds)
		require.EqualValues(t, 3, most.Load())
		require.Equal(t, Traffic{Circuit: "closed", MaxInFlight: 3, NotSentFull: 4}, a.Traffic())
	})
}

// Total limits a call including all its retries.
func TestLimitTotal(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(*http.Request) (int, string)
		asked  int
		within time.Duration
	}{
		"silence":      {hang, 1, 5 * time.Second},
		"slow gateway": {func(*http.Request) (int, string) { time.Sleep(2 * time.Second); return 502, "{}" }, 2, 5 * time.Second},
		"gateway":      {func(*http.Request) (int, string) { return 502, "{}" }, 4, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				a := limited(t, Limits{Total: 5 * time.Second, FailureThreshold: -1}, func(r *http.Request) (int, string) { asked++; return test.answer(r) })
				a.maxRetries = 3
				start := time.Now()
				_, err := a.Do(t.Context(), APIRequest{Op: "ask", Path: "/"})
				require.ErrorIs(t, err, ErrUnavailable)
				require.Equal(t, test.asked, asked)
				require.LessOrEqual(t, time.Since(start), test.within)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		a := limited(t, Limits{Total: 5 * time.Second}, func(*http.Request) (int, string) { return 503, `{"retryAfter":20}` })
		a.maxRetries = 3
		start := time.Now()
		_, err := a.Do(t.Context(), APIRequest{Op: "ask", Path: "/"})
		require.ErrorIs(t, err, ErrUnavailable)
		require.Zero(t, time.Since(start), "there was a wait although the service asks for more time than is left")
	})
}

func TestLimitsRejected(t *testing.T) {
	for field, l := range map[string]Limits{"MaxInFlight": {MaxInFlight: -1}, "OpenDuration": {OpenDuration: -1}, "Total": {Total: -1}} {
		_, err := NewAPI(APIConfig{DefaultURL: "https://api.example", Limits: l})
		require.ErrorIs(t, err, ErrMisconfigured)
		require.ErrorContains(t, err, "Limits."+field)
	}
}
