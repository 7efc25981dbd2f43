package gktinc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gkpow/gkpow/client/internal/pattern"
)

// SolutionField is the name of the form field that the vendor's script adds.
const SolutionField = "gktinc_solution"

// A Form holds the fields of a submitted form as PHP reads them, decoded and in order.
// Names and values need not be UTF-8.
type Form []Field

// A Field is one field of a form.
type Field struct {
	Name  string // decoded name, as PHP spells it
	Value string // decoded value
}

// maxInputVars is the default of PHP's setting max_input_vars.
const maxInputVars = 1000

var errTooMany = fmt.Errorf("gktinc: the form has more than %d fields", maxInputVars)

// ParseForm parses the body of a POST as PHP does, according to its Content-Type:
// application/x-www-form-urlencoded, or multipart/form-data without the files. For any
// other type it returns no fields, like PHP.
//
// It returns an error if a multipart body is malformed or differs from what browsers
// send, since programs may disagree about such a body. It also returns an error if there
// are more than 1000 fields (1001 if urlencoded), where PHP stops by default. With an
// error it returns the fields up to that point, as PHP does; other programs may find
// different ones.
func ParseForm(contentType string, body []byte) (Form, error) {
	parsed, err := parseForm(contentType, body)
	return parsed.form, err
}

// A parsedForm is a form as PHP reads it, with the names that other programs may see.
type parsedForm struct {
	form   Form
	hidden []string // fields that only some programs see, or that some do not read as plain text
}

func parseForm(contentType string, body []byte) (parsedForm, error) {
	media, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/x-www-form-urlencoded":
		form, err := parseURLEncoded(string(body))
		return parsedForm{form: form, hidden: hiddenNames(string(body))}, err
	case "multipart/form-data":
		return parseMultipart(contentType, body)
	}
	return parsedForm{}, nil
}

// FormOf returns the Form for values that are already parsed. They have lost the order
// of fields with different names, which matters only if a name is both an array and a
// plain field, as in "a=1&a[b]=2".
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

// Value returns the value of $_POST[name] in PHP, which is the last of several fields
// with the same name; http.Request.PostFormValue returns the first. The value is "" if
// the field is missing or an array.
func (f Form) Value(name string) string {
	value, _ := f.post().entries[arrayKey(name)].(string)
	return value
}

// parseURLEncoded also parses what url.ParseQuery rejects, such as "%zz".
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

// hiddenNames returns the names that only some programs find:
//
//   - names after a semicolon (Rack 2, Python before 3.10)
//   - names that end at a "]=" inside the value (qs, which Express uses)
//   - names in a pair with non-ASCII bytes, whose charset a program may choose
//   - names with the escape of IIS, %uXXXX
func hiddenNames(body string) (names []string) {
	for pair := range strings.SplitSeq(body, "&") {
		if i := strings.Index(pair, "]="); i >= 0 && i+1 != strings.Index(pair, "=") {
			name, _, _ := strings.Cut(pair, "=")
			names = append(names, unescape(pair[:i+1]), unescape(name)) // qs misses the second
		}
		charset := strings.ContainsFunc(pair, func(r rune) bool { return r > unicode.MaxASCII })
		for i, piece := range strings.Split(pair, ";") {
			name, _, _ := strings.Cut(piece, "=")
			name = unescape(name)
			if decoded := unescapeIIS(name); charset || i > 0 || decoded != name {
				names = append(names, decoded)
			}
		}
	}
	return names
}

var iisEscape = pattern.New(`%[uU][0-9A-Fa-f]{4}`)

func unescapeIIS(s string) string {
	return iisEscape().ReplaceAllStringFunc(s, func(escape string) string {
		n, _ := strconv.ParseUint(escape[2:], 16, 16)
		return string(rune(n))
	})
}

// unescape decodes valid escapes and leaves invalid ones unchanged.
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

// disposition matches the Content-Disposition of a part as browsers write it (HTML,
// "multipart/form-data encoding algorithm"), and the same without unnecessary quotes.
// Programs disagree about other valid forms of this header.
var disposition = pattern.New(`(?i)^form-data; *name=("(?:[^"\\[:cntrl:]]|\\\w)*"|[\w.\[\]-]+)(; *filename=("[^"]*"|[\w.-]+))?$`)

var errNotABrowser = errors.New("gktinc: the form is not written as browsers write multipart/form-data")

// plainBoundary matches boundaries that all programs read alike. PHP, for example, cuts
// them at commas, and others remove quotes.
var plainBoundary = pattern.New(`^[0-9A-Za-z'()+_./:=?-]{1,70}$`)

// partHeader matches a header line of a part as browsers write it.
var partHeader = pattern.New(`^[A-Za-z-]+: [^[:cntrl:]]*$`)

func parseMultipart(contentType string, body []byte) (parsedForm, error) {
	var p parsedForm
	_, parameters, err := mime.ParseMediaType(contentType)
	boundary := parameters["boundary"]
	if err != nil || boundary == "" {
		return p, errors.New("gktinc: the form's Content-Type has no valid boundary")
	}
	// PHP uses the first "boundary" it finds, even inside another parameter's name.
	if strings.Count(strings.ToLower(contentType), "boundary") > 1 || !plainBoundary().MatchString(boundary) {
		return p, errNotABrowser
	}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			if !isStrict(body, boundary) {
				return p, errNotABrowser
			}
			return p, nil
		}
		var value []byte
		if err == nil {
			value, err = io.ReadAll(part)
		}
		if err != nil {
			return p, fmt.Errorf("gktinc: the form cannot be read: %w", err)
		}
		header := part.Header.Values("Content-Disposition")
		if len(header) != 1 {
			return p, errNotABrowser
		}
		found := disposition().FindStringSubmatch(header[0])
		if found == nil {
			return p, errNotABrowser
		}
		name := strings.Trim(found[1], `"`)
		if decoded := unescape(name); decoded != name {
			p.hidden = append(p.hidden, decoded)
		}
		isFile := found[2] != ""
		if isFile || len(part.Header) > 1 { // another header may set a charset or an encoding
			p.hidden = append(p.hidden, name)
		}
		switch {
		case isFile:
			continue
		case len(p.form) == maxInputVars:
			return p, errTooMany
		}
		p.form = append(p.form, Field{name, string(value)})
	}
}

// isStrict reports whether a body is framed as browsers do it, so that all programs find the
// same parts (PHP, for example, ends a line at a bare LF, and others do not):
//
//   - every line ends with CR LF
//   - before the first boundary and after the last there is at most a line break
//   - no boundary is one that only some programs recognize
func isStrict(body []byte, boundary string) bool {
	delimiter := []byte("--" + boundary)
	rest, ok := bytes.CutPrefix(bytes.TrimPrefix(body, []byte("\r\n")), delimiter)
	for ok {
		if end, last := bytes.CutPrefix(rest, []byte("--")); last {
			return len(end) == 0 || string(end) == "\r\n"
		}
		if rest, ok = bytes.CutPrefix(rest, []byte("\r\n")); !ok {
			return false
		}
		header, content, found := bytes.Cut(rest, []byte("\r\n\r\n"))
		for line := range bytes.SplitSeq(header, []byte("\r\n")) {
			found = found && partHeader().Match(line)
		}
		end := bytes.Index(content, delimiter)
		if !found || end < 2 || string(content[end-2:end]) != "\r\n" {
			return false
		}
		rest = content[end+len(delimiter):]
	}
	return false
}
