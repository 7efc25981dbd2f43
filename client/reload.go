package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// A Reloader is a TokenSource for a program that runs longer than its secret key is
// valid. When the service rejects the key, the Reloader opens a new Client, which reads
// the key file again. If the key has changed, the Reloader retries the request once. A key
// stays valid for 24 hours after its rotation, so a program that learns of a rotation can
// call Reload in time.
//
//	tokens, err := client.NewReloader(open, nil)
//	source := client.NewSource(tokens, client.SourceOptions{})
//
// It is safe for concurrent use.
type Reloader struct {
	open    func() (*Client, error)
	wrap    func(*Client) TokenSource
	opening sync.Mutex
	current atomic.Pointer[opened]
}

// opened is a Client and the TokenSource that wraps it.
type opened struct {
	client *Client
	tokens TokenSource
}

// NewReloader calls open to create the first Client, and returns the error of open. The
// Reloader gets tokens from the result of wrap, for example a cache of package diskcache;
// a nil wrap means the Client itself. It calls open for each reload, and wrap if the key
// has changed, never concurrently. open must not block indefinitely.
func NewReloader(open func() (*Client, error), wrap func(*Client) TokenSource) (*Reloader, error) {
	if wrap == nil {
		wrap = func(c *Client) TokenSource { return c }
	}
	r := &Reloader{open: open, wrap: wrap}
	c, err := open()
	if err != nil {
		return nil, err
	}
	r.current.Store(&opened{c, wrap(c)})
	return r, nil
}

// Client returns the Client in use.
func (r *Reloader) Client() *Client { return r.current.Load().client }

// Token returns a token. If the service rejects the key, Token reloads the keys and, if
// they have changed, retries once.
func (r *Reloader) Token(ctx context.Context) (Token, error) {
	used := r.current.Load()
	token, err := used.tokens.Token(ctx)
	if err == nil || !IsKeyRefused(err) {
		return token, err
	}
	changed, reloadErr := r.replace(used)
	switch {
	case reloadErr != nil:
		return Token{}, fmt.Errorf("%w; reloading the keys failed: %w", err, reloadErr)
	case !changed:
		return Token{}, err
	}
	return r.current.Load().tokens.Token(ctx)
}

// Invalidate reports a rejected token to the TokenSource in use, if that is an
// Invalidator.
func (r *Reloader) Invalidate(token Token) {
	if keeper, ok := r.current.Load().tokens.(Invalidator); ok {
		keeper.Invalidate(token)
	}
}

// Reload reads the keys again and reports whether they have changed. Requests under way
// continue with the old keys. After an error the old keys stay in use.
func (r *Reloader) Reload() (changed bool, err error) { return r.replace(r.current.Load()) }

// replace puts a new Client in place of used, unless another call has already done so.
func (r *Reloader) replace(used *opened) (changed bool, err error) {
	r.opening.Lock()
	defer r.opening.Unlock()
	if r.current.Load() != used {
		return true, nil
	}
	c, err := r.open()
	if err != nil {
		return false, err
	}
	if c.Fingerprint() == used.client.Fingerprint() {
		return false, nil // keep the old Client, which has the state of the circuit breaker
	}
	r.current.Store(&opened{c, r.wrap(c)})
	return true, nil
}

// IsKeyRefused reports whether err means that the service rejected the secret key or API
// key: invalid_key, or status 401.
func IsKeyRefused(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && failure.Kind == ErrMisconfigured &&
		(failure.Code == CodeInvalidKey || failure.Status == http.StatusUnauthorized)
}
