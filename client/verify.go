package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// VerifyOptions say what is known of a token's bearer, what is expected of the
// verdict, and what counts if there is none. The zero value is right for most.
type VerifyOptions struct {
	ClientIP  string // the visitor's address without a port; "" is not sent
	UserAgent string // the visitor's; "" is not sent

	Expected Expected
	Profile  WireProfile

	// FailOpen accepts tokens when the service is not available (ErrUnavailable);
	// the verdict then says Degraded. Wrong keys, an exceeded quota or rate limit
	// and a context that has ended are errors all the same, and so is an answer of
	// status 4xx that is not the API's, other than 408: a visitor can send a token
	// that a firewall in between takes for an attack. OnDegraded, if not nil, is
	// called with the reason first.
	FailOpen   bool
	OnDegraded func(error)
}

// Expected is what a verdict has to say for the token to be accepted. Zero fields
// are not looked at. What the service leaves out is not as expected.
type Expected struct {
	Hostname string        // compared in any case
	Action   string        // exactly
	MaxAge   time.Duration // since the token was issued, by the server's clock
	MaxScore float64       // 0 is harmless, 1 is a bot: the opposite of other vendors' scores
}

// A WireProfile is one of the ways in which the vendor's documents describe the
// request; they contradict each other.
type WireProfile int

const (
	// WireBoth sends WireSDK's body and WireDocs's header.
	WireBoth WireProfile = iota
	// WireSDK sends siteKey, secret, token, clientIP and userAgent, as the
	// vendor's SDKs do.
	WireSDK
	// WireDocs sends the header "Authorization: Bearer SECRET" and the fields
	// token, ip and remoteip, as the API's pages say.
	WireDocs
)

// opVerifyToken is Error.Op; "verify" is the handshake's.
const opVerifyToken = "token/verify"

// VerifyToken asks the service about a token that a back end has been handed. A
// token that is refused is a Verdict, not an error. An error means that there is
// no verdict, and the token must not be accepted.
//
// A token is accepted only if all of the answer agrees: the status is 2xx, success
// is true, data, if it is there, is an object whose verified is true, no verified
// anywhere is anything else, and there is no reason, error or error code. An answer
// that this package understands only in part refuses the token.
//
// Requests are repeated as Config.MaxRetries says; see Verdict.Ambiguous.
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
		options.Expected.judge(&verdict)
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

// isOutage reports whether there is no verdict for a reason that is not the
// visitor's doing.
func isOutage(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && failure.Kind == ErrUnavailable &&
		(failure.Status < 400 || failure.Status >= 500 || failure.Status == http.StatusRequestTimeout)
}
