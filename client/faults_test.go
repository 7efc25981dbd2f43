package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/internal/pause"
	"github.com/gkpow/gkpow/solver"
)

// A fault is a way in which a request can fail. ask passes the request to the service.
type fault func(r *http.Request, ask func() *http.Response) (*http.Response, error)

// instead answers without passing the request on.
func instead(h http.HandlerFunc) fault {
	return func(r *http.Request, _ func() *http.Response) (*http.Response, error) {
		w := httptest.NewRecorder()
		h(w, r)
		return w.Result(), nil
	}
}

// after lets the service process the request and changes the response. A lost response may have
// used up a challenge, a token or quota.
func after(spoil func(*http.Response) (*http.Response, error)) fault {
	return func(_ *http.Request, ask func() *http.Response) (*http.Response, error) { return spoil(ask()) }
}

// rewrite changes the fields of the response.
func rewrite(change func(map[string]any)) fault {
	return after(func(r *http.Response) (*http.Response, error) {
		var fields map[string]any
		d := json.NewDecoder(r.Body)
		d.UseNumber()
		if d.Decode(&fields) == nil {
			change(fields)
		}
		data, _ := json.Marshal(fields)
		r.Body = io.NopCloser(strings.NewReader(string(data)))
		return r, nil
	})
}

// brokenBody returns a fault whose response has a body that ends early, or never.
func brokenBody(end func(context.Context) error) fault {
	return func(r *http.Request, ask func() *http.Response) (*http.Response, error) {
		response := ask()
		data, _ := io.ReadAll(response.Body)
		response.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(data[:len(data)/2])),
			readerFunc(func([]byte) (int, error) { return 0, end(r.Context()) })))
		return response, nil
	}
}

const leak = gktest.SecretKey + " " + testJWT

var faults = map[string]fault{
	"reset before":     func(*http.Request, func() *http.Response) (*http.Response, error) { return nil, syscall.ECONNRESET },
	"reset after":      after(func(*http.Response) (*http.Response, error) { return nil, syscall.ECONNRESET }),
	"secret in error":  func(*http.Request, func() *http.Response) (*http.Response, error) { return nil, errors.New(leak) },
	"no response":      func(r *http.Request, _ func() *http.Response) (*http.Response, error) { return nil, end(r.Context()) },
	"truncated":        brokenBody(func(context.Context) error { return io.ErrUnexpectedEOF }),
	"silent end":       brokenBody(func(context.Context) error { return io.EOF }),
	"slow for ever":    brokenBody(end),
	"500":              instead(saysJSON(500, `{}`)),
	"HTML 502":         instead(says(502, "text/html", "<p>"+leak)),
	"502 after":        after(func(*http.Response) (*http.Response, error) { return answerOf(502, leak), nil }),
	"503 wait":         instead(saysJSON(503, `{}`, "Retry-After", "7")),
	"503 wait long":    instead(saysJSON(503, `{}`, "Retry-After", "86400")),
	"408":              instead(saysJSON(408, `{}`)),
	"404":              instead(says(404, "text/html", "<p>")),
	"400 bare":         instead(saysJSON(400, `{"success":false,"error":"`+gktest.SecretKey+`"}`)),
	"firewall 401":     instead(says(401, "text/html", "<p>"+leak)),
	"firewall 403":     instead(saysJSON(403, `{"message":"`+gktest.SecretKey+`"}`)),
	"firewall 429":     instead(says(429, "text/plain", leak)),
	"HTML 200":         instead(says(200, "text/html", "<p>"+leak)),
	"redirect":         instead(saysJSON(307, ``, "Location", "https://elsewhere.example/"+gktest.SecretKey)),
	"rate limit":       instead(saysJSON(429, `{"success":false,"error":"rate_limited","retryAfter":5}`)),
	"bare 429":         instead(saysJSON(429, ``, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")),
	"quota":            instead(saysJSON(429, `{"success":false,"error":"quota_exceeded"}`)),
	"invalid key":      instead(saysJSON(401, `{"success":false,"error":"invalid_key"}`)),
	"disabled":         instead(saysJSON(403, `{"success":false,"error":"m2m_disabled"}`)),
	"expired":          instead(saysJSON(400, `{"success":false,"error":"challenge_expired"}`)),
	"invalid solution": instead(saysJSON(400, `{"success":false,"error":"invalid_solution"}`)),
	"empty object":     instead(saysJSON(200, `{}`)),
	"null":             instead(saysJSON(200, `null`)),
	"numbers":          rewrite(func(f map[string]any) { f["challengeId"], f["token"], f["salt"], f["data"] = 1, 2, 3, 4 }),
	"strings":          rewrite(func(f map[string]any) { f["difficulty"], f["expiresAt"] = "1", fmt.Sprint(f["expiresAt"]) }),
	"nulls":            rewrite(func(f map[string]any) { f["salt"], f["token"], f["success"] = nil, nil, nil }),
	"hard":             rewrite(func(f map[string]any) { f["difficulty"] = 64 }),
	"other salt":       rewrite(func(f map[string]any) { f["salt"] = "other" }),
	"long ago":         rewrite(func(f map[string]any) { f["expiresAt"] = 1 }),
	"no Date":          after(func(r *http.Response) (*http.Response, error) { r.Header.Del("Date"); return r, nil }),
	"slow response": func(r *http.Request, ask func() *http.Response) (*http.Response, error) {
		if !pause.For(r.Context(), 4*time.Second) {
			return nil, r.Context().Err()
		}
		return ask(), nil
	},
	"very late response": func(r *http.Request, ask func() *http.Response) (*http.Response, error) {
		response := ask()
		if !pause.For(r.Context(), 9*time.Second) {
			return nil, r.Context().Err()
		}
		return response, nil
	},
}

// end waits until the request's context is done.
func end(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// hostile is a service whose responses fail according to a plan.
func hostile(service http.Handler, plan func(*http.Request) fault) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		ask := func() *http.Response {
			w := httptest.NewRecorder()
			service.ServeHTTP(w, r)
			return w.Result()
		}
		var response *http.Response
		var err error
		if f := plan(r); f != nil {
			response, err = f(r, ask)
		} else {
			response = ask()
		}
		if response != nil {
			response.Request = r
		}
		return response, err
	})}
}

// requireTyped checks that an error has exactly one kind and shows no secret.
func requireTyped(t *testing.T, ctx context.Context, err error, secrets ...string) {
	t.Helper()
	failure := new(Error)
	if !errors.As(err, &failure) {
		t.Fatalf("%#v is not an *Error", err)
	}
	kinds := 0
	for _, k := range []error{ErrRejected, ErrRateLimited, ErrQuotaExceeded, ErrExpired, ErrMisconfigured, ErrUnavailable, ErrDifficulty} {
		if errors.Is(err, k) {
			kinds++
		}
	}
	switch {
	case failure.Kind == nil && (kinds != 0 || !isContextError(err) || ctx.Err() == nil):
		t.Fatalf("%v: no kind, though the context is %v", err, ctx.Err())
	case failure.Kind != nil && (kinds != 1 || isContextError(err)):
		t.Fatalf("%v: %d kinds", err, kinds)
	}
	encoded, _ := json.Marshal(err)
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprintf("%+v", failure.Err), string(encoded)} {
		for _, secret := range append(secrets, gktest.SecretKey, "eyJ") {
			if strings.Contains(text, secret) {
				t.Fatalf("%q shows %q", text, secret)
			}
		}
	}
}

// TestFaults tries each fault on each single request, and on all requests.
func TestFaults(t *testing.T) {
	// The results of permanent faults; nil means a token. The first is for a fault on the
	// challenge, the second for a fault on the submission.
	lasting := map[string][2]error{
		"400 bare": {ErrRejected, ErrRejected}, "rate limit": {ErrRateLimited, ErrRateLimited},
		"bare 429": {ErrUnavailable, ErrUnavailable}, "quota": {ErrQuotaExceeded, ErrQuotaExceeded},
		"invalid key": {ErrMisconfigured, ErrMisconfigured}, "disabled": {ErrMisconfigured, ErrMisconfigured},
		"expired": {ErrExpired, ErrExpired}, "invalid solution": {ErrRejected, ErrRejected},
		"strings": {nil, nil}, "no Date": {nil, nil}, "slow response": {nil, nil}, "very late response": {nil, nil},
		"hard": {ErrDifficulty, nil}, "other salt": {ErrRejected, nil}, "long ago": {ErrExpired, ErrExpired},
		"numbers": {ErrUnavailable, ErrUnavailable}, "nulls": {ErrUnavailable, ErrUnavailable},
	}
	for name, f := range faults {
		want, ok := lasting[name]
		if !ok {
			want = [2]error{ErrUnavailable, ErrUnavailable}
		}
		for i, path := range []string{"/challenge", "/m2m/verify"} {
			bubble(t, name+path, func(t *testing.T) {
				service := gktest.New(gktest.Options{Difficulty: 1})
				c := newMemoryClient(t, nil, func(c *Config) {
					c.HTTPClient = hostile(service, func(r *http.Request) fault {
						if strings.HasSuffix(r.URL.Path, path) {
							return f
						}
						return nil
					})
				})
				start := time.Now()
				token, err := c.Token(t.Context())
				if want[i] == nil {
					require.NoError(t, err)
					require.False(t, token.Value.IsZero())
					return
				}
				require.ErrorIs(t, err, want[i])
				requireTyped(t, t.Context(), err)
				requireSafe(t, err, gktest.SecretKey, testJWT)
				require.Less(t, time.Since(start), 10*time.Minute)
			})
			bubble(t, name+path+" once", func(t *testing.T) {
				if want[i] != nil && want[i] != ErrUnavailable && want[i] != ErrExpired {
					return // final
				}
				switch name {
				case "404", "HTML 200", "firewall 401", "firewall 403", "bare 429", "redirect", "empty object", "null", "numbers", "nulls", "silent end", "503 wait long", "long ago":
					return // these faults are not retried
				}
				service := gktest.New(gktest.Options{Difficulty: 1})
				once := true
				c := newMemoryClient(t, nil, func(c *Config) {
					c.HTTPClient = hostile(service, func(r *http.Request) fault {
						if strings.HasSuffix(r.URL.Path, path) && once {
							once = false
							return f
						}
						return nil
					})
				})
				_, err := c.Token(t.Context())
				require.NoError(t, err)
			})
		}
	}
}

// TestSoak combines random faults with skewed clocks, slow solvers, callers that give up,
// and single-use tokens. Every sequence ends with a token that the service accepts or with
// a typed error, leaves no goroutine behind, and shows no secret.
func TestSoak(t *testing.T) {
	sequences := 10_000
	if testing.Short() {
		sequences = 1000
	}
	names := make([]string, 0, len(faults))
	for name := range faults {
		names = append(names, name)
	}
	slices.Sort(names) // makes a seed reproducible
	const shards = 4
	var tokens, failures atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d sequences with a token, %d without", tokens.Load(), failures.Load())
		if min(tokens.Load(), failures.Load()) < int64(sequences/10) {
			t.Error("too few sequences with or without a token for a meaningful test")
		}
	})
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			for seed := shard; seed < sequences && !t.Failed(); seed += shards {
				synctest.Test(t, func(t *testing.T) {
					if soak(t, uint64(seed), names) {
						tokens.Add(1)
					} else {
						failures.Add(1)
					}
				})
				if t.Failed() {
					t.Errorf("seed %d", seed)
				}
			}
		})
	}
}

// soak runs one sequence and reports whether any caller got a token.
func soak(t *testing.T, seed uint64, names []string) bool {
	rng := rand.New(rand.NewPCG(seed, 1))
	skew := []time.Duration{0, -time.Hour, 1000 * time.Hour}[rng.IntN(3)]
	service := gktest.New(gktest.Options{
		Difficulty:        1,
		ChallengeLifetime: []time.Duration{60 * time.Second, 5 * time.Second, time.Second}[rng.IntN(3)],
		TokenLifetime:     []time.Duration{300 * time.Second, 30 * time.Second}[rng.IntN(2)],
		SingleUse:         rng.IntN(2) == 0,
		VerifyShape:       gktest.VerifyShape(rng.IntN(2)),
		SigningKey:        []byte("0123456789abcdef0123456789abcdef"),
		Clock:             func() time.Time { return time.Now().Add(skew) },
	})
	rate := rng.Float64() * 0.7
	var mu sync.Mutex // guards rng while callers run
	pick := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	plan := func(*http.Request) fault {
		if float64(pick(1000)) < 1000*rate {
			return faults[names[pick(len(names))]]
		}
		return nil
	}
	c := newMemoryClient(t, nil, func(c *Config) {
		c.HTTPClient = hostile(service, plan)
		c.MaxRetries = pick(4) - 1
		c.MaxRounds = pick(4)
		c.Solver = solverFunc(func(ctx context.Context, p solver.Puzzle) (solver.Solution, error) {
			if !pause.For(ctx, time.Duration(pick(6000))*time.Millisecond) {
				return solver.Solution{}, ctx.Err()
			}
			return loop(ctx, p)
		})
	})
	s := NewSource(c, SourceOptions{SingleUse: pick(4) == 0, Spare: pick(3)})
	use := func() bool {
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if n := pick(4); n > 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(pick(60_000))*time.Millisecond*time.Duration(n))
		}
		defer cancel()
		from := []TokenSource{c, s, s}[pick(3)]
		token, err := from.Token(ctx)
		if err != nil {
			requireTyped(t, ctx, err, testJWT)
			return false
		}
		value := token.Value.Reveal()
		verdict, err := c.VerifyToken(ctx, value, VerifyOptions{})
		switch {
		case err != nil:
			requireTyped(t, ctx, err, value)
		case verdict.OK() != (verdict.Err() == nil), verdict.OK() && len(verdict.ReasonCodes) > 0:
			t.Errorf("seed %d: %+v", seed, verdict)
		}
		if strings.Contains(fmt.Sprintf("%+v %#v", verdict, verdict), value) {
			t.Errorf("seed %d: the verdict shows the token", seed)
		}
		if !acceptable(service, value) {
			t.Errorf("seed %d: the service did not sign token %q", seed, value)
		}
		if pick(3) == 0 {
			s.Invalidate(token)
		}
		return true
	}
	var callers sync.WaitGroup
	had := false
	for range 1 + pick(3) {
		callers.Go(func() {
			for range 1 + pick(3) {
				ok := use()
				mu.Lock()
				had = had || ok
				mu.Unlock()
				time.Sleep(time.Duration(pick(100_000)) * time.Millisecond)
			}
		})
	}
	callers.Wait()
	s.Close()
	return had
}

// acceptable reports whether the service has signed the token, even if it has expired
// since.
func acceptable(service http.Handler, token string) bool {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/api/v1/token/verify", strings.NewReader(
		fmt.Sprintf(`{"secret":%q,"token":%q}`, gktest.SecretKey, token)))
	r.Header.Set("Content-Type", "application/json")
	service.ServeHTTP(w, r)
	return !strings.Contains(w.Body.String(), "invalid")
}
