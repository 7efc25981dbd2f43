package gktest

import (
	_ "embed"
	"net/http"
)

// StandInPath is where a Service serves a script that stands in for the vendor's on
// pages: it fills gktinc_solution with what JudgeSolution accepts, and shows on the
// page that it is not the real one. It solves nothing.
const StandInPath = "/stand-in-for-gktinc-setup.js"

//go:embed stand-in-for-gktinc-setup.js
var standIn []byte

func serveStandIn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	if r.Method == http.MethodGet {
		_, _ = w.Write(standIn)
	}
}
