package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// VerifyOptions configure VerifyToken. The zero value suits most programs.
type VerifyOptions struct {
	ClientIP  string // the visitor's address without a port; "" is not sent
	UserAgent string // the visitor's User-Agent; "" is not sent

	Expected Expected    // requirements on the verdict
	Profile  WireProfile // format of the request; 0 means WireBoth

	// FailOpen accepts tokens while the service is unavailable (ErrUnavailable); the
	// Verdict is then Degraded. Wrong keys, an exceeded quota or rate limit and a
	// context that is done remain errors. So does a foreign response with status 4xx
	// other than 408, since a visitor could send a token that makes a firewall block
	// the request.
	FailOpen bool

	// OnDegraded, if not nil, is called with the reason before VerifyToken returns a
	// Degraded verdict.
	OnDegraded func(error)
}

// Expected are the requirements on a verdict. A token is accepted only if the verdict meets
// all of them. Zero fields require nothing; a value that the service does not return never
// meets a requirement.
type Expected struct {
	Hostname string        // must match, ignoring case
	Action   string        // must match exactly
	MaxAge   time.Duration // maximum time since the token was issued, by the server's clock
	MaxScore float64       // maximum score, where 0 is harmless and 1 is a bot; other vendors' scores mean the opposite
}

// A WireProfile is a format of the request to verify a token. The vendor's documents
// contradict each other about it.
type WireProfile int

const (
	// WireBoth sends WireSDK's body and WireDocs's header.
	WireBoth WireProfile = iota
	// WireSDK sends siteKey, secret, token, clientIP and userAgent, as the
	// vendor's SDKs do.
	WireSDK
	// WireDocs sends the header "Authorization: Bearer SECRET" and the fields token,
	// ip and remoteip, as the API's pages describe.
	WireDocs
)

// opVerifyToken is the Error.Op of VerifyToken; "verify" is a step of the handshake.
const opVerifyToken = "token/verify"

// VerifyToken asks the service about a token that a back end has received. A rejected
// token is a Verdict, not an error. An error means that there is no verdict, so the caller
// must not accept the token.
//
// VerifyToken accepts a token only if the whole response agrees:
//
//   - the status is 2xx, and success is true
//   - data, if present, is an object in which verified is true
//   - every field verified, at any depth, is true
//   - there is no reason, error or error code
//
// If this package understands a response only in part, VerifyToken rejects the token.
//
// VerifyToken retries requests according to Config.MaxRetries; see Verdict.Ambiguous.
func (c *Client) VerifyToken(ctx context.Context, token string, options VerifyOptions) (Verdict, error) {
	if !isToken(token) {
		reason := ReasonMalformedToken
		if token == "" {
			reason = ReasonMissingToken
		}
		return Verdict{ReasonCodes: []string{reason}}, nil
	}
	body, header := c.verifyTokenRequest(token, options)
	unanswered := 0
	verdict, err := retry(ctx, c.api, opVerifyToken, func() (Verdict, error) {
		a, err := c.api.send(ctx, APIRequest{Op: opVerifyToken, Path: "/api/v1/token/verify", Header: header, Body: body})
		var verdict Verdict
		if err == nil {
			verdict, err = c.decodeVerdict(a, token)
		}
		if errors.Is(err, ErrUnavailable) {
			unanswered++
		}
		return verdict, err
	})
	switch {
	case err == nil:
		verdict.Ambiguous = unanswered > 0 && slices.ContainsFunc(verdict.ReasonCodes, isUsed)
		options.Expected.check(&verdict)
		return verdict, nil
	case options.FailOpen && isOutage(err):
		if options.OnDegraded != nil {
			options.OnDegraded(err)
		}
		return Verdict{accepted: true, Degraded: true}, nil
	}
	return Verdict{}, err
}

func (c *Client) verifyTokenRequest(token string, options VerifyOptions) (map[string]string, http.Header) {
	secret := c.secretKey.Reveal()
	body := map[string]string{"token": token}
	set := func(value string, names ...string) {
		for _, name := range names {
			if value != "" {
				body[name] = value
			}
		}
	}
	header := http.Header{}
	if options.Profile != WireSDK {
		header.Set("Authorization", "Bearer "+secret)
	}
	if options.Profile == WireDocs {
		set(options.ClientIP, "ip", "remoteip")
		return body, header
	}
	set(c.siteKey, "siteKey")
	set(secret, "secret")
	set(options.ClientIP, "clientIP")
	set(options.UserAgent, "userAgent")
	return body, header
}

// isOutage reports whether there is no verdict for a reason that a visitor cannot cause.
func isOutage(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && failure.Kind == ErrUnavailable &&
		(failure.Status < 400 || failure.Status >= 500 || failure.Status == http.StatusRequestTimeout)
}
