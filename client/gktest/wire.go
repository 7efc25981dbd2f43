package gktest

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/gkpow/gkpow/client/internal/jsonobject"
)

// maxRequest is the maximum size of a request body, in bytes.
const maxRequest = 64 << 10

// An object is a JSON object with case-sensitive names, in which an absent field differs
// from null.
type object struct{ jsonobject.Object }

// readObject reads the body of a request. It returns the error to answer if that is not
// a JSON object.
func readObject(w http.ResponseWriter, r *http.Request) (object, *reply) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return object{}, new(refuse(http.StatusMethodNotAllowed, "method_not_allowed"))
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return object{}, new(refuse(http.StatusUnsupportedMediaType, "unsupported_media_type"))
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return object{}, new(refuse(http.StatusRequestEntityTooLarge, "payload_too_large"))
	}
	body := object{jsonobject.Decode(data)}
	if err != nil || body.Object == nil {
		return object{}, new(badRequest())
	}
	return body, nil
}

// text returns a string field, or "" if it is absent. ok is false for any other type, null
// included.
func (o object) text(name string) (value string, ok bool) {
	if _, present := o.Object[name]; !present {
		return "", true
	}
	return o.Text(name)
}

// nonce returns a field that is a JSON number below 2^64, without sign, fraction or
// exponent.
func (o object) nonce(name string) (uint64, bool) {
	n, err := strconv.ParseUint(string(o.Object[name]), 10, 64)
	return n, err == nil
}

// whole is like nonce, for numbers below 2^53.
func (o object) whole(name string) (int64, bool) {
	n, ok := o.nonce(name)
	return int64(n), ok && n < 1<<53
}

// A reply is one response of the service.
type reply struct {
	status     int
	body       any
	retryAfter int // seconds; 0 sends no Retry-After header
}

// failure is the body of all M2M errors: gkCAPTCHA M2M API, "Error Responses".
type failure struct {
	Success    bool   `json:"success"`
	Error      string `json:"error"`
	RetryAfter int    `json:"retryAfter,omitempty"` // seconds
}

func refuse(status int, code string) reply {
	return reply{status: status, body: failure{Error: code}}
}

func badRequest() reply { return refuse(http.StatusBadRequest, "bad_request") }

func rateLimited(seconds int) reply {
	return reply{
		status:     http.StatusTooManyRequests,
		body:       failure{Error: "rate_limited", RetryAfter: seconds},
		retryAfter: seconds,
	}
}

func (r reply) send(w http.ResponseWriter, now time.Time) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	if r.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(r.retryAfter))
	}
	w.WriteHeader(r.status)
	// Ignore the error: it means that the client has disconnected.
	_ = json.NewEncoder(w).Encode(r.body)
}
