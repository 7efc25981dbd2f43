package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/internal/pause"
)

// sourceFunc is a TokenSource made from a function.
type sourceFunc func(context.Context) (Token, error)

func (f sourceFunc) Token(ctx context.Context) (Token, error) { return f(ctx) }

// mint makes tokens that are valid for 300 s. Each takes a second to make.
type mint struct {
	tokens atomic.Int32 // number of calls
	err    atomic.Pointer[Error]
	took   time.Duration
}

func (m *mint) Token(ctx context.Context) (Token, error) {
	n := m.tokens.Add(1)
	took := m.took
	if took == 0 {
		took = time.Second
	}
	if !pause.For(ctx, took) {
		return Token{}, interrupted("token", contextError(ctx))
	}
	if err := m.err.Load(); err != nil {
		return Token{}, err
	}
	now := time.Now()
	return Token{Value: NewSecret(fmt.Sprint("token-", n)), ExpiresAt: now.Add(tokenLifetime), received: now, expires: now.Add(tokenLifetime)}, nil
}

func (m *mint) fail(kind error, after time.Duration) {
	m.err.Store(&Error{Op: "challenge", Kind: kind, RetryAfter: after})
}

// requireToken checks that the source returns the nth token.
func requireToken(t *testing.T, s *Source, n int) {
	t.Helper()
	token, err := s.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint("token-", n), token.Value.Reveal())
}

func TestThousandCallersOneHandshake(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		service := gktest.New(gktest.Options{Difficulty: 2})
		s := NewSource(newMemoryClient(t, service, func(c *Config) { c.Solver = slow(time.Second) }), SourceOptions{})
		seen := make(chan string, 1000)
		for range cap(seen) {
			go func() {
				token, err := s.Token(t.Context())
				if err != nil {
					t.Error(err)
				}
				seen <- token.Value.Reveal()
			}()
		}
		first := <-seen
		for range cap(seen) - 1 {
			require.Equal(t, first, <-seen)
		}
		require.Equal(t, gktest.Counts{Challenges: 1, Verifies: 1, Tokens: 1}, service.Counts())
	})
}

func TestRenewal(t *testing.T) {
	bubble(t, "ahead of time, while callers get the old one", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{})
		requireToken(t, s, 1)
		time.Sleep(239 * time.Second) // 61 s left
		requireToken(t, s, 1)
		synctest.Wait()
		require.EqualValues(t, 1, m.tokens.Load(), "renewed too early")
		time.Sleep(12 * time.Second) // 49 s left
		start := time.Now()
		for range 10 {
			requireToken(t, s, 1)
		}
		require.Zero(t, time.Since(start), "a caller waited")
		time.Sleep(2 * time.Second)
		requireToken(t, s, 2)
		require.EqualValues(t, 2, m.tokens.Load())
	})
	bubble(t, "not without a call", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{})
		requireToken(t, s, 1)
		time.Sleep(24 * time.Hour)
		require.EqualValues(t, 1, m.tokens.Load())
		requireToken(t, s, 2)
	})
	bubble(t, "callers wait in the last seconds", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{})
		requireToken(t, s, 1)
		time.Sleep(291 * time.Second)
		start := time.Now()
		requireToken(t, s, 2)
		require.Equal(t, time.Second, time.Since(start))
	})
	bubble(t, "callers get the old one if renewal fails in the last seconds", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{})
		requireToken(t, s, 1)
		time.Sleep(291 * time.Second)
		m.fail(ErrUnavailable, 0)
		requireToken(t, s, 1)
		time.Sleep(9 * time.Second)
		_, err := s.Token(t.Context())
		require.ErrorIs(t, err, ErrUnavailable)
	})
	bubble(t, "in proportion to the lifetime", func(t *testing.T) {
		now := time.Now()
		for _, life := range []time.Duration{time.Millisecond, 3 * time.Second, 300 * time.Second, time.Hour} {
			renewals := map[time.Duration]bool{}
			for range 200 {
				s := newShared(Token{received: now, expires: now.Add(life)}, now)
				if left := now.Add(life).Sub(s.renew); left > life/5 || left < life/6-1 {
					t.Fatalf("a token with a lifetime of %v is renewed %v before it expires", life, left)
				}
				require.Equal(t, life/30, now.Add(life).Sub(s.block))
				renewals[s.renew.Sub(now)] = true
			}
			require.Greater(t, len(renewals), 50, "no jitter")
		}
	})
	bubble(t, "failing quietly", func(t *testing.T) {
		m := new(mint)
		var reported []error
		s := NewSource(m, SourceOptions{OnError: func(err error) { reported = append(reported, err) }})
		requireToken(t, s, 1)
		time.Sleep(255 * time.Second)
		m.fail(ErrUnavailable, 0)
		for range 200 { // for 20 s
			requireToken(t, s, 1)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		require.InDelta(t, 4, len(reported), 1, "attempts in 20 s, which take a second each, with pauses of 4 to 5 s")
		require.ErrorIs(t, reported[0], ErrUnavailable)
	})
	bubble(t, "canceled when the old one expires", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{OnError: func(err error) { require.ErrorIs(t, err, context.Canceled) }})
		requireToken(t, s, 1)
		time.Sleep(255 * time.Second)
		m.took = time.Hour
		requireToken(t, s, 1)
		time.Sleep(46 * time.Second)
		synctest.Wait()
		require.Nil(t, s.flight)
	})
	bubble(t, "not canceled when the old one expires while a caller waits", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{})
		requireToken(t, s, 1)
		time.Sleep(255 * time.Second)
		m.took = time.Minute
		requireToken(t, s, 1)
		time.Sleep(40 * time.Second)
		requireToken(t, s, 2)
		require.EqualValues(t, 2, m.tokens.Load())
	})
}

func TestCancellation(t *testing.T) {
	bubble(t, "of one caller while another waits", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			_, err := s.Token(ctx)
			first <- err
		}()
		synctest.Wait()
		time.AfterFunc(time.Second/2, cancel)
		requireToken(t, s, 1)
		require.ErrorIs(t, <-first, context.Canceled)
		require.EqualValues(t, 1, m.tokens.Load())
	})
	bubble(t, "of all callers", func(t *testing.T) {
		m := &mint{took: time.Hour}
		s := NewSource(m, SourceOptions{})
		start := time.Now()
		var callers sync.WaitGroup
		for i := range 10 {
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Second)
				defer cancel()
				_, err := s.Token(ctx)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		synctest.Wait()
		require.Equal(t, 9*time.Second, time.Since(start))
		// The bubble fails at its end if the mint's goroutine still runs.
		m.took = time.Second
		requireToken(t, s, 2)
	})
	for _, single := range []bool{false, true} {
		bubble(t, fmt.Sprint("of work that ends late, single use ", single), func(t *testing.T) {
			late := sourceFunc(func(ctx context.Context) (Token, error) {
				time.Sleep(10 * time.Second)
				if ctx.Err() != nil {
					return Token{}, interrupted("token", contextError(ctx))
				}
				return new(mint).Token(ctx)
			})
			s := NewSource(late, SourceOptions{SingleUse: single})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := s.Token(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			requireToken(t, s, 1) // not the error of the canceled work
		})
	}
	bubble(t, "before", func(t *testing.T) {
		m := new(mint)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, single := range []bool{false, true} {
			_, err := NewSource(m, SourceOptions{SingleUse: single}).Token(ctx)
			require.ErrorIs(t, err, context.Canceled)
		}
		require.Zero(t, m.tokens.Load())
	})
	bubble(t, "context values do not get through", func(t *testing.T) {
		type key struct{}
		s := NewSource(sourceFunc(func(ctx context.Context) (Token, error) {
			require.Nil(t, ctx.Value(key{}))
			return new(mint).Token(ctx)
		}), SourceOptions{})
		_, err := s.Token(context.WithValue(t.Context(), key{}, 1))
		require.NoError(t, err)
	})
}

func TestFailuresAreRemembered(t *testing.T) {
	for _, kind := range []error{ErrQuotaExceeded, ErrMisconfigured, ErrRejected, ErrDifficulty} {
		for _, single := range []bool{false, true} {
			bubble(t, fmt.Sprint(kind, single), func(t *testing.T) {
				m := new(mint)
				m.fail(kind, 0)
				s := NewSource(m, SourceOptions{SingleUse: single})
				_, err := s.Token(t.Context())
				require.ErrorIs(t, err, kind)
				time.Sleep(999 * time.Millisecond)
				_, err = s.Token(t.Context())
				require.ErrorIs(t, err, kind)
				require.EqualValues(t, 1, m.tokens.Load(), "the source retried within a second")
				m.err.Store(nil)
				time.Sleep(4 * time.Second)
				requireToken(t, s, 2)
			})
		}
	}
	for _, single := range []bool{false, true} {
		bubble(t, fmt.Sprint("unavailable is not", single), func(t *testing.T) {
			m := new(mint)
			m.fail(ErrUnavailable, 0)
			s := NewSource(m, SourceOptions{SingleUse: single})
			for n := range 3 {
				_, err := s.Token(t.Context())
				require.ErrorIs(t, err, ErrUnavailable)
				require.EqualValues(t, n+1, m.tokens.Load())
			}
		})
		bubble(t, fmt.Sprint("rate limit until it ends", single), func(t *testing.T) {
			m := new(mint)
			m.fail(ErrRateLimited, 30*time.Second)
			s := NewSource(m, SourceOptions{SingleUse: single})
			_, err := s.Token(t.Context())
			require.ErrorIs(t, err, ErrRateLimited)
			time.Sleep(10 * time.Second)
			short, cancel := context.WithTimeout(t.Context(), 19*time.Second)
			defer cancel()
			start := time.Now()
			for _, ctx := range []context.Context{t.Context(), short} {
				_, err = s.Token(ctx)
				require.ErrorIs(t, err, ErrRateLimited)
				var failure *Error
				require.ErrorAs(t, err, &failure)
				require.Equal(t, 20*time.Second, failure.RetryAfter)
			}
			require.Zero(t, time.Since(start))
			require.EqualValues(t, 1, m.tokens.Load())
			m.err.Store(nil)
			long, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			token, err := s.Token(long)
			require.NoError(t, err)
			require.Equal(t, "token-2", token.Value.Reveal())
			require.GreaterOrEqual(t, time.Since(start), 21*time.Second)
		})
	}
}

// When gktest limits the rate of a Client, the Source waits for the end of the limit, not the
// Client's handshake.
func TestSourceWaitsForTheServicesLimit(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		service := gktest.New(gktest.Options{Difficulty: 1, RateLimit: 1})
		s := NewSource(newMemoryClient(t, service), SourceOptions{})
		start := time.Now()
		_, err := s.Token(t.Context())
		require.ErrorIs(t, err, ErrRateLimited)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = s.Token(ctx)
		require.ErrorIs(t, err, ErrRateLimited)
		require.Zero(t, time.Since(start))
	})
}

func TestInvalidate(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{})
		old, err := s.Token(t.Context())
		require.NoError(t, err)
		s.Invalidate(Token{Value: NewSecret("another")})
		requireToken(t, s, 1)
		s.Invalidate(old)
		requireToken(t, s, 2)
		s.Invalidate(old)
		requireToken(t, s, 2)

		m.fail(ErrUnavailable, 0)
		s.Invalidate(Token{Value: NewSecret("token-2")})
		_, err = s.Token(t.Context())
		require.ErrorIs(t, err, ErrUnavailable, "the Source returned the rejected token")
	})
	bubble(t, "while a caller waits for the next one", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{})
		old, err := s.Token(t.Context())
		require.NoError(t, err)
		time.Sleep(291 * time.Second)
		m.fail(ErrUnavailable, 0)
		time.AfterFunc(time.Second/2, func() { s.Invalidate(old) })
		_, err = s.Token(t.Context())
		require.ErrorIs(t, err, ErrUnavailable, "the Source returned the rejected token")
	})
	bubble(t, "tells the source behind", func(t *testing.T) {
		m := new(mint)
		behind := NewSource(m, SourceOptions{})
		s := NewSource(behind, SourceOptions{})
		token, err := s.Token(t.Context())
		require.NoError(t, err)
		s.Invalidate(token)
		requireToken(t, s, 2)
	})
}

func TestHooks(t *testing.T) {
	for _, single := range []bool{false, true} {
		bubble(t, fmt.Sprint(single), func(t *testing.T) {
			var shown []string
			s := NewSource(new(mint), SourceOptions{
				SingleUse: single,
				OnToken:   func(token Token) { shown = append(shown, token.Value.Reveal()) },
			})
			token, err := s.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{token.Value.Reveal()}, shown)
		})
	}
}

func TestSourceTokenExpiredOnArrival(t *testing.T) {
	s := NewSource(sourceFunc(func(context.Context) (Token, error) {
		return Token{Value: NewSecret("x"), ExpiresAt: time.Now()}, nil
	}), SourceOptions{})
	_, err := s.Token(t.Context())
	require.ErrorIs(t, err, ErrExpired)
}

func TestClose(t *testing.T) {
	for _, single := range []bool{false, true} {
		bubble(t, fmt.Sprint(single), func(t *testing.T) {
			s := NewSource(&mint{took: time.Hour}, SourceOptions{SingleUse: single, Spare: 2})
			failed := make(chan error)
			go func() {
				_, err := s.Token(t.Context())
				failed <- err
			}()
			synctest.Wait()
			start := time.Now()
			go s.Close()
			require.ErrorIs(t, <-failed, context.Canceled)
			s.Close()
			_, err := s.Token(t.Context())
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorContains(t, err, "the Source is closed")
			require.Zero(t, time.Since(start))
		})
	}
}

// A closed Source returns neither spare tokens nor those that arrive while it closes.
func TestClosedSourceGivesNothing(t *testing.T) {
	bubble(t, "spares", func(t *testing.T) {
		s := NewSource(new(mint), SourceOptions{SingleUse: true, Spare: 3})
		requireToken(t, s, 1)
		time.Sleep(10 * time.Second) // until the spare tokens have arrived
		s.Close()
		for range 5 {
			token, err := s.Token(t.Context())
			require.ErrorIs(t, err, context.Canceled)
			require.Zero(t, token)
		}
	})
	for _, single := range []bool{false, true} {
		bubble(t, fmt.Sprint("late, single use ", single), func(t *testing.T) {
			stubborn := sourceFunc(func(context.Context) (Token, error) { // ignores its context
				time.Sleep(time.Second)
				return new(mint).Token(context.Background())
			})
			s := NewSource(stubborn, SourceOptions{SingleUse: single, Spare: 2})
			failed := make(chan error)
			go func() {
				_, err := s.Token(t.Context())
				failed <- err
			}()
			synctest.Wait()
			go s.Close()
			require.ErrorIs(t, <-failed, context.Canceled)
			synctest.Wait()
			_, err := s.Token(t.Context())
			require.ErrorIs(t, err, context.Canceled)
			s.Close()
		})
	}
}

func TestSingleUse(t *testing.T) {
	bubble(t, "each its own", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{SingleUse: true})
		var mu sync.Mutex
		seen := map[string]bool{}
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				token, err := s.Token(t.Context())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[token.Value.Reveal()] = true
			})
		}
		callers.Wait()
		require.Len(t, seen, 100)
		time.Sleep(time.Hour)
		require.EqualValues(t, 100, m.tokens.Load())
	})
	bubble(t, "spares are in stock, bounded, and not renewed without use", func(t *testing.T) {
		m := new(mint)
		s := NewSource(m, SourceOptions{SingleUse: true, Spare: 3})
		requireToken(t, s, 1)
		time.Sleep(10 * time.Second)
		require.EqualValues(t, 4, m.tokens.Load())
		start := time.Now()
		for n := 2; n <= 4; n++ {
			requireToken(t, s, n)
		}
		require.Zero(t, time.Since(start))
		time.Sleep(24 * time.Hour)
		require.EqualValues(t, 7, m.tokens.Load())
		requireToken(t, s, 8) // the spares have expired
		s.Close()
	})
	bubble(t, "a rejected spare is not returned", func(t *testing.T) {
		s := NewSource(new(mint), SourceOptions{SingleUse: true, Spare: 1})
		requireToken(t, s, 1)
		time.Sleep(10 * time.Second)
		s.Invalidate(Token{Value: NewSecret("token-2")})
		requireToken(t, s, 3)
		s.Close()
	})
	bubble(t, "canceled when nobody waits", func(t *testing.T) {
		m := &mint{took: time.Hour}
		s := NewSource(m, SourceOptions{SingleUse: true})
		start := time.Now()
		var callers sync.WaitGroup
		for i := range 5 {
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
				defer cancel()
				_, err := s.Token(ctx)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		synctest.Wait()
		require.Equal(t, 5*time.Second, time.Since(start))
		require.EqualValues(t, 1, m.tokens.Load())
	})
	bubble(t, "a failure to restock is reported", func(t *testing.T) {
		m := new(mint)
		var reported []error
		s := NewSource(m, SourceOptions{SingleUse: true, Spare: 2, OnError: func(err error) { reported = append(reported, err) }})
		requireToken(t, s, 1)
		m.fail(ErrQuotaExceeded, 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, reported, 1)
		require.ErrorIs(t, reported[0], ErrQuotaExceeded)
	})
	require.Panics(t, func() { NewSource(new(mint), SourceOptions{Spare: MaxSpare + 1}) })
}

// The monotonic clock may stop while the computer sleeps, but the wall clock goes on.
func TestBefore(t *testing.T) {
	now := time.Now()
	require.True(t, before(now, now.Add(1)))
	require.False(t, before(now, now))

	woken := now
	*(*uint64)(unsafe.Pointer(&woken)) += 3600 << 30 // advances the wall clock only; see the fields of time.Time
	require.Zero(t, woken.Sub(now))
	require.Equal(t, time.Hour, woken.Round(0).Sub(now.Round(0)))
	require.False(t, before(woken, now.Add(time.Minute)))
}

func TestSourcePrintsNoToken(t *testing.T) {
	c := newClient(t, gktest.New(gktest.Options{Difficulty: 1}))
	s := NewSource(c, SourceOptions{})
	token, err := s.Token(t.Context())
	require.NoError(t, err)
	requireSafe(t, s, token.Value.Reveal(), gktest.SecretKey)
	requireSafe(t, NewTransport(s, TransportOptions{}), token.Value.Reveal(), gktest.SecretKey)
}

func TestWarmCallAllocatesNothing(t *testing.T) {
	s := warm(t)
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.Token(t.Context()) }); n != 0 {
		t.Errorf("a warm call makes %v allocations", n)
	}
}

func warm(t testing.TB) *Source {
	now := time.Now()
	s := NewSource(sourceFunc(func(context.Context) (Token, error) {
		return Token{Value: NewSecret(testJWT), ExpiresAt: now.Add(time.Hour), received: now, expires: now.Add(time.Hour)}, nil
	}), SourceOptions{})
	_, err := s.Token(t.Context())
	require.NoError(t, err)
	return s
}

var sink Token

func BenchmarkSource(b *testing.B) {
	s := warm(b)
	ctx := context.Background()
	b.Run("callers=1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink, _ = s.Token(ctx)
		}
	})
	b.Run("callers=many", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Token(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func TestFingerprint(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(*Config){
		"itself": func(*Config) {},
		"URL":    func(c *Config) { c.URL = "https://other.example" },
		"path":   func(c *Config) { c.URL += "/a" },
		"site":   func(c *Config) { c.SiteKey += "x" },
		"secret": func(c *Config) { c.SecretKey = NewSecret("rotated") },
	} {
		f := newMemoryClient(t, nil, change).Fingerprint()
		require.Len(t, f, 64)
		require.Empty(t, strings.Trim(f, "0123456789abcdef"))
		require.Empty(t, seen[f], name)
		seen[f] = name
	}
	require.Equal(t, "itself", seen[newMemoryClient(t, nil).Fingerprint()])
}
