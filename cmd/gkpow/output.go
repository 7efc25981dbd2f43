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
		return fmt.Sprintf("%.*f%%", 1-int(math.Floor(math.Log10(p))), p) // two digits
	}
	return "<0.000001%"
}

// roughly formats a number of 1 or more with about three digits: "16", "65,536", "16.8 million".
func roughly(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e18, "quintillion"}, {1e15, "quadrillion"}, {1e12, "trillion"}, {1e9, "billion"}, {1e6, "million"}} {
		if v >= 0.9995*unit.size {
			return fmt.Sprintf("%.3g %s", v/unit.size, unit.name)
		}
	}
	if n := int(math.Round(v)); n >= 1000 {
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	return fmt.Sprintf("%.3g", v)
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
