package client

import "time"

// An Exchange is one request to an API and its outcome, for metrics. It contains no
// secret.
type Exchange struct {
	Op         string        // as in Error.Op
	Status     int           // HTTP status of the response; 0 if there was no complete one
	Code       Code          // error code of the response, documented or not; "" if it has none
	RetryAfter time.Duration // as in Error.RetryAfter
	Duration   time.Duration // from the start of the request to the last byte of the response, or to the failure
}

// observe reports an exchange to OnExchange.
func (a *API) observe(op string, got answer, err error, took time.Duration) {
	if a.onExchange == nil {
		return
	}
	e := Exchange{Op: op, Status: got.status, Duration: took}
	if err == nil {
		e.Code = errorCode(got.fields, a.redact)
		e.RetryAfter, _ = retryAfter(got.fields, got.response.Header, got.clock)
	}
	a.onExchange(e)
}
