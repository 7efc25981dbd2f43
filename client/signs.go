package client

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// signs are everything in a response of token/verify that speaks against the token.
// readSigns looks at any depth and accepts any spelling of a name (errorCodes,
// error_codes, Error-Codes), since overlooking one sign would accept a bad token.
type signs struct {
	codes   []string // reasons that look like codes, redacted, at most maxCodes
	against bool     // a field such as success or verified rejects the token
	unclear bool     // an error that is not a code, or an object with a repeated name

	redact func(string) string
}

// maxCodes is the maximum number of codes in a verdict.
const maxCodes = 16

// A member is a field of a JSON object, in which names may repeat.
type member struct {
	name  string
	value any // nil, bool, string, json.Number, []any or []member
}

// readSigns finds the signs in a JSON text. It finds none in anything else.
func readSigns(data []byte, redact func(string) string) *signs {
	s := &signs{redact: redact}
	if !json.Valid(data) {
		return s
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	s.look(readJSON(d))
	return s
}

// readJSON reads the next value of a valid JSON text. json.Valid limits the recursion: it
// rejects texts that are nested deeper than 10,000.
func readJSON(d *json.Decoder) any {
	token, err := d.Token()
	if err != nil {
		return nil
	}
	switch token {
	case json.Delim('{'):
		members := []member{}
		for d.More() {
			name, _ := d.Token()
			text, _ := name.(string)
			members = append(members, member{text, readJSON(d)})
		}
		_, _ = d.Token()
		return members
	case json.Delim('['):
		list := []any{}
		for d.More() {
			list = append(list, readJSON(d))
		}
		_, _ = d.Token()
		return list
	}
	return token
}

// look finds the signs in a value.
func (s *signs) look(value any) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			s.look(element)
		}
	case []member:
		seen := map[string]bool{}
		for _, m := range v {
			s.unclear = s.unclear || seen[m.name]
			seen[m.name] = true
			s.field(m)
		}
	}
}

// A field in mustBeTrue rejects the token unless it is true, and one in mustBeFalse unless
// it is false or null. A field in outcomes rejects the token unless it means success: a
// text in positive, the number 0 or a status 2xx, true, or null. In a response, the names
// may begin with "token", "is" or "already".
var (
	mustBeTrue  = []string{"verified", "valid", "ok", "passed", "pass", "accepted", "allowed", "approved", "human"}
	mustBeFalse = []string{"expired", "used", "revoked", "invalid", "rejected", "denied", "refused", "blocked",
		"failed", "fail", "replayed", "replay", "duplicate", "bot"}
	outcomes = []string{"code", "status", "statuscode", "verdict", "decision", "result", "outcome"}
	positive = []string{"", "ok", "success", "verified", "valid", "passed", "pass", "accepted", "accept", "allowed", "allow",
		"approved", "human"}
)

func (s *signs) field(m member) {
	name := plainName(m.name)
	flag := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, "token"), "is"), "already")
	isReason := strings.Contains(name, "error") || strings.Contains(name, "reason") || strings.Contains(name, "failure")
	switch {
	case name == "success":
		s.against = s.against || m.value != nil && m.value != true // null counts as absent
	case slices.Contains(mustBeTrue, flag):
		s.against = s.against || m.value != true
	case slices.Contains(mustBeFalse, flag):
		s.against = s.against || m.value != nil && m.value != false
	case isReason: // error, errorMessage, failureReasons, reason_code etc.
		s.reason(m.value)
	case slices.Contains(outcomes, flag):
		s.status(m.value)
	}
	s.look(m.value)
}

// reason reads the value of an error or a reason. null, "" and [] mean none.
func (s *signs) reason(value any) {
	switch v := value.(type) {
	case nil:
	case string:
		if v != "" {
			s.code(v)
		}
	case []any:
		for _, element := range v {
			code, _ := element.(string)
			s.code(code)
		}
	default: // look finds the codes in an object
		s.unclear = true
	}
}

// status reads a status or code, which may also mean success.
func (s *signs) status(value any) {
	switch v := value.(type) {
	case nil:
	case string:
		if !slices.Contains(positive, strings.ToLower(v)) {
			s.code(v)
		}
	case json.Number:
		n, err := strconv.Atoi(v.String())
		s.unclear = s.unclear || err != nil || n != 0 && (n < 200 || n > 299)
	case bool:
		s.against = s.against || !v
	default: // look finds the signs in an object or a list
		s.unclear = true
	}
}

// code records a reason if it looks like a code.
func (s *signs) code(code string) {
	if !codeForm().MatchString(code) {
		s.unclear = true
		return
	}
	if code = s.redact(code); len(s.codes) < maxCodes && !slices.Contains(s.codes, code) {
		s.codes = append(s.codes, code)
	}
}

// any reports whether there is any sign.
func (s *signs) any() bool { return s.against || s.unclear || len(s.codes) > 0 }

// reasons returns the codes, or else one of this package's reasons if there is any sign.
func (s *signs) reasons() []string {
	switch {
	case len(s.codes) > 0:
		return s.codes
	case s.against:
		return []string{ReasonNotVerified}
	case s.unclear:
		return []string{ReasonUnclear}
	}
	return nil
}

// plainName normalizes the spelling of a name: lower case, without separators. ToUpper
// first replaces letters that only look special, such as the long s in "ſuccess".
func plainName(name string) string {
	return strings.ToLower(strings.ToUpper(strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' {
			return -1
		}
		return r
	}, name)))
}
