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

// registerTraffic registers the metrics of a client's circuit breaker and its requests in
// progress.
func registerTraffic(registry *metrics.Registry, service string, traffic func() client.Traffic) {
	gauge := func(name, help string, value func(client.Traffic) float64) {
		registry.GaugeFunc(name, help, func() float64 { return value(traffic()) }, "service", service)
	}
	counter := func(name, help string, value func(client.Traffic) uint64, labels ...string) {
		registry.CounterFunc(name, help, func() float64 { return float64(value(traffic())) }, append(labels, "service", service)...)
	}
	gauge("gkpow_circuit_open", "State of the circuit breaker: 1 open, 0.5 half-open, 0 closed.",
		func(t client.Traffic) float64 {
			return map[string]float64{"open": 1, "half-open": 0.5}[t.Circuit]
		})
	gauge("gkpow_requests_in_flight", "Requests waiting for the service's response.", func(t client.Traffic) float64 { return float64(t.InFlight) })
	gauge("gkpow_requests_in_flight_limit", "Maximum number of requests that may wait for a response at the same time.", func(t client.Traffic) float64 { return float64(t.MaxInFlight) })
	counter("gkpow_circuit_openings_total", "Number of times the circuit breaker has opened.", func(t client.Traffic) uint64 { return t.CircuitOpenings })
	const notSent, notSentHelp = "gkpow_requests_not_sent_total", "Requests that failed without being sent, by reason."
	counter(notSent, notSentHelp, func(t client.Traffic) uint64 { return t.NotSentOpen }, "reason", "circuit_open")
	counter(notSent, notSentHelp, func(t client.Traffic) uint64 { return t.NotSentFull }, "reason", "too_many_in_flight")
}
