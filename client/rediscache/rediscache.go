// Package rediscache shares one gkCAPTCHA token among the members of a fleet, through
// a server of Redis 6 or later, or Valkey:
//
//	tokens, err := rediscache.New(c, rediscache.Options{URL: "rediss://cache.example:6379"})
//	token, err := tokens.Token(ctx) // c is a *client.Client
//
// The fleet does one handshake for each lifetime of a token. The member that does it
// holds a lease, which it renews while it works; if it dies, another takes over within
// seconds. The others are told of the token, or of the failure, by the server (client
// tracking in broadcast mode): they do not poll. A token that is refused is forgotten by
// all members. In each process a client.Source holds the token, so that a warm call does
// not touch the network.
//
// The server never sees a token: values are sealed by AES-256-GCM under keys derived
// from the secret key (seal.go), and the names of keys hold nothing secret either. The
// server's clock alone decides how old a value is, so the members' clocks may differ.
//
// Nothing that goes wrong with the server keeps a token from being got, unless
// Options.Policy says so: a member then goes on alone, after at most half a second.
package rediscache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/client"
)

// An Issuer gets new tokens, and derives keys that only who shares its account can
// know; *client.Client is one.
type Issuer interface {
	client.TokenSource
	DeriveKey(purpose string, length int) ([]byte, error)
}

// A Policy says what happens while the server cannot be used.
type Policy int

const (
	Alone Policy = iota // each process gets a token of its own
	Fail                // no token: client.ErrUnavailable
)

// Options configure a Cache. URL is needed.
type Options struct {
	// URL is where the server is:
	//
	//	rediss://user:password@host:6379/0?prefix=team:&ca_file=/etc/redis/ca.pem
	//
	// The scheme is rediss or valkeys for TLS, redis or valkey without, or unix with the
	// path of a socket. All but the scheme and the host may be left out. The parameters:
	//
	//	db                      the number of the database, as after the host
	//	prefix                  of the names of keys; DefaultPrefix if missing
	//	timeout                 as Timeout, such as 100ms
	//	password_file           a file with the password, read for each connection
	//	addr                    a further node of a cluster, or a further sentinel
	//	master_set              the name of the master, if the addresses are sentinels'
	//	sentinel_user           the user for these, and
	//	sentinel_password_file  a file with their password
	//	ca_file                 certificates to trust, PEM; the system's if missing
	//	cert_file, key_file     the client's own certificate and key, PEM
	URL string

	// From gets the new tokens; nil is the issuer. With a diskcache.Cache the
	// processes of one machine share a token while the server cannot be used.
	From client.TokenSource

	Policy Policy

	// Timeout bounds each exchange with the server, 10 ms to 1 s; 0 is the URL's, or
	// else DefaultTimeout. To connect may take twice as long. The holder of the lease
	// renews it that often, and loses it after twelve times that.
	Timeout time.Duration

	// SingleUse gives every caller in the fleet a token of its own, and Spare is how
	// many the fleet keeps in advance, 0 to client.MaxSpare.
	SingleUse bool
	Spare     int

	// Bare leaves out the memory, for use behind a client.Source. OnRefused should then
	// tell that to Invalidate the token.
	Bare bool

	// OnRefused, if not nil, is called when another member has had a token refused that
	// this one was given. OnWarning, if not nil, is told once of each outage of the
	// server, and OnError when tokens could not be got in advance. They must be fast.
	// Nothing that they are told holds a secret.
	OnRefused func(client.Token)
	OnWarning func(error)
	OnError   func(error)
}

// DefaultTimeout bounds exchanges with the server if nothing else is said.
const DefaultTimeout = 250 * time.Millisecond

// leaseTimeouts is how many timeouts a lease lasts that is not renewed.
const leaseTimeouts = 12

// Stats are numbers of events since New, and whether the server could be used last.
type Stats struct {
	Up         bool
	Shared     uint64 // tokens that came from the server
	Handshakes uint64 // tokens that Options.From was asked for, Alone included
	Alone      uint64 // of these, without the lease because the server could not be used
	Errors     uint64 // exchanges with the server that failed
	Refused    uint64 // tokens dropped because another member had them refused
}

// A Cache is a client.TokenSource and a client.Invalidator. It is safe for concurrent
// use.
type Cache struct {
	from    client.TokenSource
	options Options
	seal    *sealer
	keys    keys
	store   *store
	source  *client.Source // nil with SingleUse and with Bare

	work    func() context.Context // ends with Close
	close   context.CancelFunc
	running sync.WaitGroup
	told    hub

	mu       sync.Mutex // guards what follows
	last     client.Token
	rejected []string // tags of tokens that are not accepted, the latest last
	checking bool
	again    bool // check once more: there was news meanwhile
	filling  bool
	closed   bool

	shared, handshakes, alone, refused atomic.Uint64
}

// New returns a Cache. It does not connect: the first call of Token does. Its errors are
// client.ErrMisconfigured, and show no secret.
func New(issuer Issuer, options Options) (*Cache, error) {
	server, err := options.server()
	switch {
	case err != nil:
		return nil, err
	case options.Spare < 0 || options.Spare > client.MaxSpare:
		return nil, misconfigured("Options.Spare is %d: set it to 0 to %d", options.Spare, client.MaxSpare)
	case options.Policy != Alone && options.Policy != Fail:
		return nil, misconfigured("Options.Policy is %d: set it to Alone or Fail", options.Policy)
	}
	options.Timeout = server.timeout
	c := &Cache{from: options.From, options: options}
	if c.from == nil {
		c.from = issuer
	}
	if c.seal, err = newSealer(issuer); err != nil {
		return nil, err
	}
	c.keys = newKeys(server.prefix, c.seal.name)
	work, cancel := context.WithCancel(context.Background())
	c.work, c.close = func() context.Context { return work }, cancel
	c.store = newStore(server, c.keys.tracked, c.onChange, options.OnWarning)
	if !options.SingleUse && !options.Bare {
		c.source = client.NewSource(level2{c}, client.SourceOptions{OnError: options.OnError})
	}
	return c, nil
}

func misconfigured(format string, args ...any) error {
	return &client.Error{Op: "config", Kind: client.ErrMisconfigured, Err: fmt.Errorf(format, args...)}
}

// Token returns the token in memory, or that of the fleet, or a new one, in this order;
// with SingleUse one that no other caller in the fleet has been given. A token that was
// had from the server has Rounds 0. The errors are those of the issuer, client.ErrUnavailable
// by Policy Fail, and the context's.
func (c *Cache) Token(ctx context.Context) (client.Token, error) {
	switch {
	case c.source != nil:
		return c.source.Token(ctx)
	case c.options.SingleUse:
		return c.single(ctx)
	}
	return level2{c}.Token(ctx)
}

// Invalidate tells the fleet that the token is not accepted. If it is still the one that
// is shared, no member gives it out again; otherwise only this one does not. It waits for
// the server, for at most twice Options.Timeout.
func (c *Cache) Invalidate(token client.Token) {
	switch {
	case c.source != nil:
		c.source.Invalidate(token)
	case c.options.SingleUse:
		c.reject(token)
	default:
		level2{c}.Invalidate(token)
	}
}

// Close ends the work under way, gives the lease back and closes the connections. Calls
// of Token fail from then on.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	if c.source != nil {
		c.source.Close()
	}
	c.close()
	c.running.Wait()
	c.store.close()
}

// Stats returns the numbers of events since New.
func (c *Cache) Stats() Stats {
	return Stats{
		Up:         c.store.up.Load(),
		Shared:     c.shared.Load(),
		Handshakes: c.handshakes.Load(),
		Alone:      c.alone.Load(),
		Errors:     c.store.errors.Load(),
		Refused:    c.refused.Load(),
	}
}

// level2 is what is behind the memory of a Cache: the server, and what issues tokens.
type level2 struct{ *Cache }

func (l level2) Token(ctx context.Context) (client.Token, error) {
	for {
		token, failure, err := l.get(ctx)
		if failure == nil {
			if err == nil {
				l.mu.Lock()
				l.last = token
				l.mu.Unlock()
			}
			return token, err
		}
		if err := failure.Await(ctx); err != nil {
			return client.Token{}, err
		}
	}
}

// Invalidate tells the server, unless the refusal came from there.
func (l level2) Invalidate(token client.Token) {
	if l.reject(token) {
		l.refuse(token)
	}
}

// reject notes that this member does not give the token out again. It reports whether
// that is news.
func (c *Cache) reject(token client.Token) bool {
	if behind, ok := c.from.(client.Invalidator); ok {
		behind.Invalidate(token)
	}
	tag := c.seal.tag(token)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, known := range c.rejected {
		if known == tag {
			return false
		}
	}
	c.rejected = append(c.rejected, tag)
	if len(c.rejected) > maxRejected {
		c.rejected = c.rejected[1:]
	}
	return true
}

// maxRejected is how many refused tokens a member remembers.
const maxRejected = 16

func (c *Cache) isRejected(tag string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, known := range c.rejected {
		if known == tag {
			return true
		}
	}
	return false
}

// refuse deletes the token on the server if it is still there, and leaves its tag for
// members that hold it in memory.
func (c *Cache) refuse(token client.Token) {
	ctx := c.work()
	seen, err := c.look(ctx, claim{})
	if err != nil {
		return // the others find out by themselves
	}
	kept := c.seal.kept("token", seen.token, seen.now, seen.tokenLeft)
	if kept == nil || kept.Token != token.Value.Reveal() {
		return
	}
	_, _ = c.store.run(ctx, refuseScript, c.keys.all(), seen.token, c.seal.tag(token), milliseconds(max(time.Until(token.Expires()), time.Second)))
}

// onChange is told by the store which keys have changed, "" if any may have: the
// connection was lost. It must not block.
func (c *Cache) onChange(key string) {
	switch key {
	case c.keys.lease:
		c.told.beat()
	case c.keys.refused:
		c.check()
	case "":
		c.told.news()
		c.check()
	default:
		c.told.news()
	}
}

// check drops the token in memory if another member had it refused. It tries until the
// server has answered, or the token has expired.
func (c *Cache) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || !c.last.Alive() {
		return
	}
	c.again = true
	if c.checking {
		return
	}
	c.checking = true
	c.running.Go(func() {
		for wait := c.options.Timeout; c.checkOnce(); wait = min(2*wait, time.Minute) {
			pause(c.work(), jitter(wait))
		}
	})
}

// checkOnce returns whether to check again.
func (c *Cache) checkOnce() bool {
	c.mu.Lock()
	last := c.last
	c.again = false
	c.mu.Unlock()
	s, err := c.look(c.work(), claim{})
	if err == nil && s.refused != "" && s.refused == c.seal.tag(last) {
		if c.reject(last) {
			c.refused.Add(1)
			if c.options.OnRefused != nil {
				c.options.OnRefused(last)
			}
		}
		if c.source != nil {
			c.source.Invalidate(last)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checking = !c.closed && (c.again || err != nil && c.last.Alive())
	return c.checking
}

// unavailable is the error of Policy Fail.
func unavailable(err error) error {
	return &client.Error{Op: "cache", Kind: client.ErrUnavailable, Err: fmt.Errorf("the cache server cannot be used, and the policy is to fail: %w", err)}
}

var errClosed = errors.New("the Cache is closed")
