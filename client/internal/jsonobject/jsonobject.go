// Package jsonobject reads the fields of JSON objects whose types the documents
// of a service do not agree on: numbers may be strings, and times may be Unix
// seconds, milliseconds or RFC 3339.
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

// An Object is a JSON object, decoded value by value. Names are matched by case.
// A nil Object has no fields.
type Object map[string]json.RawMessage

// Decode returns nil unless the data are one JSON object and no more.
func Decode(data []byte) Object {
	var o Object
	if json.Unmarshal(data, &o) != nil {
		return nil
	}
	return o
}

// Has reports whether the field is there and not null.
func (o Object) Has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// Text returns a string field that is text; see IsText.
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

// IsText reports whether the strings in a field are valid UTF-8, with escaped
// surrogates in pairs only. encoding/json replaces all else by U+FFFD, silently.
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

// escaped returns the UTF-16 unit that \uXXXX at the beginning stands for, 0 if
// there is another escape or none, and what follows.
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

// decimal has no hexadecimal, no Inf, no NaN, no underscores.
var decimal = pattern.New(`^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,4})?$`)

// IsDecimal reports whether s is a decimal number, with fraction and exponent if
// any; of any size, for strconv.ParseFloat to judge.
func IsDecimal(s string) bool { return decimal().MatchString(s) }

// Number returns a field that is a JSON number or a string that holds one. What
// a float64 cannot hold is not a number.
func (o Object) Number(name string) (float64, bool) {
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

// TextOrNumber returns a string field, or a number as it is written.
func (o Object) TextOrNumber(name string) (string, bool) {
	if s, ok := o.Text(name); ok {
		return s, true
	}
	if raw := string(o[name]); IsDecimal(raw) {
		return raw, true
	}
	return "", false
}

// MaxUnix is the last second of the year 9999, the last that RFC 3339 can say.
const MaxUnix = 253402300799

// Timestamp returns a time given in Unix seconds, in Unix milliseconds (above
// 1e12; as seconds that would be the year 33658) or as RFC 3339.
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
