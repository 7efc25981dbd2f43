// Package oauth2token adapts a source of gkCAPTCHA tokens to the
// oauth2.TokenSource of golang.org/x/oauth2.
package oauth2token

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/gkpow/gkpow/client"
)

// New returns a TokenSource that gets tokens from source. Pass a *client.Source to
// share one token among all callers. The Token method of oauth2.TokenSource takes
// no context, so each call ends when ctx is done or, if timeout is not 0, after
// timeout.
//
// Token returns the errors of source, and client.ErrExpired if the token has
// expired. It is safe for concurrent use if source is. Do not log an oauth2.Token:
// fmt prints its value.
//
// A client.Source renews tokens itself. Do not wrap it in oauth2.NewClient or
// oauth2.ReuseTokenSource, which would keep a token until ten seconds before it
// expires. Use a Transport:
//
//	&http.Client{Transport: &oauth2.Transport{Source: oauth2token.New(ctx, source, time.Minute)}}
func New(ctx context.Context, source client.TokenSource, timeout time.Duration) oauth2.TokenSource {
	return tokenSource(func() (*oauth2.Token, error) {
		limited, cancel := ctx, context.CancelFunc(func() {})
		if timeout != 0 {
			limited, cancel = context.WithTimeout(ctx, timeout)
		}
		defer cancel()
		token, err := source.Token(limited)
		if err == nil {
			err = token.CheckAlive()
		}
		if err != nil {
			return nil, err
		}
		return &oauth2.Token{AccessToken: token.Value.Reveal(), TokenType: "Bearer", Expiry: token.Expires()}, nil
	})
}

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }
