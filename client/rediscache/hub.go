package rediscache

import (
	"context"
	"sync"
	"time"
)

// A hub wakes the callers that wait for the holder of the lease.
type hub struct {
	mu      sync.Mutex
	waiters map[*waiter]struct{}
}

// A waiter receives news, and heartbeats of the holder. Senders never block on it.
type waiter struct{ news, beats chan struct{} }

func (h *hub) join() *waiter {
	w := &waiter{make(chan struct{}, 1), make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiters == nil {
		h.waiters = map[*waiter]struct{}{}
	}
	h.waiters[w] = struct{}{}
	return w
}

func (h *hub) leave(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiters, w)
}

func (h *hub) news() { h.tell(func(w *waiter) chan struct{} { return w.news }) }

func (h *hub) beat() { h.tell(func(w *waiter) chan struct{} { return w.beats }) }

func (h *hub) tell(which func(*waiter) chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.waiters {
		select {
		case which(w) <- struct{}{}:
		default:
		}
	}
}

// wait returns when there is news, or when the holder has sent no heartbeat for about the
// duration silence.
func (w *waiter) wait(ctx context.Context, silence time.Duration) error {
	timer := time.NewTimer(jitter(silence) + silence/2)
	defer timer.Stop()
	for {
		select {
		case <-w.news:
			return nil
		case <-w.beats:
			timer.Reset(jitter(silence) + silence/2)
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
