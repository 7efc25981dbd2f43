package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/gkpow/gkpow/solver"
)

// warn prints a warning.
func warn(env environment, err error) {
	fmt.Fprintf(env.stderr, "gkpow: warning: %s\n", words(err.Error()))
}

// warnFaults warns of kernels that this process no longer uses, because they failed their
// self-test or a search found a wrong result.
func warnFaults(env environment) {
	for _, b := range env.kernels() {
		if b.Fault != nil {
			warn(env, faultOf(b))
		}
	}
}

// faultOf returns an error that says what is wrong with a kernel, and what to do.
func faultOf(b solver.Backend) error {
	return fmt.Errorf("kernel %s is not used, since it computes wrong results on this machine (%w): report it, and check the CPU and memory",
		b.Name, b.Fault)
}

// printJSON writes v as one line of JSON.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// shellQuote quotes s as one word for any POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// A statusRecorder is an http.ResponseWriter that records the status of the response.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// percent formats a chance.
func percent(chance float64) string {
	switch p := 100 * chance; {
	case p >= 0.1 || p == 0:
		return fmt.Sprintf("%.1f%%", p)
	case p >= 1e-6:
		return fmt.Sprintf("%.2g%%", p)
	}
	return "<1e-6%"
}

// human formats a time with about three digits.
func human(d time.Duration) string {
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	switch {
	case d == math.MaxInt64:
		return "more than 292 years"
	case d >= year:
		return fmt.Sprintf("%.3g years", float64(d)/float64(year))
	case d >= 2*day:
		return fmt.Sprintf("%.3g days", float64(d)/float64(day))
	}
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
