package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gkpow/gkpow/client/internal/jsonobject"
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
	// and a context that has ended are errors all the same. OnDegraded, if not
	// nil, is called with the reason first.
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

// Reasons of verdicts that this package gives, besides the service's own.
const (
	ReasonMissingToken     = "missing_token"
	ReasonMalformedToken   = "malformed_token" // it cannot be a token, and was not sent
	ReasonHostnameMismatch = "hostname_mismatch"
	ReasonActionMismatch   = "action_mismatch"
	ReasonTooOld           = "token_too_old"
	ReasonScoreTooHigh     = "score_too_high"
)

// A Verdict is what the service says about a token. It holds no secret that can
// be printed.
type Verdict struct {
	// OK is whether to accept the token: the service has verified it and all that
	// was expected holds, or Degraded is set.
	OK bool

	// Degraded means that the service could not be asked and VerifyOptions.FailOpen
	// was set; nothing else is known.
	Degraded bool

	// Ambiguous means that the token has been used already, perhaps by an earlier
	// attempt of this very verification whose answer was lost. OK is false.
	Ambiguous bool

	Score     *float64  // 0 is harmless, 1 is a bot; nil if not given
	Timestamp time.Time // of the verdict, as the service gives it; zero if not given
	IssuedAt  time.Time // of the token, by challenge_ts or the token's claim iat; zero if neither
	Hostname  string    // printable, at most 300 bytes, as all text here
	Action    string

	ReasonCodes []string // why OK is false
	Status      int      // HTTP status, 0 if nothing was sent

	// Raw is the whole answer, for fields that are not known here. It is a Secret
	// because an answer may repeat the token.
	Raw Secret

	now time.Time // when the answer was given, by the server's clock
}

// Err returns nil if the token is accepted, and otherwise an *Error that says why
// not: of kind ErrRejected, with the first reason as its Code.
func (v Verdict) Err() error {
	if v.OK {
		return nil
	}
	e := &Error{Op: opVerifyToken, Kind: ErrRejected, Status: v.Status}
	var more []string
	if len(v.ReasonCodes) > 0 {
		e.Code, more = Code(v.ReasonCodes[0]), v.ReasonCodes[1:]
	}
	switch {
	case v.Ambiguous:
		e.Err = errors.New("the token has been used, perhaps by an earlier attempt of this verification whose answer was lost")
	case len(more) > 0:
		e.Err = errors.New("also " + strings.Join(more, ", "))
	}
	return e
}

// opVerifyToken is Error.Op; "verify" is the handshake's.
const opVerifyToken = "token/verify"

// VerifyToken asks the service about a token that a back end has been handed. A
// token that is refused is a Verdict, not an error. An error means that there is
// no verdict, and the token must not be accepted.
//
// A token is accepted only by an answer of status 2xx that says success:true
// and, if it has data, data.verified:true. Requests are repeated as
// Config.MaxRetries says; see Verdict.Ambiguous.
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
		verdict.Ambiguous = unanswered > 0 && !verdict.OK && slices.ContainsFunc(verdict.ReasonCodes, isUsed)
		options.Expected.judge(&verdict)
		return verdict, nil
	case options.FailOpen && errors.Is(err, ErrUnavailable):
		if options.OnDegraded != nil {
			options.OnDegraded(err)
		}
		return Verdict{OK: true, Degraded: true}, nil
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

// reasonKind is what a reason code means that is not about the token: the kind of
// the error. Those about the token, and unknown ones, are nil.
func reasonKind(code string) error {
	switch code {
	case "invalid_secret", "invalid-input-secret", "missing-input-secret", "invalid_site_key", "site_disabled":
		return ErrMisconfigured
	case "internal_error":
		return ErrUnavailable
	}
	return Code(code).kind()
}

// isAboutToken reports whether a reason code is a verdict, whatever the status.
func isAboutToken(code string) bool {
	switch code {
	case "missing_token", "invalid_token", "invalid_signature", "token_expired", "site_key_mismatch", "domain_mismatch",
		"binding_mismatch", "missing-input-response", "invalid-input-response":
		return true
	}
	return isUsed(code)
}

func isUsed(code string) bool { return code == "token_already_used" || code == "timeout-or-duplicate" }

// decodeVerdict reads all documented shapes of the answer. Only an answer that
// could be a verdict is no error.
func (c *Client) decodeVerdict(a answer, token string) (Verdict, error) {
	redact := func(s string) string { return printable(c.api.redact(strings.ReplaceAll(s, token, redacted))) }
	data := jsonobject.Decode(a.fields["data"])
	codes := reasonCodes(redact, a.fields, data)
	for _, code := range codes {
		if kind := reasonKind(code); kind != nil {
			failure := &Error{Op: opVerifyToken, Kind: kind, Status: a.status, Code: Code(code), passing: kind == ErrUnavailable}
			failure.RetryAfter, _ = retryAfter(a.fields, a.response.Header, a.clock)
			return Verdict{}, failure
		}
	}
	succeeded := a.status >= 200 && a.status < 300
	switch {
	case a.fields != nil && succeeded && !a.fields.Has("success"):
		return Verdict{}, &Error{Op: opVerifyToken, Kind: ErrUnavailable, Status: a.status,
			Err: errors.New("the answer is malformed: success is missing")}
	case a.fields == nil, !succeeded && !(a.status < 500 && slices.ContainsFunc(codes, isAboutToken)):
		return Verdict{}, c.api.failure(opVerifyToken, a)
	}

	verdict := Verdict{
		OK:          succeeded && a.fields.IsTrue("success") && (!a.fields.Has("data") || data.IsTrue("verified")),
		ReasonCodes: codes,
		Status:      a.status,
		Raw:         NewSecret(string(a.data)),
	}
	for _, o := range []jsonobject.Object{a.fields, data} {
		if score, ok := o.Number("score"); ok {
			verdict.Score = &score
		}
		if t, ok := o.Timestamp("timestamp"); ok {
			verdict.Timestamp = t
		}
		if t, ok := o.Timestamp("challenge_ts"); ok {
			verdict.IssuedAt = t
		}
		if s, ok := o.Text("hostname"); ok {
			verdict.Hostname = redact(s)
		}
		if s, ok := o.Text("action"); ok {
			verdict.Action = redact(s)
		}
	}
	if verdict.OK && verdict.IssuedAt.IsZero() { // only now are the claims known to be the service's
		verdict.IssuedAt = jwtIssued(token)
	}
	verdict.now = a.clock.server
	return verdict, nil
}

// reasonCodes collects what looks like an error code from all the fields in
// which one can be.
func reasonCodes(redact func(string) string, objects ...jsonobject.Object) []string {
	var all []string
	add := func(code string) {
		if codeForm.MatchString(code) {
			if code = redact(code); !slices.Contains(all, code) {
				all = append(all, code)
			}
		}
	}
	for _, o := range objects {
		for _, name := range []string{"reasonCode", "error_code", "error"} {
			code, _ := o.Text(name)
			add(code)
		}
		code, _ := jsonobject.Decode(o["error"]).Text("code")
		add(code)
		for _, name := range []string{"error_codes", "error-codes"} {
			var list []any
			_ = json.Unmarshal(o[name], &list)
			for _, entry := range list[:min(len(list), 16)] {
				code, _ := entry.(string)
				add(code)
			}
		}
	}
	return all
}

// jwtIssued reads the claim iat, zero if there is none.
func jwtIssued(token string) time.Time {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || claims.IssuedAt == nil {
		return time.Time{}
	}
	return claims.IssuedAt.Time
}

// judge refuses a verdict that is not as expected.
func (e Expected) judge(v *Verdict) {
	if !v.OK {
		return
	}
	for _, check := range []struct {
		holds  bool
		reason string
	}{
		{e.Hostname == "" || strings.EqualFold(e.Hostname, v.Hostname), ReasonHostnameMismatch},
		{e.Action == "" || e.Action == v.Action, ReasonActionMismatch},
		{e.MaxAge == 0 || !v.IssuedAt.IsZero() && v.now.Sub(v.IssuedAt) <= e.MaxAge, ReasonTooOld},
		{e.MaxScore == 0 || v.Score != nil && *v.Score <= e.MaxScore, ReasonScoreTooHigh},
	} {
		if !check.holds {
			v.OK = false
			v.ReasonCodes = append(v.ReasonCodes, check.reason)
		}
	}
}
