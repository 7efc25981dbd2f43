package main

import (
	"path"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// exchangeMetrics measure the responses of a service, and the limits that they report. The
// services document no header for limits, so a limit becomes known only when a response with
// status 429 reports it. The zero value measures nothing. It is safe for concurrent use.
type exchangeMetrics struct {
	observe atomic.Pointer[func(client.Exchange)]
}

// onExchange is for the field OnExchange of a client's Config.
func (m *exchangeMetrics) onExchange(e client.Exchange) {
	if f := m.observe.Load(); f != nil {
		(*f)(e)
	}
}

// register registers the metrics, and begins to measure.
func (m *exchangeMetrics) register(registry *metrics.Registry, service string) {
	answers := registry.CounterVec("gkpow_service_responses_total",
		"Responses of the service by operation and HTTP status; status none means that the response was missing or incomplete.", "service", "operation", "status")
	seconds := registry.HistogramVec("gkpow_service_response_seconds",
		"Time from sending a request to the end of its response or its failure.", metrics.ExponentialBounds(0.005, 2, 12), "service", "operation")
	exceeded := registry.Gauge("gkpow_quota_exceeded",
		"1 after the service reported that the quota is used up, 0 again once it issues a challenge.", "service", service)
	limited := registry.Gauge("gkpow_rate_limit_ends_timestamp_seconds",
		"When the last reported rate limit ends, in Unix seconds by the local clock; 0 if none was reported.", "service", service)
	observe := func(e client.Exchange) {
		operation, status := path.Base(e.Op), "none"
		if e.Status != 0 {
			status = strconv.Itoa(e.Status)
		}
		answers.With(service, operation, status).Inc()
		seconds.With(service, operation).Observe(e.Duration.Seconds())
		switch {
		case e.Code == client.CodeQuotaExceeded:
			exceeded.Set(1)
		case operation == "challenge" && e.Status == 200:
			exceeded.Set(0)
		}
		if e.Status == 429 && e.RetryAfter > 0 {
			limited.Set(float64(time.Now().Add(e.RetryAfter).Unix()))
		}
	}
	m.observe.Store(&observe)
}
