// Package gktinc implements the back-end half of GuardianKey GKTinc, a challenge that
// browsers solve. It asks the service for the level of a visitor's challenge, and
// whether to accept a form that the visitor has submitted. This package passes on the
// solution, the form field gktinc_solution, and never computes one: the vendor's script
// does that in a real browser.
//
//	c, err := gktinc.New(gktinc.Config{APIKey: client.NewSecret(key), HashID: id})
//	verdict, err := c.Validate(ctx, gktinc.Validation{
//		Solution:        form.Value(gktinc.SolutionField),
//		ClientIP:        ip,
//		URL:             "example.com/login",
//		Once:            once,
//		FormPayloadSize: c.PayloadSize(form),
//	})
//	if !verdict.Allowed {
//		// 403, or 503 if err is not nil
//	}
//
// Config.Policy decides when the service gives no verdict. Errors are *client.Error,
// with the same kinds as in package client. For a whole form, from the page to the
// verdict, use a Guard.
package gktinc

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"net/url"
	"time"

	"github.com/gkpow/gkpow/client"
)

// A Client calls the service with one API key. It is safe for concurrent use.
type Client struct {
	api          *client.API
	apiKey       client.Secret
	path         string // of the protection group, escaped
	salt         string
	agentID      string
	defaultLevel int
	policy       Policy
	onDegraded   func(error)
	payloadSize  func(Form) int
	pageKey      func() []byte // signs tickets; a function, so that a dump shows no key
	oldPageKey   func() []byte // nil if there is none
	now          func() time.Time
}

// New returns a Client. It makes no requests. If config is invalid, the error is
// client.ErrMisconfigured, names the field and says what to set it to.
func New(config Config) (*Client, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	api, err := client.NewAPI(client.APIConfig{
		Name:       "gktinc",
		DefaultURL: DefaultURL,
		Variable:   "GKTINC_API_URL",
		Kind:       errorKind,
		Advise:     advise,
		URL:        config.URL,
		HTTPClient: config.HTTPClient,
		MaxRetries: config.MaxRetries,
		Timeout:    config.Timeout,
		UserAgent:  config.UserAgent,
		Limits:     config.Limits,
		OnExchange: config.OnExchange,
		Readable:   readable,
		Secrets:    []client.Secret{config.APIKey, client.NewSecret(config.HashID)},
	})
	if err != nil {
		return nil, err
	}
	pageKey, err := ticketKey(cmp.Or(config.PageKey.Reveal(), config.APIKey.Reveal()), config.HashID)
	if err != nil {
		return nil, misconfigured("PageKey: %w", err)
	}
	var oldPageKey func() []byte
	if config.Predecessor != nil {
		oldPageKey = config.Predecessor.pageKey
	}
	sum := sha1.Sum([]byte(config.APIKey.Reveal() + config.HashID))
	return &Client{
		api:          api,
		apiKey:       config.APIKey,
		path:         "/v3/tinc/" + url.PathEscape(config.HashID),
		salt:         hex.EncodeToString(sum[:]),
		agentID:      config.AgentID,
		defaultLevel: config.DefaultLevel,
		policy:       config.Policy,
		onDegraded:   config.OnDegraded,
		payloadSize:  config.PayloadSize,
		pageKey:      func() []byte { return pageKey },
		oldPageKey:   oldPageKey,
		now:          time.Now,
	}, nil
}

// Traffic returns the state of the Client's requests to the service.
func (c *Client) Traffic() client.Traffic { return c.api.Traffic() }

// Salt returns the documented salt: the SHA-1 of the API key followed by the hash id, in
// lower-case hex. Browsers get the salt, so anybody can guess keys and compare. That
// reveals a weak key, but not one that is long and random.
func (c *Client) Salt() string { return c.salt }

// PayloadSize returns form_payload_size of a form, computed by Config.PayloadSize.
func (c *Client) PayloadSize(f Form) int { return c.payloadSize(f) }

// readable reports whether a response holds a decision: a JSON object with status 2xx, or
// a denying Action with a status that a policy would otherwise treat as an outage.
func readable(status int, body []byte) bool {
	if status == 408 || status == 429 || status >= 500 {
		return denial(body) != ""
	}
	return status >= 200 && status < 300
}

// errorKind classifies an error response. The documents define none. A status 4xx blames
// the request and so the configuration, not the visitor.
func errorKind(status int, _ client.Code) error {
	switch {
	case status == 429:
		return client.ErrRateLimited
	case status >= 400 && status < 500 && status != 408:
		return client.ErrMisconfigured
	}
	return client.ErrUnavailable
}

func advise(e *client.Error) string {
	if e.Kind == client.ErrMisconfigured {
		return "check GKTINC_API_KEY, GKTINC_HASHID and GKTINC_API_URL"
	}
	return ""
}
