package gktinc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/internal/jsonobject"
)

// A Validation describes one submitted form: GKTinc API Usage, "2) Validate Challenge".
// The Client adds agent_id and salt.
type Validation struct {
	Solution string     // the field gktinc_solution, filled in by the vendor's script; at most 64 KiB
	ClientIP netip.Addr // the visitor's address; the zone is dropped
	URL      string     // URL of the page, the same as in its configuration; see PageURL
	Once     string     // the same as in the page's configuration; at most 4 KiB

	FormPayloadSize       int    // in bytes, 0 or more: Client.PayloadSize of the form
	FormInputElementValue string // value of the monitored input, such as a user name; the first 1 KiB is sent

	Time           time.Time // zero means now; sent in whole seconds
	ChallengeLevel int       // level of the page; 0 means Config.DefaultLevel, negative means not sent

	// Headers of the visitor's request, "" if absent; the first 1 KiB of each is
	// sent. The documents do not mention these fields, but the vendor's programs send
	// them.
	UserAgent       string // User-Agent
	SecCHUA         string // Sec-CH-UA
	SecCHUAMobile   string // Sec-CH-UA-Mobile
	SecCHUAPlatform string // Sec-CH-UA-Platform
}

// payload is the body of the request.
type payload struct {
	AgentID               string `json:"agent_id"`
	Solution              string `json:"gktinc_solution"`
	Salt                  string `json:"salt"`
	ClientIP              string `json:"client_ip"`
	URL                   string `json:"url"`
	Once                  string `json:"once"`
	FormPayloadSize       int    `json:"form_payload_size"`
	FormInputElementValue string `json:"form_input_element_value"`
	Time                  int64  `json:"time"` // Unix seconds
	ChallengeLevel        int    `json:"challenge_level,omitempty"`
	UserAgent             string `json:"user_agent"`
	SecCHUA               string `json:"sec_ch_ua"`
	SecCHUAMobile         string `json:"sec_ch_ua_mobile"`
	SecCHUAPlatform       string `json:"sec_ch_ua_platform"`
}

// opValidate is Error.Op of Validate.
const opValidate = "gktinc/validate"

// Validate asks the service whether to accept a form. Callers need only Verdict.Allowed: it
// is true if the service accepts the form, or if the service gives no verdict and
// Config.Policy allows the form.
//
// If the service gives no verdict and the policy does not allow the form, Validate
// returns an error, which is also Verdict.Err: answer 503 then, rather than 403. A status
// 4xx is client.ErrMisconfigured, except 429, which is client.ErrRateLimited, and 408,
// which counts as unavailable. ErrMisconfigured denies under every policy, as do a
// context that is done and a Validation that cannot be sent (client.ErrRejected). The
// policy alone decides about a form without a solution; that is not an error.
func (c *Client) Validate(ctx context.Context, v Validation) (Verdict, error) {
	body, err := c.payload(v)
	if err != nil {
		return Verdict{Reason: ReasonError, Err: err}, err
	}
	if v.Solution == "" {
		return c.degrade(Verdict{Reason: ReasonMissingSolution, Err: errNoSolution}), nil
	}
	got, err := c.api.Do(ctx, client.APIRequest{
		Op:     "validate",
		Path:   c.path + "/validate_challenge",
		Header: c.header(),
		Body:   body,
	})
	var verdict Verdict
	switch {
	case err == nil:
		verdict = c.decodeVerdict(got)
	case errors.Is(err, client.ErrUnavailable):
		verdict = Verdict{Reason: ReasonUnavailable, Err: err}
	case errors.Is(err, client.ErrRateLimited):
		verdict = Verdict{Reason: ReasonRateLimited, Err: err}
	default:
		return Verdict{Reason: ReasonError, Err: err}, err
	}
	if verdict.Reason != ReasonAction {
		verdict = c.degrade(verdict)
	}
	if verdict.Allowed {
		return verdict, nil
	}
	return verdict, verdict.Err
}

var errNoSolution = &client.Error{Op: opValidate, Kind: client.ErrRejected,
	Err: errors.New("the form has no " + SolutionField + ": the visitor's browser did not run the vendor's script")}

// payload returns the body of the request, or an error if v cannot be sent.
func (c *Client) payload(v Validation) (payload, error) {
	rejected := func(err error) (payload, error) {
		return payload{}, &client.Error{Op: opValidate, Kind: client.ErrRejected, Err: err}
	}
	url, err := PageURL(v.URL)
	switch {
	case err != nil:
		return rejected(err)
	case !v.ClientIP.IsValid():
		return rejected(errNoClientIP)
	case v.Once == "":
		return rejected(errors.New("the once is missing, so nothing was sent"))
	case len(v.Once) > maxText:
		return rejected(errors.New("the once has more than 4 KiB, so nothing was sent"))
	case len(v.Solution) > maxSolution:
		return rejected(errors.New("the solution has more than 64 KiB, so nothing was sent"))
	case !utf8.ValidString(v.Once) || !utf8.ValidString(v.Solution) || !utf8.ValidString(v.FormInputElementValue):
		return rejected(errors.New("the once, the solution or the monitored value is not UTF-8, so nothing was sent"))
	case v.FormPayloadSize < 0:
		return rejected(fmt.Errorf("the form's size is %d, so nothing was sent", v.FormPayloadSize))
	}
	if v.Time.IsZero() {
		v.Time = c.now()
	}
	return payload{
		AgentID:               c.agentID,
		Solution:              v.Solution,
		Salt:                  c.salt,
		ClientIP:              address(v.ClientIP),
		URL:                   url,
		Once:                  v.Once,
		FormPayloadSize:       v.FormPayloadSize,
		FormInputElementValue: beginning(v.FormInputElementValue),
		Time:                  v.Time.Unix(),
		ChallengeLevel:        max(cmp.Or(v.ChallengeLevel, c.defaultLevel), 0),
		UserAgent:             beginning(v.UserAgent),
		SecCHUA:               beginning(v.SecCHUA),
		SecCHUAMobile:         beginning(v.SecCHUAMobile),
		SecCHUAPlatform:       beginning(v.SecCHUAPlatform),
	}, nil
}

// Maximum lengths of fields that are sent, in bytes. The documents give none.
const (
	maxSolution = 64 << 10
	maxValue    = 1 << 10
)

// beginning truncates a visitor's value to maxValue bytes, without splitting a character.
func beginning(s string) string {
	if len(s) <= maxValue {
		return s
	}
	end := maxValue
	for end > maxValue-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// decodeVerdict decodes GKTinc API Usage, "2) Validate Challenge", Response. If the action
// is unknown, the policy has to decide.
func (c *Client) decodeVerdict(got client.APIAnswer) Verdict {
	fields := jsonobject.Decode(got.Body)
	verdict := Verdict{
		Reason:   ReasonAction,
		Action:   c.action(fields, got.Body),
		IPPolicy: c.text(fields, "ip_policy"),
		Place:    c.place(fields),
		Raw:      client.NewSecret(string(got.Body)),
	}
	if score, ok := fields.Number("score"); ok {
		verdict.Score = &score
	}
	switch failed := complaint(fields); {
	case verdict.Action.Denies():
		verdict.Ambiguous = got.Attempts > 1 && verdict.Action == ActionInvalid
	case failed != "":
		verdict.Reason = ReasonUnavailable
		verdict.Err = &client.Error{Op: opValidate, Kind: client.ErrUnavailable, Status: got.Status, Err: complains(failed)}
	case verdict.Action.Accepts():
		verdict.Allowed = true
	default:
		verdict.Reason = ReasonUnknownAction
		verdict.Err = &client.Error{Op: opValidate, Kind: client.ErrUnavailable, Status: got.Status,
			Err: fmt.Errorf("the response's action is %.40q, which neither accepts nor denies", verdict.Action)}
	}
	return verdict
}

// complaint returns the name of a field that says that the request failed, or "" if there
// is none. Such a field overrides an action that accepts.
func complaint(fields jsonobject.Object) string {
	if fields.Has("success") && !fields.IsTrue("success") {
		return "success"
	}
	for _, name := range []string{"error", "error_code", "error_codes", "errors"} {
		if fields.Has(name) && !slices.Contains([]string{`""`, "[]", "{}", "false", "0"}, string(fields[name])) {
			return name
		}
	}
	return ""
}

func complains(field string) error {
	return fmt.Errorf("the response's field %s says that the request failed", field)
}

// degrade lets the policy decide and reports an allowed visitor to OnDegraded.
func (c *Client) degrade(v Verdict) Verdict {
	v.Degraded = true
	v.Allowed = c.policy.allows(v.Reason)
	if v.Allowed && c.onDegraded != nil {
		c.onDegraded(v.Err)
	}
	return v
}
