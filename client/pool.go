package client

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A pool holds the single-use tokens of a Source. One goroutine at a time gets tokens,
// first for the callers that wait, and then as spares.
type pool struct {
	source *Source

	mu      sync.Mutex // guards the fields below
	ready   []*shared  // at most SourceOptions.Spare
	waiting []*waiter  // in the order of their arrival
	getting *getting   // nil if no goroutine is getting tokens
	failed  failed
}

// A waiter receives its outcome once. Sending it does not block.
type waiter struct{ outcome chan outcome }

type outcome struct {
	token Token
	err   error
}

// getting is the work under way.
type getting struct{ cancel context.CancelFunc }

// take returns a spare token, or waits for one.
func (p *pool) take(ctx context.Context) (Token, error) {
	now := time.Now()
	p.mu.Lock()
	closed := p.source.work().Err() != nil
	p.ready = slices.DeleteFunc(p.ready, func(s *shared) bool { return !before(now, s.block) })
	if len(p.ready) > 0 && !closed {
		token := p.ready[0].token
		p.ready = slices.Delete(p.ready, 0, 1)
		p.start(now)
		p.mu.Unlock()
		return token, nil
	}
	err := p.failed.recall(now)
	switch {
	case closed:
		err = interrupted("token", contextError(p.source.work()))
	case ctx.Err() != nil:
		err = interrupted("token", contextError(ctx))
	}
	if err != nil {
		p.mu.Unlock()
		return Token{}, err
	}
	w := &waiter{make(chan outcome, 1)}
	p.waiting = append(p.waiting, w)
	p.start(now)
	p.mu.Unlock()

	select {
	case o := <-w.outcome:
		return o.token, o.err
	case <-ctx.Done():
		return p.leave(ctx, w)
	}
}

// leave removes a waiter whose context is done. If the waiter has been served at the same
// moment, leave returns that outcome.
func (p *pool) leave(ctx context.Context, w *waiter) (Token, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, w)
	if i < 0 {
		o := <-w.outcome
		return o.token, o.err
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	if p.wanted() <= 0 && p.getting != nil {
		p.getting.cancel()
		p.getting = nil // new callers must not wait for work that was canceled
	}
	return Token{}, interrupted("token", contextError(ctx))
}

// empty drops all spare tokens when the Source is closed.
func (p *pool) empty() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = nil
}

// drop removes a rejected token.
func (p *pool) drop(token Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = slices.DeleteFunc(p.ready, func(s *shared) bool { return s.token.is(token) })
}

// wanted returns the number of tokens to get. The caller holds p.mu.
func (p *pool) wanted() int {
	return len(p.waiting) + p.source.options.Spare - len(p.ready)
}

// start starts a goroutine that gets tokens, if any are wanted. The caller holds p.mu.
func (p *pool) start(now time.Time) {
	s := p.source
	if p.getting != nil || p.wanted() <= 0 || p.failed.recall(now) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	ctx, cancel := context.WithCancel(s.work())
	g := &getting{cancel}
	p.getting = g
	s.running.Go(func() {
		defer cancel()
		for p.serve(ctx, g) {
		}
	})
}

// serve gets one token and gives it to the caller that has waited longest. It returns
// whether to get another.
func (p *pool) serve(ctx context.Context, g *getting) bool {
	token, err := p.source.fetch(ctx)
	p.mu.Lock()
	if ended := p.source.work().Err(); ended != nil && err == nil {
		err = interrupted("token", contextError(p.source.work()))
	}
	current := p.getting == g
	var served []*waiter
	switch {
	case err == nil && len(p.waiting) > 0:
		served, p.waiting = p.waiting[:1:1], p.waiting[1:]
		p.failed = failed{}
	case err == nil:
		if len(p.ready) < p.source.options.Spare {
			p.ready = append(p.ready, newShared(token, time.Now()))
		}
	case current:
		served, p.waiting = p.waiting, nil
		p.failed.keep(err, time.Now())
	}
	again := current && err == nil && p.wanted() > 0
	if current && !again {
		p.getting = nil
	}
	for _, w := range served {
		w.outcome <- outcome{token, err}
	}
	p.mu.Unlock()
	if err != nil && current && len(served) == 0 {
		p.source.report(err)
	}
	return again
}
