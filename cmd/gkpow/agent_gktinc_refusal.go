package main

import (
	"net/http"
	"strings"

	"github.com/gkpow/gkpow/client/gktinc"
)

// A refusal is the body of the response to a refused visitor or form. A proxy may show it
// to the visitor, so it does not include the score.
type refusal struct {
	errorAnswer
	Reason gktinc.Reason `json:"reason"`
	Action gktinc.Action `json:"action,omitempty"`
}

func (g *gktincRoutes) refuse(w http.ResponseWriter, r *http.Request, what string, v gktinc.Verdict) {
	why := strings.ReplaceAll(string(v.Reason), "_", " ")
	if v.Reason == gktinc.ReasonAction {
		why = "action " + string(v.Action)
	}
	g.reject(w, r, http.StatusForbidden, refusal{
		errorAnswer: errorAnswer{Error: "denied", Message: what + " is not accepted: " + why},
		Reason:      v.Reason,
		Action:      v.Action,
	})
}

// failed answers when there is no verdict. The log says why; the response does not, since
// a proxy may show it to the visitor.
func (g *gktincRoutes) failed(w http.ResponseWriter, r *http.Request, err error) {
	g.renewed(g.client.Load(), err) // for the next request: this one's form cannot be checked twice
	status, answer, gone := g.agent.failure(w, r, "no verdict", err)
	if gone {
		return
	}
	answer.Message = "no verdict is available: try again later"
	g.reject(w, r, status, answer)
}

// misused answers a request that a proxy or a program built wrongly. Behind a proxy, the visitor
// cannot fix that, so the page for browsers does not describe the mistake.
func (g *gktincRoutes) misused(w http.ResponseWriter, r *http.Request, message string) {
	message = words(message)
	g.agent.log.Warn("a request to check a visitor is wrong", "path", r.URL.Path, "error", message)
	if wantsHTML(r) {
		title := "The page is not available"
		if isFormRoute(r) {
			title = "The form could not be checked"
		}
		writeMessage(w, http.StatusBadRequest, title, "Try again in a few minutes.")
		return
	}
	g.agent.answer(w, http.StatusBadRequest, errorAnswer{Error: "bad_request", Message: message})
}

// reject answers with JSON, or with a page for a browser: nginx and Traefik pass on the
// Accept header of the visitor's browser.
func (g *gktincRoutes) reject(w http.ResponseWriter, r *http.Request, status int, body any) {
	if !wantsHTML(r) {
		g.agent.answer(w, status, body)
		return
	}
	writeRefusalOf(w, r, status)
}

// writeRefusalOf writes a page for the visitor, who has sent a form, or has asked for a
// page that a proxy protects with /gktinc/level-check.
func writeRefusalOf(w http.ResponseWriter, r *http.Request, status int) {
	switch {
	case isFormRoute(r):
		writeRefusal(w, status)
	case status == http.StatusForbidden:
		writeMessage(w, status, "You cannot open this page", "The site has blocked your connection. If you think that this is a mistake, ask its owner.")
	default:
		writeMessage(w, status, "The page is not available", "Try again in a few minutes.")
	}
}

func isFormRoute(r *http.Request) bool { return r.URL.Path == "/gktinc/validate" }

func wantsHTML(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }
