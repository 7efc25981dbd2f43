package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/solver"
)

// solverFunc is a PuzzleSolver made from a function.
type solverFunc func(context.Context, solver.Puzzle) (solver.Solution, error)

func (f solverFunc) Solve(ctx context.Context, p solver.Puzzle) (solver.Solution, error) {
	return f(ctx, p)
}

// loop is a PuzzleSolver with the textbook loop.
var loop = solverFunc(func(ctx context.Context, p solver.Puzzle) (solver.Solution, error) {
	for nonce := uint64(0); ctx.Err() == nil; nonce++ {
		if p.Solves(nonce) {
			return solver.Solution{Nonce: nonce, Hash: p.Hash(nonce), Hashes: nonce + 1, Backend: "loop", Workers: 1}, nil
		}
	}
	return solver.Solution{}, ctx.Err()
})

// stuck is a PuzzleSolver that finds nothing and waits until its context is done.
var stuck = solverFunc(func(ctx context.Context, _ solver.Puzzle) (solver.Solution, error) {
	<-ctx.Done()
	return solver.Solution{}, ctx.Err()
})

// On a busy machine, a solver may see that the deadline has passed before the context's timer
// fires.
func TestSolverSeesTheDeadlineFirst(t *testing.T) {
	early := solverFunc(func(ctx context.Context, _ solver.Puzzle) (solver.Solution, error) {
		for deadline, _ := ctx.Deadline(); time.Now().Before(deadline); {
		}
		return solver.Solution{}, context.DeadlineExceeded
	})
	c := newClient(t, gktest.New(gktest.Options{}), func(c *Config) { c.Solver = early })
	for range 50 {
		now := time.Now()
		_, err := c.solve(t.Context(), Challenge{Salt: "s", Difficulty: 6, received: now, deadline: now.Add(2 * time.Millisecond)})
		require.ErrorIs(t, err, ErrExpired)
	}
}

func newClient(t testing.TB, h http.Handler, change ...func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	config := Config{
		SiteKey:   gktest.SiteKey,
		SecretKey: NewSecret(gktest.SecretKey),
		URL:       server.URL,
		Solver:    loop,
		Timeout:   time.Minute,

		MaxRetries: -1,
	}
	for _, f := range change {
		f(&config)
	}
	c, err := New(config)
	require.NoError(t, err)
	return c
}

func TestToken(t *testing.T) {
	for name, s := range map[string]PuzzleSolver{"default": nil, "loop": loop} {
		t.Run(name, func(t *testing.T) {
			service := gktest.New(gktest.Options{Difficulty: 3})
			c := newClient(t, service, func(c *Config) { c.Solver = s })
			before := time.Now()
			token, err := c.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, token.Rounds)
			require.Equal(t, 3, token.Challenge.Difficulty)
			puzzle, err := token.Challenge.Puzzle()
			require.NoError(t, err)
			require.True(t, puzzle.Solves(token.Solution.Nonce))
			require.WithinDuration(t, before.Add(300*time.Second), token.ExpiresAt, 30*time.Second)
			require.WithinDuration(t, token.ExpiresAt, token.Expires(), 30*time.Second)
			require.Equal(t, gktest.Counts{Challenges: 1, Verifies: 1, Tokens: 1}, service.Counts())

			answer, err := http.Post(c.api.endpoint("/api/v1/token/verify"), "application/json",
				strings.NewReader(`{"secret":"`+gktest.SecretKey+`","token":"`+token.Value.Reveal()+`"}`))
			require.NoError(t, err)
			defer answer.Body.Close()
			var verdict struct{ Data struct{ Verified bool } }
			require.NoError(t, json.NewDecoder(answer.Body).Decode(&verdict))
			require.True(t, verdict.Data.Verified)
		})
	}
}

// The requests have exactly the documented fields.
func TestRequests(t *testing.T) {
	service := gktest.New(gktest.Options{Difficulty: 1})
	var bodies []map[string]any
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "" ||
			r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Accept") != "application/json" ||
			!strings.HasPrefix(r.Header.Get("User-Agent"), "gkpow-go/") {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
		data, _ := io.ReadAll(r.Body)
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.UseNumber()
		var body map[string]any
		if err := d.Decode(&body); err != nil {
			t.Error(err)
		}
		body["path"] = r.URL.Path
		bodies = append(bodies, body)
		r.Body = io.NopCloser(strings.NewReader(string(data)))
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/prefix")
		service.ServeHTTP(w, r)
	}), func(c *Config) { c.URL += "/prefix//" })
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	puzzle, _ := token.Challenge.Puzzle()
	require.Equal(t, []map[string]any{
		{"path": "/prefix/api/v1/m2m/challenge", "siteKey": gktest.SiteKey, "secretKey": gktest.SecretKey},
		{
			"path": "/prefix/api/v1/m2m/verify", "siteKey": gktest.SiteKey, "secretKey": gktest.SecretKey,
			"challengeId": token.Challenge.ID,
			"nonce":       json.Number(fmt.Sprint(token.Solution.Nonce)),
			"hash":        fmt.Sprintf("%x", puzzle.Hash(token.Solution.Nonce)),
		},
	}, bodies)
}

func TestDocumentedErrors(t *testing.T) {
	for name, r := range map[string]struct {
		options gktest.Options
		change  func(*Config)
		kind    error
		code    Code
		text    string
	}{
		"key":      {gktest.Options{SecretKey: "other"}, nil, ErrMisconfigured, CodeInvalidKey, "GKCAPTCHA_SECRET_KEY"},
		"disabled": {gktest.Options{M2MDisabled: true}, nil, ErrMisconfigured, CodeM2MDisabled, "Starter plan"},
		"rate":     {gktest.Options{Difficulty: 1, RateLimit: 1}, nil, ErrRateLimited, CodeRateLimited, "retry after 1m0s"},
		"quota":    {gktest.Options{Difficulty: 1, Quota: 1}, nil, ErrQuotaExceeded, CodeQuotaExceeded, "not retried"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r.options.Clock = func() time.Time { return start }
			c := newClient(t, gktest.New(r.options))
			_, err := c.Token(t.Context())
			if name == "quota" && err == nil {
				_, err = c.Token(t.Context())
			}
			require.ErrorIs(t, err, r.kind)
			require.ErrorIs(t, err, r.code)
			require.ErrorContains(t, err, r.text)
			requireSafe(t, err, gktest.SecretKey)
		})
	}
}

func TestSubmitTwiceIsExpired(t *testing.T) {
	c := newClient(t, gktest.New(gktest.Options{Difficulty: 1}))
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	_, err = c.Submit(t.Context(), token.Challenge, token.Solution)
	require.ErrorIs(t, err, ErrExpired)
	require.ErrorIs(t, err, CodeChallengeExpired)
}

func TestWrongSolutionIsNotSent(t *testing.T) {
	service := gktest.New(gktest.Options{Difficulty: 2})
	c := newClient(t, service)
	ch, err := c.Challenge(t.Context())
	require.NoError(t, err)
	puzzle, _ := ch.Puzzle()
	right, err := loop(t.Context(), puzzle)
	require.NoError(t, err)

	falseHash := right
	falseHash.Hash[31] ^= 1
	notSolved := solver.Solution{Nonce: right.Nonce + 1}
	for puzzle.Solves(notSolved.Nonce) {
		notSolved.Nonce++
	}
	notSolved.Hash = puzzle.Hash(notSolved.Nonce)
	for _, wrong := range []solver.Solution{falseHash, notSolved} {
		_, err = c.Submit(t.Context(), ch, wrong)
		require.ErrorIs(t, err, ErrRejected)
		require.ErrorContains(t, err, "was not sent")
	}
	require.Zero(t, service.Counts().Verifies)
	_, err = c.Submit(t.Context(), ch, right)
	require.NoError(t, err)
}

// The service rejects a solution that the client considers right.
func TestInvalidSolution(t *testing.T) {
	service := gktest.New(gktest.Options{Difficulty: 1})
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/verify") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"success":false,"error":"invalid_solution"}`)
			return
		}
		service.ServeHTTP(w, r)
	}))
	_, err := c.Token(t.Context())
	require.ErrorIs(t, err, ErrRejected)
	require.ErrorIs(t, err, CodeInvalidSolution)
	require.Equal(t, 1, service.Counts().Challenges, "the client retried")
}

// fakeClock is a clock that the test advances.
type fakeClock struct{ nanos atomic.Int64 }

func newFakeClock() *fakeClock {
	c := new(fakeClock)
	c.nanos.Store(1_700_000_000e9)
	return c
}

func (c *fakeClock) Now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *fakeClock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func TestDeadlineIsByTheServersClock(t *testing.T) {
	for _, skew := range []time.Duration{-1000 * time.Hour, -time.Minute, 0, time.Minute, 1000 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			clock := newFakeClock()
			service := gktest.New(gktest.Options{
				Difficulty: 1,
				Clock:      func() time.Time { return clock.Now().Add(skew) },
			})
			c := newClient(t, service)
			c.api.now = clock.Now
			ch, err := c.Challenge(t.Context())
			require.NoError(t, err)
			require.True(t, ch.ExpiresAt.Equal(clock.Now().Add(skew+time.Minute)), ch.ExpiresAt)
			require.True(t, ch.Deadline().Equal(clock.Now().Add(time.Minute)), ch.Deadline())
			puzzle, _ := ch.Puzzle()
			solution, _ := loop(t.Context(), puzzle)

			clock.advance(time.Minute)
			_, err = c.Submit(t.Context(), ch, solution)
			require.ErrorIs(t, err, ErrExpired)
			require.Zero(t, service.Counts().Verifies, "the solution was sent too late")

			clock.advance(-time.Millisecond)
			token, err := c.Submit(t.Context(), ch, solution)
			require.NoError(t, err)
			require.WithinDuration(t, clock.Now().Add(300*time.Second), token.Expires(), time.Second)
			require.WithinDuration(t, clock.Now().Add(skew+300*time.Second), token.ExpiresAt, time.Second)
		})
	}
}

func TestStop(t *testing.T) {
	now := time.Now()
	for life, want := range map[time.Duration]time.Duration{
		60 * time.Second: 58 * time.Second,
		8 * time.Second:  6 * time.Second,
		4 * time.Second:  3 * time.Second,
		time.Second:      750 * time.Millisecond,
	} {
		ch := Challenge{received: now, deadline: now.Add(life)}
		if got := ch.stop(2 * time.Second).Sub(now); got != want {
			t.Errorf("solving a challenge with a lifetime of %v stops after %v; want %v", life, got, want)
		}
	}
	byHand := Challenge{ExpiresAt: now}
	require.Equal(t, now, byHand.Deadline())
}

func TestExpiredRounds(t *testing.T) {
	t.Run("at arrival", func(t *testing.T) {
		service := gktest.New(gktest.Options{Difficulty: 1, ChallengeLifetime: time.Nanosecond})
		_, err := newClient(t, service).Token(t.Context())
		require.ErrorIs(t, err, ErrExpired)
		require.ErrorContains(t, err, "3 challenges")
		require.Equal(t, gktest.Counts{Challenges: 3}, service.Counts())
	})
	t.Run("while solving", func(t *testing.T) {
		clock := newFakeClock()
		service := gktest.New(gktest.Options{Difficulty: 1, Clock: clock.Now})
		rounds := 0
		c := newClient(t, service, func(c *Config) {
			c.MaxRounds = 2
			c.Solver = solverFunc(func(ctx context.Context, p solver.Puzzle) (solver.Solution, error) {
				deadline, _ := ctx.Deadline()
				if left := time.Until(deadline); left > 58*time.Second {
					t.Errorf("the solver gets %v of 60 s", left)
				}
				rounds++
				s, err := loop(ctx, p)
				clock.advance(61 * time.Second)
				return s, err
			})
		})
		c.api.now = clock.Now
		_, err := c.Token(t.Context())
		require.ErrorIs(t, err, ErrExpired)
		require.ErrorContains(t, err, "2 challenges")
		require.ErrorContains(t, err, "1m0s, 1m0s")
		require.Equal(t, 2, rounds)
		require.Equal(t, gktest.Counts{Challenges: 2}, service.Counts(), "a late solution was sent")
	})
	t.Run("solver stopped", func(t *testing.T) {
		service := gktest.New(gktest.Options{Difficulty: 1, ChallengeLifetime: 2 * time.Second})
		_, err := newClient(t, service, func(c *Config) { c.Solver = stuck; c.MaxRounds = 1 }).Token(t.Context())
		require.ErrorIs(t, err, ErrExpired)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("by the service", func(t *testing.T) {
		service := gktest.New(gktest.Options{Difficulty: 1})
		var verifies atomic.Int32
		c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/verify") && verifies.Add(1) < 3 {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `{"success":false,"error":"challenge_expired"}`)
				return
			}
			service.ServeHTTP(w, r)
		}))
		token, err := c.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, 3, token.Rounds)
		require.Equal(t, 3, service.Counts().Challenges)
	})
}

func TestCallersContext(t *testing.T) {
	for name, block := range map[string]func(*Config, *sync.WaitGroup){
		"while solving": func(c *Config, solving *sync.WaitGroup) {
			c.Solver = solverFunc(func(ctx context.Context, p solver.Puzzle) (solver.Solution, error) {
				solving.Done()
				return stuck(ctx, p)
			})
		},
		"while asking": func(c *Config, asking *sync.WaitGroup) {
			c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asking.Done()
				<-r.Context().Done()
				return nil, r.Context().Err()
			})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var reached sync.WaitGroup
			reached.Add(1)
			c := newClient(t, gktest.New(gktest.Options{}), func(c *Config) {
				c.MaxRounds = 1 // or the next round would notice that the context is done
				block(c, &reached)
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				reached.Wait()
				cancel()
			}()
			_, err := c.Token(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, ErrUnavailable)
			require.NotErrorIs(t, err, ErrExpired)
		})
	}
	t.Run("deadline", func(t *testing.T) {
		c := newClient(t, gktest.New(gktest.Options{Difficulty: 1}), func(c *Config) { c.Solver = stuck })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := c.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, ErrExpired)
		require.NotErrorIs(t, err, ErrUnavailable)
	})
	t.Run("ended before", func(t *testing.T) {
		service := gktest.New(gktest.Options{Difficulty: 1})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newClient(t, service).Token(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, service.Counts())
	})
}

func TestSolverFails(t *testing.T) {
	broken := errors.New("out of order")
	for _, r := range []struct{ err, kind error }{
		{solver.ErrExhausted, ErrMisconfigured},
		{broken, ErrUnavailable},
	} {
		service := gktest.New(gktest.Options{Difficulty: 1})
		_, err := newClient(t, service, func(c *Config) {
			c.Solver = solverFunc(func(context.Context, solver.Puzzle) (solver.Solution, error) {
				return solver.Solution{}, r.err
			})
		}).Token(t.Context())
		require.ErrorIs(t, err, r.err)
		require.ErrorIs(t, err, r.kind)
		require.Equal(t, gktest.Counts{Challenges: 1}, service.Counts())
	}
}

func TestConcurrentTokens(t *testing.T) {
	service := gktest.New(gktest.Options{Difficulty: 2})
	c := newClient(t, service)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := c.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Equal(t, 8, service.Counts().Tokens)
}

// A token that has expired on arrival is an error and costs one challenge, not three.
func TestTokenExpiredOnArrival(t *testing.T) {
	for name, r := range map[string]struct {
		life time.Duration // remaining lifetime of the token when it arrives
		dead bool
	}{"long dead": {-time.Hour, true}, "just dead": {0, true}, "alive": {2 * time.Second, false}} {
		bubble(t, name, func(t *testing.T) {
			service := gktest.New(gktest.Options{Difficulty: 1})
			asked := 0
			c := newMemoryClient(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				if asked++; strings.HasSuffix(request.URL.Path, "/challenge") {
					service.ServeHTTP(w, request)
					return
				}
				w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
				fmt.Fprintf(w, `{"success":true,"token":"t","expiresAt":%d}`, time.Now().Add(r.life).Unix())
			}))
			for name, source := range map[string]TokenSource{
				"Client": c, "Source": NewSource(c, SourceOptions{}), "single use": NewSource(c, SourceOptions{SingleUse: true}),
			} {
				asked = 0
				token, err := source.Token(t.Context())
				require.Equal(t, 2, asked, name)
				if !r.dead {
					require.NoError(t, err, name)
					require.True(t, token.Alive(), name)
					continue
				}
				require.ErrorIs(t, err, ErrExpired, name)
				require.ErrorContains(t, err, "the token had expired when it arrived", name)
				require.Zero(t, token, name)
			}
		})
	}
}
