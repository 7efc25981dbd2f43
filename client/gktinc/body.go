package gktinc

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// readForm reads the form in a request, and leaves the body to be read again.
func readForm(r *http.Request, limit int64) (Form, error) {
	contentType := r.Header.Get("Content-Type")
	kind, _, _ := mime.ParseMediaType(contentType)
	if r.PostForm != nil && (kind != "multipart/form-data" || r.MultipartForm != nil) {
		return FormOf(r.PostForm), nil
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := ParseForm(contentType, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	return form, nil
}

// first returns the first value of a name, as http.Request.PostFormValue does. PHP
// takes the last one.
func (f Form) first(name string) string {
	for _, field := range f {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}
