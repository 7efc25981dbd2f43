// Package rediscache shares one gkCAPTCHA token among the members of a fleet, through
// Valkey, or Redis 6 or later:
//
//	tokens, err := rediscache.New(c, rediscache.Options{URL: "rediss://cache.example:6379"})
//	token, err := tokens.Token(ctx) // c is a *client.Client
//
// The fleet does one handshake per lifetime of a token. The member that does it holds a
// lease, which it renews while it works; if that member dies, another takes over within
// seconds. The server notifies the other members of the new token or of the failure (client
// tracking in broadcast mode), so they do not poll. When one member reports a token as
// rejected, all members drop it. In each process a client.Source keeps the token in memory,
// so most calls do not use the network.
//
// The server never sees a token: values are encrypted with AES-256-GCM under keys derived
// from the secret key (seal.go), and the names of the server's keys contain no secret. The
// age of a value is measured by the server's clock alone, so the members' clocks may
// differ.
//
// If the server fails, each member gets a token of its own, after less than a second with
// the default timeout. If Options.Policy is Fail, it gets an error instead.
package rediscache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/internal/pause"
)

// An Issuer gets new tokens. *client.Client is one.
type Issuer interface {
	client.TokenSource

	// DeriveKey returns a key of length bytes for a purpose. Members with the same
	// account derive the same key, and nobody else can.
	DeriveKey(purpose string, length int) ([]byte, error)
}

// A Policy decides what happens while the server is unavailable.
type Policy int

const (
	Alone Policy = iota // each process gets its own token
	Fail                // Token returns client.ErrUnavailable
)

// Options configure a Cache. URL is required.
type Options struct {
	// URL locates the server:
	//
	//	rediss://user:password@host:6379/0?prefix=team:&ca_file=/etc/redis/ca.pem
	//
	// The scheme is rediss or valkeys with TLS, redis or valkey without, or unix with the
	// path of a socket. Everything but the scheme and the host is optional. The
	// parameters are:
	//
	//	db                      number of the database, like the number after the host
	//	prefix                  prefix of the key names; the default is DefaultPrefix
	//	timeout                 same as Timeout, such as 100ms
	//	policy                  same as Policy: alone or fail
	//	password_file           file with the password, read for each connection
	//	addr                    another node of the cluster, or another sentinel
	//	master_set              name of the master, if the addresses are sentinels
	//	sentinel_user           user name for the sentinels
	//	sentinel_password_file  file with the password for the sentinels
	//	ca_file                 trusted certificates in PEM; the default is the system's
	//	cert_file, key_file     client certificate and its key in PEM
	URL string

	// From gets the new tokens; nil means the issuer. With a diskcache.Cache the
	// processes of one machine share a token while the server is unavailable.
	From client.TokenSource

	// Policy decides what happens while the server is unavailable. With Alone, the zero
	// value, a policy in the URL takes precedence.
	Policy Policy

	// Timeout limits each exchange with the server, 10 ms to 1 s; 0 means the timeout in
	// the URL, or else DefaultTimeout. Connecting may take twice as long. While this
	// process is suspended or waits for a CPU, the timeout hardly advances. The holder of
	// the lease renews it once per Timeout; without renewal it expires after twelve
	// Timeouts.
	Timeout time.Duration

	// SingleUse gives every caller in the fleet its own token.
	SingleUse bool

	// Spare is the number of single-use tokens that the fleet keeps in stock, 0 to
	// client.MaxSpare.
	Spare int

	// Bare turns off the cache in memory, for use behind a client.Source. OnRefused
	// should then call Invalidate of that Source.
	Bare bool

	// OnRefused, if not nil, is called with the token in use when another member reports
	// that it was rejected. OnRefused, OnWarning and OnError must return quickly. The
	// errors contain no secret.
	OnRefused func(client.Token)

	// OnWarning, if not nil, is called once for each outage of the server.
	OnWarning func(error)

	// OnError, if not nil, is called when getting a token ahead of time fails.
	OnError func(error)
}

// DefaultTimeout is the timeout if neither Options.Timeout nor the URL sets one.
const DefaultTimeout = 250 * time.Millisecond

// leaseTimeouts is the term of a lease, in timeouts.
const leaseTimeouts = 12

// longestTerm is the term of a lease with the longest timeout that Options accept.
const longestTerm = leaseTimeouts * time.Second

// Stats counts events since New.
type Stats struct {
	Up         bool   // whether the server answered the latest exchange, and accepts writes
	Shared     uint64 // tokens that came from the server
	Handshakes uint64 // tokens requested from Options.From, Alone included
	Alone      uint64 // tokens requested without a lease because the server was unavailable
	Errors     uint64 // failed exchanges with the server
	Refused    uint64 // tokens dropped because another member reported them as rejected
}

// A Cache is a client.TokenSource and a client.Invalidator. It is safe for concurrent
// use.
type Cache struct {
	from    client.TokenSource
	options Options
	seal    *sealer
	keys    keys
	store   *store
	source  *client.Source // nil if SingleUse or Bare is set

	work    func() context.Context // ends with Close
	close   context.CancelFunc
	running sync.WaitGroup
	waiting hub

	mu       sync.Mutex // guards the fields below
	last     client.Token
	rejected []string // tags of rejected tokens, the latest last
	checking bool
	recheck  bool // a notification came during a check, so check once more
	filling  bool
	closed   bool

	shared, handshakes, alone, refused atomic.Uint64
}

// New returns a Cache. It does not connect; the first call of Token does. The error is
// client.ErrMisconfigured and contains no secret.
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
	options.Timeout, options.Policy = server.timeout, max(options.Policy, server.policy)
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

// Token returns the token in memory, else the token of the fleet, else a new one. With
// SingleUse it returns a token that no other caller in the fleet gets. A token from the
// server has Rounds 0. Token returns the errors of the issuer and of the context, and with
// Policy Fail client.ErrUnavailable.
func (c *Cache) Token(ctx context.Context) (client.Token, error) {
	switch {
	case c.source != nil:
		return c.source.Token(ctx)
	case c.options.SingleUse:
		return c.single(ctx)
	}
	return level2{c}.Token(ctx)
}

// Invalidate reports the token as rejected. If the fleet still shares it, no member returns
// it again; otherwise only this member drops it. Invalidate waits for the server, up to
// twice Options.Timeout.
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

// Close cancels the work under way, releases the lease and closes the connections. Later
// calls of Token fail.
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

// Stats returns the counts since New.
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

// level2 is the cache behind the one in memory: the server, and the issuer behind that.
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

// Invalidate reports the rejection to the server, unless the server reported it.
func (l level2) Invalidate(token client.Token) {
	if l.reject(token) {
		l.reportRejected(token)
	}
}

// reject keeps this member from returning the token again. It returns false if this member
// has already rejected the token.
func (c *Cache) reject(token client.Token) bool {
	if behind, ok := c.from.(client.Invalidator); ok {
		behind.Invalidate(token)
	}
	tag := c.seal.tag(token)
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.rejected, tag) {
		return false
	}
	c.rejected = append(c.rejected, tag)
	if len(c.rejected) > maxRejected {
		c.rejected = c.rejected[1:]
	}
	return true
}

// maxRejected is the number of rejected tokens that a member remembers.
const maxRejected = 16

func (c *Cache) isRejected(tag string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.rejected, tag)
}

// reportRejected deletes the token from the server if it is still there, and stores its tag
// for the members that hold the token in memory.
func (c *Cache) reportRejected(token client.Token) {
	ctx := c.work()
	s, err := c.look(ctx, claim{})
	if err != nil {
		return // the other members have to find out themselves
	}
	stored := c.seal.openToken("token", s.token, s.now, s.tokenLeft)
	if stored == nil || stored.Token != token.Value.Reveal() {
		return
	}
	_, _ = c.store.run(ctx, answers, rejectScript, c.keys.all(), s.token, c.seal.tag(token), milliseconds(max(time.Until(token.Expires()), time.Second)))
}

// onChange is called by the store with each key that has changed, or with "" when the
// connection was lost and any key may have changed. It must not block.
func (c *Cache) onChange(key string) {
	switch key {
	case c.keys.lease:
		c.waiting.beat()
	case c.keys.refused:
		c.check()
	case "":
		c.waiting.news()
		c.check()
	default:
		c.waiting.news()
	}
}

// check drops the token in memory if another member has reported it as rejected. It retries
// in the background until the server answers or the token expires.
func (c *Cache) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || !c.last.Alive() {
		return
	}
	c.recheck = true
	if c.checking {
		return
	}
	c.checking = true
	c.running.Go(func() {
		for wait := c.options.Timeout; c.checkOnce(); wait = min(2*wait, time.Minute) {
			pause.For(c.work(), jitter(wait))
		}
	})
}

// checkOnce checks once and returns whether to check again.
func (c *Cache) checkOnce() bool {
	c.mu.Lock()
	last := c.last
	c.recheck = false
	c.mu.Unlock()
	s, err := c.look(c.work(), claim{})
	if err == nil && slices.Contains(s.rejected, c.seal.tag(last)) {
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
	c.checking = !c.closed && (c.recheck || err != nil && c.last.Alive())
	return c.checking
}

// unavailable returns the error for Policy Fail.
func unavailable(err error) error {
	return &client.Error{Op: "cache", Kind: client.ErrUnavailable, Err: fmt.Errorf("the cache server is unavailable, and the policy is to fail: %w", err)}
}

var errClosed = errors.New("the Cache is closed")
