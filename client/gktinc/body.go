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

// A submission is a form as PHP reads it, which is what the service knows, as
// net/http does, which is what the handler behind a Guard knows, with what only other
// programs may find in it.
type submission struct {
	form   Form
	values url.Values
	hidden []string // see parsedForm
}

// readForm reads the form in a request, and leaves the body to be read again.
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
	// A request of its own, since the caller's is to be parsed by whom it is for. Its
	// method is one whose body net/http parses; files stay in memory.
	again := http.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {contentType}},
		Body: io.NopCloser(bytes.NewReader(body))}
	if kind == "multipart/form-data" {
		if err := again.ParseMultipartForm(int64(len(body))); err != nil {
			return submission{}, fmt.Errorf("%w: %w", ErrForm, err)
		}
	} else {
		_ = again.ParseForm() // as PostFormValue does, which goes on with what can be read
	}
	return submission{form: parsed.form, values: again.PostForm, hidden: parsed.hidden}, nil
}

// parsedBefore takes the form from a request that somebody has parsed.
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
	errEncoded     = errors.New("its Content-Encoding is not identity, so not all programs find the same fields in it")
	errContentType = errors.New("its Content-Type is none that browsers send, so not all programs find the same fields in it")
)

// checkHeader rejects headers by which programs read one body in several ways: some
// decompress it, some convert its charset, some look at the first of two types.
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
		return nil // no form, so nobody finds a once
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

// one demands that a name stands for one plain value, whichever program reads the
// form, and reports whether it is there at all. Otherwise one value could be judged
// and another one be used.
func (s submission) one(name string) (present bool, err error) {
	wanted := newReading(name)
	meets := func(other string) bool { return newReading(other).meets(wanted) }
	notOne := slices.ContainsFunc(s.hidden, meets)
	for _, field := range s.form {
		if meets(field.Name) {
			notOne = notOne || present || field.Name != name
			present = true
		}
	}
	if notOne {
		return false, fmt.Errorf("%w: the field %q is there more than once, or not as a plain value", ErrForm, name)
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

// agrees demands that a query has no other value of a field: Java and ASP.NET look there
// before they look into the form.
func (s submission) agrees(query, name string) error {
	wanted := newReading(name)
	fields, err := parseURLEncoded(query)
	for _, hidden := range hiddenNames(query) {
		fields = append(fields, Field{Name: hidden, Value: "\x00"}) // no value of a form
	}
	for _, field := range fields {
		if newReading(field.Name).meets(wanted) && (field.Name != name || field.Value != s.values.Get(name)) {
			err = errors.New("another one is in the URL")
		}
	}
	if err != nil {
		return fmt.Errorf("%w: the field %q: %w", ErrForm, name, err)
	}
	return nil
}

// at returns what PHP has where it puts a field of this name, as "a[b]" at
// $_POST["a"]["b"]. It is "" for nothing and for arrays, ok false if PHP drops fields
// of this name.
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

// phpPath is where in $_POST PHP puts a field, nil if it drops fields of this name.
func phpPath(name string) (keys []any) {
	var where any = Form{{Name: name}}.post()
	for {
		in, deeper := where.(*array) // of one entry
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
