package main

import (
	"errors"
	"net/http"

	"github.com/gkpow/gkpow/client"
)

// A failureKind is a kind of failure, under its name in the agent's responses, metrics and
// status.
type failureKind struct {
	err    error  // of package client; nil matches every error
	name   string // "error" in responses, the label "kind" of metrics
	status int    // HTTP status of the agent's response
}

// failureKinds are all kinds. The last one matches every error.
var failureKinds = []failureKind{
	{client.ErrRateLimited, "rate_limited", http.StatusTooManyRequests},
	{client.ErrQuotaExceeded, "quota_exceeded", http.StatusServiceUnavailable},
	{client.ErrMisconfigured, "misconfigured", http.StatusInternalServerError},
	{client.ErrExpired, "expired", http.StatusGatewayTimeout},
	{client.ErrRejected, "rejected", http.StatusBadGateway},
	{client.ErrDifficulty, "rejected", http.StatusBadGateway},
	{nil, "unavailable", http.StatusBadGateway},
}

// kindOfFailure returns the kind of a failure.
func kindOfFailure(err error) failureKind {
	for _, k := range failureKinds {
		if k.err == nil || errors.Is(err, k.err) {
			return k
		}
	}
	panic("unreachable: the last kind matches every error")
}
