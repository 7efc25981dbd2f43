package gktinc

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// A submission is a form as PHP reads it, which is what the service knows, and as
// net/http does, which is what the handler behind a Guard knows.
type submission struct {
	form   Form
	values url.Values
}

// readForm reads the form in a request, and leaves the body to be read again.
func readForm(r *http.Request, limit int64) (submission, error) {
	contentType := r.Header.Get("Content-Type")
	kind, _, _ := mime.ParseMediaType(contentType)
	if r.PostForm != nil && (kind != "multipart/form-data" || r.MultipartForm != nil) {
		return submission{FormOf(r.PostForm), r.PostForm}, nil
	}
	if r.Body == nil || r.Body == http.NoBody {
		return submission{}, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return submission{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := ParseForm(contentType, body)
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
	return submission{form, again.PostForm}, nil
}

// agree fails if it depends on the program that reads the form which value a field
// has: then one could be judged, and another one be used.
func (s submission) agree(names ...string) error {
	post := s.form.post()
	for _, name := range names {
		if value, ok := post.at(name); ok && value != s.values.Get(name) {
			return fmt.Errorf("%w: the field %q is there more than once, or malformed", ErrForm, name)
		}
	}
	return nil
}

// at returns what PHP has where it puts a field of this name, as "a[b]" at
// $_POST["a"]["b"]. It is "" for nothing and for arrays, ok false if PHP drops fields
// of this name.
func (a *array) at(name string) (value string, ok bool) {
	var where, found any = Form{{Name: name}}.post(), a
	for {
		path, deeper := where.(*array) // of one entry
		if !deeper {
			value, _ = found.(string)
			return value, true
		}
		if len(path.entries) == 0 {
			return "", false
		}
		in, _ := found.(*array)
		for key, next := range path.entries {
			if where, found = next, nil; in != nil {
				found = in.entries[key]
			}
		}
	}
}
