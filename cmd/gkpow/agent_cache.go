package main

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/rediscache"
)

// agentCaches holds the caches behind an agent's Source. A change of keys replaces them.
type agentCaches struct {
	source   atomic.Pointer[client.Source] // nil until there is one
	rejected func()                        // called after another machine reported a token as rejected

	mu     sync.Mutex // guards the fields below
	shared *rediscache.Cache
	done   func()
}

// open returns the caches of a client. It closes the previous ones when requests in
// progress have ended.
func (a *agentCaches) open(f *accountFlags, env environment, c *client.Client) client.TokenSource {
	tokens, done, err := f.tokens(env, c, func(token client.Token) {
		if source := a.source.Load(); source != nil {
			source.Invalidate(token)
			a.rejected()
		}
	})
	if err != nil { // a file that the URL names no longer exists
		warn(env, err)
		return c
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done != nil {
		time.AfterFunc(serviceLimit, a.done)
	}
	a.shared, _ = tokens.(*rediscache.Cache)
	a.done = done
	return tokens
}

// stats returns the statistics of the shared cache, or false if there is none.
func (a *agentCaches) stats() (rediscache.Stats, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.shared == nil {
		return rediscache.Stats{}, false
	}
	return a.shared.Stats(), true
}

func (a *agentCaches) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done != nil {
		a.done()
	}
}
