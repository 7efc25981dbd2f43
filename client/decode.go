package client

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gkpow/gkpow/client/internal/jsonobject"
	"github.com/gkpow/gkpow/client/internal/pattern"
)

// codeForm matches error codes that are safe to show.
var codeForm = pattern.New(`^[A-Za-z0-9_.-]{1,64}$`)

// errorCode returns the error code in a response: a documented code if there is one, else
// the first text that looks like a code, redacted.
func errorCode(o jsonobject.Object, redact func(string) string) Code {
	nested := jsonobject.Decode(o["error"])
	first := Code("")
	for _, f := range []struct {
		in   jsonobject.Object
		name string
	}{{o, "error"}, {nested, "code"}, {o, "reasonCode"}, {o, "error_code"}, {o, "code"}} {
		s, ok := f.in.Text(f.name)
		if !ok || !codeForm().MatchString(s) {
			continue
		}
		if Code(s).kind() != nil {
			return Code(s)
		}
		if first == "" {
			first = Code(redact(s))
		}
	}
	return first
}

// isErrorResponse reports whether a JSON object may be an error response of gkCAPTCHA. Each has a
// field success (gkCAPTCHA M2M API, "Error Responses"), or at least a documented code.
// Responses of firewalls and gateways, such as {"message":"Forbidden"}, have neither.
func isErrorResponse(o jsonobject.Object) bool {
	said := string(o["success"])
	if said == "true" || said == "false" {
		return true
	}
	code := errorCode(o, func(s string) string { return s })
	return code.kind() != nil || reasonKind(string(code)) != nil || isAboutToken(string(code))
}

// maxRetryAfter is the maximum of Error.RetryAfter.
const maxRetryAfter = 24 * time.Hour

// retryAfter returns the longer of the body's field retryAfter (in seconds) and the
// Retry-After header (in seconds, or a date by the server's clock). clamped reports
// whether the server asked for more than maxRetryAfter.
func retryAfter(body jsonobject.Object, header http.Header, clock serverClock) (wait time.Duration, clamped bool) {
	seconds, _ := body.Number("retryAfter")
	if value := strings.TrimSpace(header.Get("Retry-After")); jsonobject.IsDecimal(value) {
		f, _ := strconv.ParseFloat(value, 64) // +Inf if out of range, and clamped below
		seconds = max(seconds, f)
	} else if date, err := http.ParseTime(value); err == nil {
		seconds = max(seconds, date.Sub(clock.server).Seconds())
	}
	if seconds > maxRetryAfter.Seconds() {
		return maxRetryAfter, true
	}
	return time.Duration(max(seconds, 0) * float64(time.Second)), false
}
