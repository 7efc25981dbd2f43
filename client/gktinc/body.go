package gktinc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// A submission is a submitted form, read in several ways.
type submission struct {
	form   Form       // as PHP reads it, which is how the service sees it
	values url.Values // as net/http reads it, which is how the handler behind a Guard sees it
	hidden []string   // names that only other programs see; see parsedForm
}

// readForm reads the form in a request and resets the body, so that it can be read again.
func readForm(r *http.Request, limit int64) (submission, error) {
	contentType := r.Header.Get("Content-Type")
	if err := checkHeader(r.Header); err != nil {
		return submission{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	if r.PostForm != nil && (kind != "multipart/form-data" || r.MultipartForm != nil) {
		return parsedBefore(r), nil
	}
	if r.Body == nil || r.Body == http.NoBody {
		return submission{}, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return submission{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	parsed, err := parseForm(contentType, body)
	if err != nil {
		return submission{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	// Parse a copy and leave the caller's request to the handler. net/http parses the
	// body of a POST only. Files stay in memory.
	again := http.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {contentType}},
		Body: io.NopCloser(bytes.NewReader(body))}
	if kind == "multipart/form-data" {
		if err := again.ParseMultipartForm(int64(len(body))); err != nil {
			return submission{}, fmt.Errorf("%w: %w", ErrForm, err)
		}
	} else {
		_ = again.ParseForm() // PostFormValue, too, ignores the error and uses what it can read
	}
	return submission{form: parsed.form, values: again.PostForm, hidden: parsed.hidden}, nil
}

// parsedBefore returns the form of a request that is already parsed.
func parsedBefore(r *http.Request) submission {
	s := submission{form: FormOf(r.PostForm), values: r.PostForm}
	if r.MultipartForm != nil {
		for name := range r.MultipartForm.File {
			s.hidden = append(s.hidden, name)
		}
	}
	return s
}

var (
	errEncoded     = errors.New("its Content-Encoding is not identity, so programs may disagree about its fields")
	errContentType = errors.New("browsers do not send its Content-Type, so programs may disagree about its fields")
)

// checkHeader rejects headers that make programs read the same body differently: some
// programs decompress it, some convert its charset, some use the first of two types.
func checkHeader(h http.Header) error {
	for _, encoding := range h.Values("Content-Encoding") {
		if !strings.EqualFold(strings.TrimSpace(encoding), "identity") {
			return errEncoded
		}
	}
	types := h.Values("Content-Type")
	if len(types) > 1 {
		return errContentType
	}
	if len(types) == 0 {
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(types[0])
	if kind != "application/x-www-form-urlencoded" && kind != "multipart/form-data" {
		return nil // not a form, so no program finds a once in it
	}
	if err != nil {
		return errContentType
	}
	for name, value := range parameters {
		switch {
		case name == "charset" && strings.EqualFold(value, "utf-8"):
		case name == "boundary" && kind == "multipart/form-data":
		default:
			return errContentType
		}
	}
	return nil
}

// single reports whether the form has a field of this name. It returns an error unless
// every program reads the field as the same single, plain value. Otherwise the service
// could check one value while the application uses another.
func (s submission) single(name string) (present bool, err error) {
	wanted := newReading(name)
	meets := func(other string) bool { return newReading(other).meets(wanted) }
	ambiguous := slices.ContainsFunc(s.hidden, meets)
	for _, field := range s.form {
		if meets(field.Name) {
			ambiguous = ambiguous || present || field.Name != name
			present = true
		}
	}
	if ambiguous {
		return false, fmt.Errorf("%w: the field %q is repeated, or is not a plain value", ErrForm, name)
	}
	post := s.form.post()
	value, ok := post.at(name)
	switch {
	case ok && value != s.values.Get(name):
		return false, fmt.Errorf("%w: the field %q is malformed", ErrForm, name)
	case !utf8.ValidString(s.values.Get(name)):
		return false, fmt.Errorf("%w: the field %q is not UTF-8", ErrForm, name)
	}
	return present, nil
}

// agrees returns an error if the query has a different value for a field of the form:
// Java and ASP.NET look for a field in the query first.
func (s submission) agrees(query, name string) error {
	wanted := newReading(name)
	fields, err := parseURLEncoded(query)
	for _, hidden := range hiddenNames(query) {
		fields = append(fields, Field{Name: hidden, Value: "\x00"}) // differs from every value in a form
	}
	for _, field := range fields {
		if newReading(field.Name).meets(wanted) && (field.Name != name || field.Value != s.values.Get(name)) {
			err = errors.New("the URL has a different value for it")
		}
	}
	if err != nil {
		return fmt.Errorf("%w: the field %q: %w", ErrForm, name, err)
	}
	return nil
}

// at returns the value that PHP stores for a field of this name; it stores "a[b]" in
// $_POST["a"]["b"]. The value is "" if there is none, or if it is an array. ok is false if
// PHP drops fields of this name.
func (a *array) at(name string) (value string, ok bool) {
	path := phpPath(name)
	if len(path) == 0 {
		return "", false
	}
	var found any = a
	for _, key := range path {
		in, _ := found.(*array)
		if found = nil; in != nil {
			found = in.entries[key]
		}
	}
	value, _ = found.(string)
	return value, true
}

// phpPath returns the keys in $_POST under which PHP stores a field of this name, or nil if
// PHP drops the field.
func phpPath(name string) (keys []any) {
	var where any = Form{{Name: name}}.post()
	for {
		in, deeper := where.(*array) // it has at most one entry
		if !deeper {
			return keys
		}
		if len(in.entries) == 0 {
			return nil
		}
		for key, next := range in.entries {
			keys, where = append(keys, key), next
		}
	}
}
