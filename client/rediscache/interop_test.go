//go:build unix

package rediscache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
)

func TestInteropOneHandshake(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a", took: 300 * time.Millisecond}
	var running sync.WaitGroup
	seen := make(chan string, 50)
	for range cap(seen) {
		running.Go(func() { seen <- get(t, member(t, i, Options{URL: server.url()})) })
	}
	running.Wait()
	close(seen)
	for token := range seen {
		require.Equal(t, "token-a-1", token)
	}
	require.EqualValues(t, 1, i.asked.Load())

	late := member(t, i, Options{URL: server.url()})
	token, err := late.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "token-a-1", token.Value.Reveal())
	require.Zero(t, token.Rounds)
	require.WithinDuration(t, time.Now().Add(300*time.Second), token.Expires(), 5*time.Second)
	require.EqualValues(t, 1, late.Stats().Shared)
	require.Equal(t, "token-b-1", get(t, member(t, &issuer{secret: "b"}, Options{URL: server.url()})), "another account")
}

func TestInteropInvalidate(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a"}
	var members []*Cache
	for range 10 {
		members = append(members, member(t, i, Options{URL: server.url()}))
	}
	var first client.Token
	for _, c := range members {
		token, err := c.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, "token-a-1", token.Value.Reveal())
		first = token
	}
	members[3].Invalidate(first)
	require.Eventually(t, func() bool {
		for _, c := range members {
			if get(t, c) != "token-a-2" {
				return false
			}
		}
		return true
	}, time.Minute, 10*time.Millisecond)
	for _, c := range members { // reports that come too late have no effect
		c.Invalidate(first)
	}
	for _, c := range members {
		require.Equal(t, "token-a-2", get(t, c))
	}
	require.EqualValues(t, 2, i.asked.Load())
}

// A disk holds a token of one machine, like diskcache.
type disk struct {
	*issuer
	mu   sync.Mutex
	held client.Token
}

func (d *disk) Token(ctx context.Context) (token client.Token, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.held.Alive() {
		d.held, err = d.issuer.Token(ctx)
	}
	return d.held, err
}

func (d *disk) Invalidate(token client.Token) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held.Value.Reveal() == token.Value.Reveal() {
		d.held = client.Token{}
	}
}

// A machine whose disk still has a rejected token does not share it again, even if other
// tokens were rejected since. Nor do members accept any of them that somebody puts back.
func TestInteropRejectedEarlier(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a"}
	disks := make([]disk, 3)
	restarted := func(n int) *Cache { return member(t, i, Options{URL: server.url(), From: &disks[n], Bare: true}) }
	var values []string
	for n := range disks {
		disks[n].issuer = i
		c := restarted(n)
		require.Equal(t, fmt.Sprint("token-a-", n+1), get(t, c))
		value, err := server.admin("GET", c.keys.token).ToString()
		require.NoError(t, err)
		values = append(values, value)

		other := member(t, i, Options{URL: server.url(), Bare: true})
		token, err := other.Token(t.Context())
		require.NoError(t, err)
		other.Invalidate(token)
	}
	require.Equal(t, "token-a-4", get(t, restarted(0)))
	for n, value := range values {
		c := restarted(n)
		server.admin("SET", c.keys.token, value, "EX", "300")
		require.Equal(t, fmt.Sprint("token-a-", []int{4, 5, 6}[n]), get(t, c))
	}
	names, err := server.admin("ZRANGE", restarted(0).keys.refused, "0", "-1").AsStrSlice()
	require.NoError(t, err)
	require.Len(t, names, 3)
}

func TestInteropFailures(t *testing.T) {
	interop(t)
	server := startRedis(t)
	for n, failed := range []*client.Error{
		{Op: "challenge", Kind: client.ErrUnavailable, Status: 502},
		{Op: "challenge", Kind: client.ErrMisconfigured, Status: 401, Code: client.CodeInvalidKey},
		{Op: "challenge", Kind: client.ErrQuotaExceeded, Status: 429, Code: client.CodeQuotaExceeded},
		{Op: "challenge", Kind: client.ErrRateLimited, Status: 429, RetryAfter: time.Hour},
	} {
		i := &issuer{secret: fmt.Sprint("a", n), took: 200 * time.Millisecond}
		i.err.Store(failed)
		var running sync.WaitGroup
		for range 30 {
			running.Go(func() {
				_, err := member(t, i, Options{URL: server.url()}).Token(t.Context())
				if !errors.Is(err, failed.Kind) {
					t.Errorf("got %v", err)
				}
			})
		}
		running.Wait()
		_, err := member(t, i, Options{URL: server.url()}).Token(t.Context())
		require.ErrorIs(t, err, failed.Kind)
		require.ErrorContains(t, err, "another process got this error")
		var failure *client.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, failed.Code, failure.Code)
		require.Equal(t, failed.RetryAfter > 0, failure.RetryAfter > 59*time.Minute)
		require.EqualValues(t, 1, i.asked.Load())
	}
}

// One member renews the token before it expires; meanwhile all members get the old one.
func TestInteropRenewal(t *testing.T) {
	interop(t)
	t.Parallel()
	server := startRedis(t)
	i := &issuer{secret: "a", life: 8 * time.Second, took: 700 * time.Millisecond}
	var members []*Cache
	for range 5 {
		members = append(members, member(t, i, Options{URL: server.url()}))
	}
	var old, waited atomic.Int32
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		for _, c := range members {
			before := i.asked.Load()
			token := get(t, c)
			if before == i.asked.Load() && token == fmt.Sprint("token-a-", before-1) {
				old.Add(1)
			} else if before != i.asked.Load() {
				waited.Add(1)
			}
		}
	}
	require.NotZero(t, old.Load(), "no member got the old token during a renewal")
	require.LessOrEqual(t, i.asked.Load(), int32(4), "20 s are about three lifetimes of 6.4 s")
	require.LessOrEqual(t, waited.Load(), int32(8), "callers waited for renewals")
}

func TestInteropSingleUse(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a", took: 10 * time.Millisecond}
	options := Options{URL: server.url(), SingleUse: true, Spare: 4}
	var members []*Cache
	for range 5 {
		members = append(members, member(t, i, options))
	}
	var mu sync.Mutex
	given := map[string]bool{}
	for range 10 {
		var running sync.WaitGroup
		for _, c := range members {
			running.Go(func() {
				token := get(t, c)
				mu.Lock()
				defer mu.Unlock()
				if given[token] {
					t.Errorf("two callers got %s", token)
				}
				given[token] = true
			})
		}
		running.Wait()
	}
	require.Len(t, given, 50)
	time.Sleep(300 * time.Millisecond)
	require.LessOrEqual(t, i.asked.Load(), int32(50+4))
	n, err := server.admin("ZCARD", members[0].keys.pool).AsInt64()
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
}

// A lease that no member can have taken, since it lasts too long, does not hold up the
// fleet.
func TestInteropStrangeLease(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a"}
	for n, planted := range [][]string{nil, {"PX", "3600000"}} {
		c := member(t, i, Options{URL: server.url(), Bare: true})
		server.admin("DEL", c.keys.token)
		require.NoError(t, server.admin(append([]string{"SET", c.keys.lease, "x"}, planted...)...).Error())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		token, err := c.Token(ctx)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("token-a-", n+1), token.Value.Reveal())
	}
}

// When the holder of the lease is killed, at whatever moment, another member takes over
// within seconds, and there are at most two handshakes.
func TestInteropKilledHolder(t *testing.T) {
	interop(t)
	t.Parallel()
	server := startRedis(t)
	const kills = 100
	places := make(chan struct{}, 10) // at most 10 kills at a time
	var running sync.WaitGroup
	var slowest atomic.Int64
	for n := range kills {
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			// The service is slow at both steps, which keeps the holder busy for a while.
			service := gktest.New(gktest.Options{Difficulty: gktest.NoWork})
			entered := make(chan struct{}, 100)
			slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				entered <- struct{}{}
				time.Sleep(150 * time.Millisecond)
				service.ServeHTTP(w, r)
			}))
			defer slow.Close()
			cache := fmt.Sprintf("redis://%s?prefix=kill%d:", server.address(), n)
			holder, _ := start(t, cache, slow.URL)
			select {
			case <-entered: // the holder has the lease
			case <-time.After(time.Minute):
				t.Error("the holder did not start")
				return
			}
			heir, output := start(t, cache, slow.URL)
			time.Sleep(time.Duration(n) * 500 * time.Millisecond / time.Duration(kills))
			killed := time.Now()
			_ = holder.Process.Kill()
			_ = holder.Wait()
			if err := heir.Wait(); err != nil {
				t.Errorf("%v: %s", err, output)
			}
			slowest.Store(max(slowest.Load(), int64(time.Since(killed))))
			if n := service.Counts().Tokens; n < 1 || n > 2 {
				t.Errorf("%d tokens", n)
			}
		})
	}
	running.Wait()
	t.Logf("the slowest heir had a token %v after the kill", time.Duration(slowest.Load()))
	require.Less(t, time.Duration(slowest.Load()), 30*time.Second) // 4 s on an idle machine
}

// Whatever happens to the server, members always get live tokens, and each warns only
// once per outage.
func TestInteropOutages(t *testing.T) {
	interop(t)
	for name, r := range map[string]struct {
		disturb func(*process)
		restore func(*process)
	}{
		"restarts": {func(p *process) { p.kill(); p.start() }, func(*process) {}},
		"is down":  {(*process).kill, (*process).start},
		"is paused": {func(p *process) { _ = p.cmd.Process.Signal(syscall.SIGSTOP) },
			func(p *process) { _ = p.cmd.Process.Signal(syscall.SIGCONT) }},
		"loses its data": {func(p *process) { p.admin("FLUSHALL") }, func(*process) {}},
		"is full":        {func(p *process) { p.admin("CONFIG", "SET", "maxmemory", "1") }, func(p *process) { p.admin("CONFIG", "SET", "maxmemory", "0") }},
		"is a replica":   {func(p *process) { p.admin("REPLICAOF", "127.0.0.1", "1") }, func(p *process) { p.admin("REPLICAOF", "NO", "ONE") }},
		"drops clients":  {func(p *process) { p.admin("CLIENT", "KILL", "TYPE", "normal") }, func(*process) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startRedis(t)
			i := &issuer{secret: "a", life: 20 * time.Second}
			var warnings atomic.Int32
			options := Options{URL: server.url(), OnWarning: func(error) { warnings.Add(1) }}
			var members []*Cache
			for range 5 {
				members = append(members, member(t, i, options))
			}
			all := func() map[string]bool {
				seen := map[string]bool{}
				var mu sync.Mutex
				var running sync.WaitGroup
				for _, c := range members {
					running.Go(func() {
						token := get(t, c)
						mu.Lock()
						defer mu.Unlock()
						seen[token] = true
					})
				}
				running.Wait()
				return seen
			}
			require.Len(t, all(), 1)
			require.EqualValues(t, 1, i.asked.Load())
			r.disturb(server)
			require.Equal(t, map[string]bool{"token-a-1": true}, all(), "from memory")
			late := member(t, i, options) // joins while the server is disturbed
			get(t, late)
			require.LessOrEqual(t, i.asked.Load(), int32(2))
			r.restore(server)

			// When the tokens have expired, the fleet shares one again.
			members = append(members, late)
			require.Eventually(t, func() bool { return len(all()) == 1 }, 2*time.Minute, 200*time.Millisecond)
			require.LessOrEqual(t, warnings.Load(), int32(2*len(members)))
			require.LessOrEqual(t, i.asked.Load(), int32(3*len(members)))
		})
	}
}

// A server that answers but rejects writes causes one warning, however often members ask
// it, and is not up until it accepts writes again.
func TestInteropRejectsWrites(t *testing.T) {
	interop(t)
	t.Parallel()
	for code, r := range map[string]struct{ reject, accept []string }{
		"OOM":      {[]string{"CONFIG", "SET", "maxmemory", "1"}, []string{"CONFIG", "SET", "maxmemory", "0"}},
		"READONLY": {[]string{"REPLICAOF", "127.0.0.1", "1"}, []string{"REPLICAOF", "NO", "ONE"}},
	} {
		server := startRedis(t)
		var mu sync.Mutex
		var warnings []string
		i := &issuer{secret: "a"}
		c := member(t, i, Options{URL: server.url(), Bare: true, OnWarning: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			warnings = append(warnings, err.Error())
		}})
		for outage := 1; outage <= 2; outage++ {
			require.NoError(t, server.admin(r.reject...).Error())
			for range 2 {
				token, err := c.Token(t.Context())
				require.NoError(t, err)
				require.False(t, c.Stats().Up)
				c.Invalidate(token)
				require.False(t, c.Stats().Up)
			}
			_, err := Check(t.Context(), server.url())
			require.ErrorContains(t, err, "rejects writes ("+code+")")
			require.NotContains(t, err.Error(), "script")
			require.NoError(t, server.admin(r.accept...).Error())
			token, err := c.Token(t.Context())
			require.NoError(t, err)
			require.True(t, c.Stats().Up)
			c.Invalidate(token)
			mu.Lock()
			require.Len(t, warnings, outage)
			require.Contains(t, warnings[0], "the server rejects writes ("+code+"), since it is ")
			mu.Unlock()
		}
	}
}

// A full server still hands out the tokens in its pool, each of them once.
func TestInteropFullPool(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a"}
	c := member(t, i, Options{URL: server.url(), SingleUse: true, Spare: 3})
	stock := func() int64 {
		n, err := server.admin("ZCARD", c.keys.pool).AsInt64()
		require.NoError(t, err)
		return n
	}
	get(t, c)
	require.Eventually(t, func() bool { return stock() == 3 }, time.Minute, 10*time.Millisecond)
	server.admin("CONFIG", "SET", "maxmemory", "1")
	given := map[string]bool{}
	for range 5 {
		given[get(t, c)] = true
	}
	require.Len(t, given, 5)
	require.EqualValues(t, 3, c.Stats().Shared)
}

// Members ignore a value that somebody puts back after it was rejected or has expired.
func TestInteropReplay(t *testing.T) {
	interop(t)
	server := startRedis(t)
	i := &issuer{secret: "a"}
	first := member(t, i, Options{URL: server.url()})
	token, err := first.Token(t.Context())
	require.NoError(t, err)
	value, err := server.admin("GET", first.keys.token).ToString()
	require.NoError(t, err)
	require.NotContains(t, value, "token-a")
	first.Invalidate(token)
	server.admin("SET", first.keys.token, value, "EX", "300")
	require.Equal(t, "token-a-2", get(t, member(t, i, Options{URL: server.url()})), "a rejected token came back")

	short := &issuer{secret: "b", life: 2 * time.Second}
	c := member(t, short, Options{URL: server.url()})
	for err = errEmpty; err != nil; {
		get(t, c)
		value, err = server.admin("GET", c.keys.token).ToString() // fails if the token has expired already
	}
	require.Eventually(t, func() bool {
		n, err := server.admin("EXISTS", c.keys.token).AsInt64()
		return err == nil && n == 0
	}, time.Minute, 10*time.Millisecond)
	server.admin("SET", c.keys.token, value, "EX", "300")
	before := short.asked.Load()
	require.Equal(t, fmt.Sprint("token-b-", before+1), get(t, member(t, short, Options{URL: server.url()})), "an expired token came back")

	// The same holds for another account's value under this name, and for damaged ones.
	foreign := member(t, &issuer{secret: "c"}, Options{URL: server.url()})
	require.Equal(t, "token-c-1", get(t, foreign))
	value, err = server.admin("GET", foreign.keys.token).ToString()
	require.NoError(t, err)
	for n, planted := range []string{value, value[:len(value)/2], "", "token"} {
		server.admin("SET", first.keys.token, planted, "EX", "300")
		require.Equal(t, fmt.Sprint("token-a-", n+3), get(t, member(t, i, Options{URL: server.url()})))
	}

	// A token that somebody puts back in the pool is not handed out twice.
	single := &issuer{secret: "d"}
	options := Options{URL: server.url(), SingleUse: true, Spare: 1}
	s := member(t, single, options)
	get(t, s)
	var entry []string
	require.Eventually(t, func() bool {
		entry, _ = server.admin("ZRANGE", s.keys.pool, "0", "-1", "WITHSCORES").AsStrSlice()
		return len(entry) > 0
	}, time.Minute, 10*time.Millisecond)
	spare := get(t, s)
	for range 3 {
		server.admin("ZADD", s.keys.pool, fmt.Sprint(time.Now().Add(time.Hour).UnixMilli()), entry[0])
		require.NotEqual(t, spare, get(t, member(t, single, options)))
	}
}

// All processes together accept a page only once.
func TestInteropOnce(t *testing.T) {
	interop(t)
	server := startRedis(t)
	var firsts atomic.Int32
	var running sync.WaitGroup
	for range 20 {
		running.Go(func() {
			store, err := NewOnceStore(Options{URL: server.url()})
			if err != nil {
				t.Error(err)
				return
			}
			defer store.Close()
			first, err := store.Use(t.Context(), strings.Repeat("a", 32), time.Now().Add(time.Hour))
			if err != nil {
				t.Error(err)
			}
			if first {
				firsts.Add(1)
			}
		})
	}
	running.Wait()
	require.EqualValues(t, 1, firsts.Load())
	left, err := server.admin("PTTL", DefaultPrefix+"once:"+strings.Repeat("a", 32)).AsInt64()
	require.NoError(t, err)
	require.InDelta(t, (time.Hour + onceMargin).Milliseconds(), left, 60_000)
}

func TestInteropCheck(t *testing.T) {
	interop(t)
	server := startRedis(t, "--requirepass", "PASSWORD")
	report, err := Check(t.Context(), strings.Replace(server.url(), "//", "//:PASSWORD@", 1))
	require.NoError(t, err)
	require.Regexp(t, `^(redis|valkey) \d+\.`, report.Server)
	require.NotZero(t, report.Latency)
	_, err = Check(t.Context(), server.url())
	require.ErrorIs(t, err, client.ErrUnavailable)
	require.ErrorContains(t, err, "NOAUTH")
	_, err = Check(t.Context(), strings.Replace(server.url(), "//", "//:WRONG@", 1))
	require.ErrorContains(t, err, "WRONGPASS")
	require.NotContains(t, err.Error(), "WRONG@")
	i := &issuer{secret: "a"}
	require.Equal(t, "token-a-1", get(t, member(t, i, Options{URL: server.url()})), "alone")
}
