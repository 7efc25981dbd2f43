package gktinc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// SolutionField is the form field that the vendor's script adds.
const SolutionField = "gktinc_solution"

// A Form is what PHP would take from a submitted form: names and values, decoded
// and in their order. They need not be UTF-8.
type Form []Field

// A Field is one field of a form.
type Field struct{ Name, Value string }

// maxInputVars is PHP's setting max_input_vars, by default.
const maxInputVars = 1000

var errTooMany = fmt.Errorf("gktinc: the form has more than %d fields", maxInputVars)

// ParseForm reads the body of a POST as PHP does, by its Content-Type:
// application/x-www-form-urlencoded, or multipart/form-data without the files.
// Of all others PHP takes nothing.
//
// An error means that a multipart body is malformed, or unlike what browsers send,
// so that not all programs find the same in it; or that there are more than 1000
// fields (1001 if they are urlencoded), where PHP leaves off by default. The fields
// before that are returned: they are what PHP takes, and not what other programs
// may find in the form.
func ParseForm(contentType string, body []byte) (Form, error) {
	media, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/x-www-form-urlencoded":
		return parseURLEncoded(string(body))
	case "multipart/form-data":
		return parseMultipart(contentType, body)
	}
	return nil, nil
}

// FormOf returns the form of values that were parsed elsewhere. The order among
// different names is lost with them; it matters only if one is an array as well
// as a plain field, as in "a=1&a[b]=2".
func FormOf(values url.Values) Form {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var f Form
	for _, name := range names {
		for _, value := range values[name] {
			f = append(f, Field{name, value})
		}
	}
	return f
}

// Value returns what PHP has in $_POST[name]: of fields with the same name, the
// last. It is "" for a field that is missing or an array. Note that
// http.Request.PostFormValue returns the first.
func (f Form) Value(name string) string {
	value, _ := f.post().entries[arrayKey(name)].(string)
	return value
}

// parseURLEncoded goes on where url.ParseQuery gives up, such as at "%zz".
func parseURLEncoded(body string) (Form, error) {
	var f Form
	for count := 0; body != ""; count++ {
		if count > maxInputVars {
			return f, errTooMany
		}
		var pair string
		pair, body, _ = strings.Cut(body, "&")
		name, value, _ := strings.Cut(pair, "=")
		if name != "" {
			f = append(f, Field{unescape(name), unescape(value)})
		}
	}
	return f, nil
}

// unescape decodes what is an escape and leaves what is not.
func unescape(s string) string {
	if !strings.ContainsAny(s, "+%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b == '+' {
			b = ' '
		} else if b == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = byte(n)
				i += 2
			}
		}
		out = append(out, b)
	}
	return string(out)
}

// disposition is the header of a part as browsers write it (HTML, "multipart/form-data
// encoding algorithm"), or with values that need no quotes. Of other ones that are
// allowed, programs make different things.
var disposition = regexp.MustCompile(`(?i)^form-data; *name=("(?:[^"\\[:cntrl:]]|\\\w)*"|[\w.\[\]-]+)(; *filename=("[^"]*"|[\w.-]+))?$`)

var errNotABrowser = errors.New("gktinc: the form is not written as browsers write multipart/form-data")

func parseMultipart(contentType string, body []byte) (Form, error) {
	_, parameters, err := mime.ParseMediaType(contentType)
	boundary := parameters["boundary"]
	if err != nil || boundary == "" {
		return nil, errors.New("gktinc: the form's Content-Type has no valid boundary")
	}
	if strings.Count(strings.ToLower(contentType), "boundary") > 1 {
		return nil, errNotABrowser // PHP takes the first that it finds, in another name too
	}
	var f Form
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for count := 1; ; count++ {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			// Where a boundary counts only for some, they see other fields.
			if bytes.Count(body, []byte("--"+boundary)) != count {
				return f, errNotABrowser
			}
			return f, nil
		}
		var value []byte
		if err == nil {
			value, err = io.ReadAll(part)
		}
		if err != nil {
			return f, fmt.Errorf("gktinc: the form cannot be read: %w", err)
		}
		header := part.Header.Values("Content-Disposition")
		if len(header) != 1 {
			return f, errNotABrowser
		}
		found := disposition.FindStringSubmatch(header[0])
		switch {
		case found == nil:
			return f, errNotABrowser
		case found[2] != "": // a file
			continue
		case len(f) == maxInputVars:
			return f, errTooMany
		}
		f = append(f, Field{strings.Trim(found[1], `"`), string(value)})
	}
}
