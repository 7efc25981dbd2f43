package client

import (
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// An object is a JSON object, decoded value by value: the API's pages disagree
// on the types of several fields.
type object map[string]json.RawMessage

// decodeObject returns nil unless the data are one JSON object and no more.
func decodeObject(data []byte) object {
	var o object
	if json.Unmarshal(data, &o) != nil {
		return nil
	}
	return o
}

// has reports whether the field is there and not null.
func (o object) has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// text returns a string field.
func (o object) text(name string) (value string, ok bool) {
	if raw := o[name]; len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return value, json.Unmarshal(o[name], &value) == nil
}

// isTrue reports whether the field is the boolean true.
func (o object) isTrue(name string) bool { return string(o[name]) == "true" }

// decimal has no hexadecimal, no Inf, no NaN, no underscores.
var decimal = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,4})?$`)

// number returns a field that is a JSON number or a string that holds one. What
// a float64 cannot hold is not a number.
func (o object) number(name string) (float64, bool) {
	digits := string(o[name])
	if s, ok := o.text(name); ok {
		digits = strings.TrimSpace(s)
	}
	if !decimal.MatchString(digits) {
		return 0, false
	}
	f, err := strconv.ParseFloat(digits, 64)
	return f, err == nil
}

// maxUnix is the last second of the year 9999, the last that RFC 3339 can say.
const maxUnix = 253402300799

// timestamp returns a time given in Unix seconds, in Unix milliseconds (above
// 1e12; as seconds that would be the year 33658) or as RFC 3339.
func (o object) timestamp(name string) (time.Time, bool) {
	if s, ok := o.text(name); ok {
		if t, err := time.Parse(time.RFC3339, strings.TrimSpace(s)); err == nil {
			return t, true
		}
	}
	seconds, ok := o.number(name)
	if ok && seconds > 1e12 {
		seconds /= 1000
	}
	if !ok || seconds < 0 || seconds > maxUnix {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// codeForm is what an error code must look like to be shown.
var codeForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// code finds the error code: a documented one if there is any, or else the
// first that looks like one, redacted.
func (o object) code(redact func(string) string) Code {
	nested := decodeObject(o["error"])
	first := Code("")
	for _, f := range []struct {
		in   object
		name string
	}{{o, "error"}, {nested, "code"}, {o, "reasonCode"}, {o, "error_code"}, {o, "code"}} {
		s, ok := f.in.text(f.name)
		if !ok || !codeForm.MatchString(s) {
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

// maxRetryAfter bounds what a server can ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter returns the longer of the body's retryAfter (seconds) and the
// Retry-After header (seconds, or a date by the server's clock), and whether
// more than maxRetryAfter was asked for.
func retryAfter(body object, header http.Header, clock serverClock) (wait time.Duration, clamped bool) {
	seconds, _ := body.number("retryAfter")
	if value := strings.TrimSpace(header.Get("Retry-After")); decimal.MatchString(value) {
		f, _ := strconv.ParseFloat(value, 64) // +Inf if out of range: clamped below
		seconds = max(seconds, f)
	} else if date, err := http.ParseTime(value); err == nil {
		seconds = max(seconds, date.Sub(clock.server).Seconds())
	}
	if seconds > maxRetryAfter.Seconds() {
		return maxRetryAfter, true
	}
	return time.Duration(max(seconds, 0) * float64(time.Second)), false
}
