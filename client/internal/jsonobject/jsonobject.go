// Package jsonobject reads JSON objects from services whose documents disagree
// about the types of fields: a number may arrive as a string, and a time may be
// Unix seconds, Unix milliseconds or RFC 3339.
package jsonobject

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gkpow/gkpow/client/internal/pattern"
)

// An Object is a JSON object whose values are still raw JSON. Field names are
// case-sensitive. A nil Object has no fields.
type Object map[string]json.RawMessage

// Decode returns nil unless data is exactly one JSON object.
func Decode(data []byte) Object {
	var o Object
	if json.Unmarshal(data, &o) != nil {
		return nil
	}
	return o
}

// Has reports whether the field is present and not null.
func (o Object) Has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// Text returns a string field; ok is false unless IsString and IsText hold.
func (o Object) Text(name string) (value string, ok bool) {
	if !o.IsString(name) || !o.IsText(name) {
		return "", false
	}
	return value, json.Unmarshal(o[name], &value) == nil
}

// IsString reports whether the field is a string.
func (o Object) IsString(name string) bool {
	raw := o[name]
	return len(raw) > 0 && raw[0] == '"'
}

// IsText reports whether every string in a field is valid UTF-8 and every escaped
// surrogate is half of a pair. encoding/json silently replaces anything else with
// U+FFFD.
func (o Object) IsText(name string) bool {
	raw := o[name]
	if !utf8.Valid(raw) {
		return false
	}
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return true
		}
		unit, rest := escaped(raw[i:])
		if utf16.IsSurrogate(unit) {
			low, more := escaped(rest)
			if utf16.DecodeRune(unit, low) == unicode.ReplacementChar {
				return false
			}
			rest = more
		}
		raw = rest
	}
}

// escaped decodes a leading \uXXXX escape and returns its UTF-16 code unit and the
// rest of raw. For any other escape, or none, unit is 0.
func escaped(raw []byte) (unit rune, rest []byte) {
	switch {
	case len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u':
		n, _ := strconv.ParseUint(string(raw[2:6]), 16, 16)
		return rune(n), raw[6:]
	case len(raw) >= 2 && raw[0] == '\\':
		return 0, raw[2:]
	}
	return 0, raw
}

// IsTrue reports whether the field is the boolean true.
func (o Object) IsTrue(name string) bool { return string(o[name]) == "true" }

// decimal rejects what strconv.ParseFloat also accepts: hexadecimal, Inf, NaN and
// underscores.
var decimal = pattern.New(`^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,4})?$`)

// IsDecimal reports whether s is a decimal number, optionally with a fraction and
// an exponent. It does not check the range; strconv.ParseFloat does.
func IsDecimal(s string) bool { return decimal().MatchString(s) }

// Number returns a field that is a JSON number or a string that holds one. ok is
// false if the number overflows a float64.
func (o Object) Number(name string) (value float64, ok bool) {
	digits := string(o[name])
	if s, ok := o.Text(name); ok {
		digits = strings.TrimSpace(s)
	}
	if !IsDecimal(digits) {
		return 0, false
	}
	f, err := strconv.ParseFloat(digits, 64)
	return f, err == nil
}

// TextOrNumber returns a string field, or the literal of a number field.
func (o Object) TextOrNumber(name string) (string, bool) {
	if s, ok := o.Text(name); ok {
		return s, true
	}
	if raw := string(o[name]); IsDecimal(raw) {
		return raw, true
	}
	return "", false
}

// MaxUnix is the last second of the year 9999, in Unix seconds. RFC 3339 cannot
// express later times.
const MaxUnix = 253402300799

// Timestamp returns a time given as RFC 3339, Unix seconds or Unix milliseconds.
// A number above 1e12 is milliseconds; as seconds it would be the year 33658.
func (o Object) Timestamp(name string) (time.Time, bool) {
	if s, ok := o.Text(name); ok {
		if t, err := time.Parse(time.RFC3339, strings.TrimSpace(s)); err == nil {
			return t, true
		}
	}
	seconds, ok := o.Number(name)
	if ok && seconds > 1e12 {
		seconds /= 1000
	}
	if !ok || seconds < 0 || seconds > MaxUnix {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}
