//go:build unix

package rediscache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/internal/pause"
)

// A proxy between members and a server disturbs connections according to its current
// fault.
type proxy struct {
	listener net.Listener
	target   string
	fault    atomic.Int32
	running  sync.WaitGroup
	ended    context.Context
	end      context.CancelFunc
}

const (
	noFault    = iota
	delayed    // each chunk arrives some milliseconds late, in both directions
	silenced   // nothing arrives any more, but connections stay open
	cut        // connections break in the middle of a chunk
	halfClosed // the connection to the server is closed for writing, the client's stays open
	refused    // new connections are closed at once
	faults
)

func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, target: target}
	p.ended, p.end = context.WithCancel(context.Background())
	p.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(conn) })
		}
	})
	return p, nil
}

func (p *proxy) close() {
	p.end()
	p.listener.Close()
	p.running.Wait()
}

func (p *proxy) serve(near net.Conn) {
	defer near.Close()
	if p.fault.Load() == refused {
		return
	}
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	stop := context.AfterFunc(p.ended, func() { near.Close(); far.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { p.pass(far, near, true) })
	both.Go(func() { p.pass(near, far, false) })
	both.Wait()
}

// pass copies chunks until one side closes.
func (p *proxy) pass(to, from net.Conn, towards bool) {
	piece := make([]byte, 4096)
	for {
		n, err := from.Read(piece)
		if err != nil {
			_ = to.(*net.TCPConn).CloseWrite()
			return
		}
		switch p.fault.Load() {
		case delayed:
			if !pause.For(p.ended, time.Duration(rand.IntN(8))*time.Millisecond) {
				return
			}
		case silenced:
			continue
		case cut:
			_, _ = to.Write(piece[:n/2])
			to.Close()
			from.Close()
			return
		case halfClosed:
			if towards {
				_ = to.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, from)
				return
			}
		}
		if _, err := to.Write(piece[:n]); err != nil {
			return
		}
	}
}

// Random sequences of faults hit the connections of members that get and invalidate
// tokens, while the service fails at random. Every call ends with a live token or the
// right typed error, the number of handshakes is bounded, and no two callers get the same
// single-use token.
func TestInteropFaultSequences(t *testing.T) {
	interop(t)
	t.Parallel()
	server := startRedis(t, "--maxclients", "20000")
	sequences := 10_000
	if testing.Short() {
		sequences = 1000
	}
	next := atomic.Int64{}
	var asked, calls, failures atomic.Int64
	var running sync.WaitGroup
	for range 24 {
		running.Go(func() {
			for n := next.Add(1); n <= int64(sequences) && !t.Failed(); n = next.Add(1) {
				a, c, f := sequence(t, server.address(), uint64(n))
				asked.Add(int64(a))
				calls.Add(int64(c))
				failures.Add(int64(f))
			}
		})
	}
	running.Wait()
	t.Logf("%d sequences: %d calls, %d handshakes, %d typed errors", sequences, calls.Load(), asked.Load(), failures.Load())
}

// sequence runs one sequence and returns the numbers of handshakes, calls and errors.
func sequence(t *testing.T, address string, seed uint64) (handshakes, calls, failures int) {
	r := rand.New(rand.NewPCG(seed, 7))
	p, err := newProxy(address)
	if err != nil {
		t.Error(err)
		return
	}
	defer p.close()
	i := &issuer{secret: fmt.Sprint("seed", seed), took: time.Duration(r.IntN(10)) * time.Millisecond}
	single := r.IntN(3) == 0
	options := Options{
		URL: "redis://" + p.listener.Addr().String(), Timeout: time.Duration(10+r.IntN(30)) * time.Millisecond,
		SingleUse: single, Spare: r.IntN(3), Policy: Policy(r.IntN(4) / 3), Bare: r.IntN(3) == 0,
	}
	p.fault.Store(int32(r.IntN(faults)))
	var members []*Cache
	for range 1 + r.IntN(3) {
		c, err := New(i, options)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		members = append(members, c)
	}
	var mu sync.Mutex
	given := map[string]bool{}
	invalidated := 0
	for range 2 + r.IntN(4) {
		p.fault.Store(int32([]int{noFault, noFault, r.IntN(faults)}[r.IntN(3)]))
		i.err.Store(nil)
		if r.IntN(6) == 0 {
			kinds := []error{client.ErrUnavailable, client.ErrMisconfigured, client.ErrQuotaExceeded, client.ErrRateLimited}
			i.err.Store(&client.Error{Op: "challenge", Kind: kinds[r.IntN(len(kinds))], RetryAfter: time.Hour})
		}
		var round sync.WaitGroup
		for _, c := range members {
			limit, reject := time.Minute, r.IntN(8) == 0
			if r.IntN(6) == 0 {
				limit = time.Duration(r.IntN(20)) * time.Millisecond
			}
			round.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				token, err := c.Token(ctx)
				mu.Lock()
				calls++
				defer mu.Unlock()
				var failure *client.Error
				switch {
				case err == nil && !token.Alive():
					t.Errorf("seed %d: an expired token", seed)
				case err == nil && single && given[token.Value.Reveal()]:
					t.Errorf("seed %d: two callers got %s", seed, token.Value.Reveal())
				case err == nil:
					given[token.Value.Reveal()] = true
					if reject {
						invalidated++
						mu.Unlock()
						c.Invalidate(token)
						mu.Lock()
					}
				case !errors.As(err, &failure):
					t.Errorf("seed %d: %v is not an *Error", seed, err)
				case failure.Kind == nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("seed %d: %v: no kind, though the context is not done", seed, err)
				default:
					failures++
				}
			})
		}
		round.Wait()
	}
	mu.Lock()
	defer mu.Unlock()
	handshakes = int(i.asked.Load())
	// At worst each member does one handshake alone, one more for each token that was
	// rejected, and one for each call that failed. Without a cache in memory, or with
	// single-use tokens, each call may do one, and so does each spare token.
	limit := len(members)*(1+invalidated) + failures
	if single || options.Bare {
		limit = calls + failures + (options.Spare+1)*len(members)
	}
	if handshakes > limit {
		t.Errorf("seed %d: %d handshakes for %d members, %d calls, %d rejections and %d failures", seed, handshakes, len(members), calls, invalidated, failures)
	}
	return handshakes, calls, failures
}
