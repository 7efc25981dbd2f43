package main

import (
	"fmt"
	"html"
	"net/http"
)

// writeRefusal writes a page that tells the visitor what to do, and nothing else.
func writeRefusal(w http.ResponseWriter, status int) {
	texts := map[int][2]string{
		http.StatusForbidden:             {"The form was not accepted", "Go back, load the page again, and send the form once more."},
		http.StatusBadRequest:            {"The form cannot be read", "Go back, load the page again, and send the form once more."},
		http.StatusRequestEntityTooLarge: {"The form is too large", "Go back, and send less or smaller files."},
	}
	text, ok := texts[status]
	if !ok {
		text = [2]string{"The form could not be checked", "Try again in a few minutes."}
	}
	writeMessage(w, status, text[0], text[1])
}

// writeMessage writes a page with a title and a sentence.
func writeMessage(w http.ResponseWriter, status int, title, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[1]s</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 4rem auto; padding: 0 1rem; }</style>
<h1>%[1]s</h1>
<p>%[2]s</p>
`, html.EscapeString(title), html.EscapeString(text))
}
