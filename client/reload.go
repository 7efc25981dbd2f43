package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// A Reloader is a TokenSource for a program that outlives its secret key: when the
// service refuses the key, the Reloader opens a Client anew, which reads the key
// file again, and repeats the request once if the key is another one. A key that
// has been rotated stays valid for 24 hours, so programs that are told of the
// rotation can call Reload in time.
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

// opened is a Client with what it is wrapped in.
type opened struct {
	client *Client
	tokens TokenSource
}

// NewReloader calls open and returns its error if there is one. Tokens are got
// from what wrap makes of the Client, such as a cache of package diskcache; nil is
// the Client itself. Both functions are called again when the key changes, one
// call at a time; open must not wait for ever.
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

// Token returns a token. If the service refuses the key, it reads the keys again
// and tries once more, provided that they have changed.
func (r *Reloader) Token(ctx context.Context) (Token, error) {
	used := r.current.Load()
	token, err := used.tokens.Token(ctx)
	if err == nil || !IsKeyRefused(err) {
		return token, err
	}
	changed, reloadErr := r.replace(used)
	switch {
	case reloadErr != nil:
		return Token{}, fmt.Errorf("%w; the keys could not be read again: %w", err, reloadErr)
	case !changed:
		return Token{}, err
	}
	return r.current.Load().tokens.Token(ctx)
}

// Invalidate tells what gives out the tokens that one of them is not accepted.
func (r *Reloader) Invalidate(token Token) {
	if keeper, ok := r.current.Load().tokens.(Invalidator); ok {
		keeper.Invalidate(token)
	}
}

// Reload reads the keys again and reports whether they have changed. Requests
// under way go on with the old ones, and so does everything after an error.
func (r *Reloader) Reload() (changed bool, err error) { return r.replace(r.current.Load()) }

// replace opens a Client in the place of the one that was used, unless another call
// has done so.
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
		return false, nil // and the old one knows how the service is doing
	}
	r.current.Store(&opened{c, r.wrap(c)})
	return true, nil
}

// IsKeyRefused reports whether an error is the service's refusal of the secret or
// API key: invalid_key, or status 401.
func IsKeyRefused(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && failure.Kind == ErrMisconfigured &&
		(failure.Code == CodeInvalidKey || failure.Status == http.StatusUnauthorized)
}
