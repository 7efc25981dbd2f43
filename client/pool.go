package client

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A pool is a Source's tokens for one use each. One goroutine at a time gets
// them, for those who wait first and then to keep in advance.
type pool struct {
	source *Source

	mu      sync.Mutex // guards what follows
	ready   []*shared  // at most SourceOptions.Spare
	waiting []*waiter  // in the order in which they came
	getting *getting   // nil if nothing is being got
	failed  failed
}

// A waiter is given its outcome once, without blocking.
type waiter struct{ outcome chan outcome }

type outcome struct {
	token Token
	err   error
}

// getting is the work under way.
type getting struct{ cancel context.CancelFunc }

// take returns a token that is ready, or waits for one.
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

// leave takes a waiter out, unless it has been served in that moment.
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
		p.getting = nil // whoever comes now must not wait for what is being given up
	}
	return Token{}, interrupted("token", contextError(ctx))
}

// empty forgets all that is ready when the Source has been closed.
func (p *pool) empty() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = nil
}

// drop forgets a token that is not accepted.
func (p *pool) drop(token Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = slices.DeleteFunc(p.ready, func(s *shared) bool { return s.token.is(token) })
}

// wanted is how many tokens are to be got. The caller holds p.mu.
func (p *pool) wanted() int {
	return len(p.waiting) + p.source.options.Spare - len(p.ready)
}

// start begins to get tokens if any are wanted. The caller holds p.mu.
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

// serve gets one token and gives it to whoever has waited longest. It returns
// whether to go on.
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
