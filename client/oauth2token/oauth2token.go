// Package oauth2token gives gkCAPTCHA tokens to programs that take an
// oauth2.TokenSource of golang.org/x/oauth2.
package oauth2token

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/gkpow/gkpow/client"
)

// New returns a TokenSource that asks the given one, a *client.Source if it is
// to share a token. oauth2's Token method has no context: each call of it ends
// with ctx, or after the timeout if that is not 0.
//
// Errors are the source's, and client.ErrExpired for a token that is not alive. An oauth2.Token is printed by fmt with its value;
// take care not to log it. client.Source renews tokens by itself, so use it
// without oauth2.NewClient and oauth2.ReuseTokenSource, which would hold them
// until ten seconds before they expire:
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
