package gktest

import (
	_ "embed"
	"net/http"
)

// StandInPath is the path of a script that replaces the vendor's on web pages. It solves
// nothing: it fills gktinc_solution with a value that JudgeSolution accepts, and shows a
// note on the page that it is not the real script.
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
