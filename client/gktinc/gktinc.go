// Package gktinc is the back-end half of GuardianKey GKTinc, a challenge that
// browsers solve: it asks the service for the level of a visitor's challenge, and
// whether to accept a form that a visitor has submitted. The solution itself, the
// form field gktinc_solution, comes from the vendor's script in a real browser;
// it is passed on and never produced here.
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
// What counts without a verdict is a matter of Config.Policy. Failures are
// *client.Error, of the same kinds as in package client.
package gktinc

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"net/url"
	"time"

	"github.com/gkpow/gkpow/client"
)

// A Client asks the service with one key. It is safe for concurrent use.
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
	pageKey      func() []byte // of tickets; a function, since a dump does not call it
	oldPageKey   func() []byte // nil if there is none
	now          func() time.Time
}

// New returns a Client. It sends nothing. A Config that cannot be is a
// client.ErrMisconfigured that names the field and says what to set it to.
func New(config Config) (*Client, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	api, err := client.NewAPI(client.APIConfig{
		Name:       "gktinc",
		DefaultURL: DefaultURL,
		Variable:   "GKTINC_API_URL",
		Kind:       answerKind,
		Advise:     advise,
		URL:        config.URL,
		HTTPClient: config.HTTPClient,
		MaxRetries: config.MaxRetries,
		Timeout:    config.Timeout,
		UserAgent:  config.UserAgent,
		Limits:     config.Limits,
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

// Traffic returns what the client's connection to the service is doing.
func (c *Client) Traffic() client.Traffic { return c.api.Traffic() }

// Salt returns the documented salt: lower-case hex SHA-1 of the API key and the
// hash id. It is sent to browsers, so anyone can try keys against it: it tells
// nothing of a key that is long and random, but gives a weak one away.
func (c *Client) Salt() string { return c.salt }

// PayloadSize computes form_payload_size, as Config.PayloadSize says.
func (c *Client) PayloadSize(f Form) int { return c.payloadSize(f) }

// readable reports whether an answer says what to do with a visitor: any JSON object
// of status 2xx does, and so does an Action that denies beside a status that a policy
// could take for an outage.
func readable(status int, body []byte) bool {
	if status == 408 || status == 429 || status >= 500 {
		return denial(body) != ""
	}
	return status >= 200 && status < 300
}

// answerKind classifies an answer that is an error. The documents name none. A
// status 4xx says something of the request, so of the configuration, and nothing
// of the visitor.
func answerKind(status int, _ client.Code) error {
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
