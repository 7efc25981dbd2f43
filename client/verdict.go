package client

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gkpow/gkpow/client/internal/jsonobject"
)

// These are this package's own reasons in a Verdict, in addition to the service's.
const (
	ReasonMissingToken     = "missing_token"     // the token is empty; nothing was sent
	ReasonMalformedToken   = "malformed_token"   // the text cannot be a token; nothing was sent
	ReasonNotVerified      = "not_verified"      // the service rejected the token without a reason
	ReasonUnclear          = "unclear_response"  // the response says success, but also something that may mean the opposite
	ReasonHostnameMismatch = "hostname_mismatch" // not Expected.Hostname
	ReasonActionMismatch   = "action_mismatch"   // not Expected.Action
	ReasonTooOld           = "token_too_old"     // older than Expected.MaxAge, issued in the future, or at an unknown time
	ReasonScoreTooHigh     = "score_too_high"    // above Expected.MaxScore, or unknown
)

// A Verdict is the result of VerifyToken. Printing it reveals no secret. The zero Verdict
// rejects the token.
type Verdict struct {
	// Degraded means that the service was unavailable and VerifyOptions.FailOpen is
	// set. The other fields are then zero.
	Degraded bool

	// Ambiguous means that the token was already used, but perhaps by an earlier
	// attempt of the same call whose response was lost. OK is false.
	Ambiguous bool

	Score     *float64  // 0 (harmless) to 1 (a bot); nil if missing or out of range
	Timestamp time.Time // time of the verdict, by the service; zero if not given
	IssuedAt  time.Time // when the token was issued, from challenge_ts or else the claim iat; zero if unknown
	Hostname  string    // printable, at most 300 bytes
	Action    string    // printable, at most 300 bytes

	ReasonCodes []string // why the token is rejected; printable; empty if it is accepted
	Status      int      // HTTP status; 0 if nothing was sent

	// Raw is the whole response, for fields that this package does not know. It is a
	// Secret, since a response may repeat the token.
	Raw Secret

	accepted bool      // the service has accepted the token, or Degraded is set
	now      time.Time // when the response arrived, by the server's clock
}

// OK reports whether to accept the token. It is true if the service has verified the token
// and the verdict is as Expected, or if Degraded is set.
func (v Verdict) OK() bool { return v.accepted && len(v.ReasonCodes) == 0 }

// Err returns nil if the token is accepted. Otherwise it returns an *Error of kind
// ErrRejected with the first reason as its Code.
func (v Verdict) Err() error {
	if v.OK() {
		return nil
	}
	e := &Error{Op: opVerifyToken, Kind: ErrRejected, Status: v.Status}
	var more []string
	if len(v.ReasonCodes) > 0 {
		e.Code, more = Code(v.ReasonCodes[0]), v.ReasonCodes[1:]
	}
	switch {
	case v.Ambiguous:
		e.Err = errors.New("the token was already used, perhaps by an earlier attempt of this verification whose response was lost")
	case len(more) > 0:
		e.Err = errors.New("also " + strings.Join(more, ", "))
	}
	return e
}

// reasonKind returns the kind of error for a reason code that is not about the token. It
// returns nil if the code is about the token or unknown.
func reasonKind(code string) error {
	switch code {
	case "invalid_secret", "invalid-input-secret", "missing-input-secret", "invalid_site_key", "site_disabled":
		return ErrMisconfigured
	case "internal_error":
		return ErrUnavailable
	}
	return Code(code).kind()
}

// isAboutToken reports whether a reason code describes the token, rather than the keys or
// the service. Such a code is a verdict even if the HTTP status is an error.
func isAboutToken(code string) bool {
	switch code {
	case "missing_token", "invalid_token", "invalid_signature", "token_expired", "site_key_mismatch", "domain_mismatch",
		"binding_mismatch", "missing-input-response", "invalid-input-response":
		return true
	}
	return isUsed(code)
}

func isUsed(code string) bool { return code == "token_already_used" || code == "timeout-or-duplicate" }

// decodeVerdict decodes a response in any of the documented formats. It returns an error if
// the response is not a verdict.
func (c *Client) decodeVerdict(a answer, token string) (Verdict, error) {
	redact := func(s string) string { return printable(c.api.redact(strings.ReplaceAll(s, token, redacted))) }
	signs := readSigns(a.data, redact)
	aboutToken := slices.ContainsFunc(signs.codes, isAboutToken)
	for _, code := range signs.codes {
		kind := reasonKind(code)
		if kind == nil || kind == ErrUnavailable && aboutToken {
			continue
		}
		failure := &Error{Op: opVerifyToken, Kind: kind, Status: a.status, Code: Code(code), transient: kind == ErrUnavailable}
		failure.RetryAfter, _ = retryAfter(a.fields, a.response.Header, a.clock)
		return Verdict{}, failure
	}
	data := jsonobject.Decode(a.fields["data"])
	if _, there := a.fields["data"]; there && !data.IsTrue("verified") {
		signs.unclear = true
	}
	succeeded := a.status >= 200 && a.status < 300
	switch {
	case a.fields == nil, !succeeded && !(a.status < 500 && aboutToken):
		return Verdict{}, c.api.failure(opVerifyToken, a)
	case !a.fields.Has("success") && !signs.any():
		return Verdict{}, &Error{Op: opVerifyToken, Kind: ErrUnavailable, Status: a.status,
			Err: errors.New("the response is malformed: success is missing")}
	}

	verdict := Verdict{
		accepted:    succeeded && a.fields.IsTrue("success"),
		ReasonCodes: signs.reasons(),
		Status:      a.status,
		Raw:         NewSecret(string(a.data)),
		now:         a.clock.server,
	}
	issued := false
	for _, o := range []jsonobject.Object{a.fields, data} {
		if score, ok := o.Number("score"); ok && score >= 0 && score <= 1 {
			verdict.Score = &score
		}
		if t, ok := o.Timestamp("timestamp"); ok {
			verdict.Timestamp = t
		}
		if o.Has("challenge_ts") {
			verdict.IssuedAt, _ = o.Timestamp("challenge_ts")
			issued = true
		}
		if s, ok := o.Text("hostname"); ok {
			verdict.Hostname = redact(s)
		}
		if s, ok := o.Text("action"); ok {
			verdict.Action = redact(s)
		}
	}
	if verdict.OK() && !issued { // only an accepted token's claims can be trusted
		verdict.IssuedAt = jwtIssued(token)
	}
	return verdict, nil
}

// jwtIssued returns the claim iat, or the zero time if there is none.
func jwtIssued(token string) time.Time {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || claims.IssuedAt == nil {
		return time.Time{}
	}
	return claims.IssuedAt.Time
}

// maxSkew is how far in the future a token's issue time may lie, since the clocks of the
// service's machines may differ.
const maxSkew = time.Minute

// check rejects a token that the service accepted if the verdict does not meet e: it adds
// a reason for each requirement that fails.
func (e Expected) check(v *Verdict) {
	if !v.OK() {
		return
	}
	age := v.now.Sub(v.IssuedAt)
	for _, check := range []struct {
		holds  bool
		reason string
	}{
		{e.Hostname == "" || strings.EqualFold(e.Hostname, v.Hostname), ReasonHostnameMismatch},
		{e.Action == "" || e.Action == v.Action, ReasonActionMismatch},
		{e.MaxAge == 0 || !v.IssuedAt.IsZero() && age <= e.MaxAge && age >= -maxSkew, ReasonTooOld},
		{e.MaxScore == 0 || v.Score != nil && *v.Score <= e.MaxScore, ReasonScoreTooHigh},
	} {
		if !check.holds {
			v.ReasonCodes = append(v.ReasonCodes, check.reason)
		}
	}
}
