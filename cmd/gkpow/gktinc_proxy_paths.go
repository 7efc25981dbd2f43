package main

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A guardedForm is a form as --guard describes it.
type guardedForm struct {
	path       []string // as pathSegments returns it
	parameters url.Values
}

// guardedForms are the forms of a proxy.
type guardedForms []guardedForm

// formOf returns the guarded form that a request is for, or nil if there is none. Some
// frameworks let a header replace the path.
func (g guardedForms) formOf(r *http.Request) *guardedForm {
	form := g.find(r.URL.Path)
	for _, target := range headers(r, "x-original-url", "x-rewrite-url") {
		path, _, _ := strings.Cut(target, "?")
		if u, err := url.Parse(target); err == nil && u.IsAbs() {
			path = u.Path
		}
		form = cmp.Or(form, g.find(path))
	}
	return form
}

// find returns the guarded form at a path, or nil if there is none.
//
// Applications disagree about which paths are equal. A visitor must not get past the guard by a
// spelling that only the application takes for the guarded path. Guarding one path too many does no
// harm, so find guards every path that some application could mean.
func (g guardedForms) find(requested string) *guardedForm {
	segments, up := pathSegments(requested)
	// Programs that parse the path as a URL take the first segment of //a/b for a host.
	host := len(requested) > 1 && isSlash(rune(requested[0])) && isSlash(rune(requested[1])) && len(segments) > 0
	for i := range g {
		guarded := g[i].path
		if isBelow(segments, guarded) || host && isBelow(segments[1:], guarded) || up && mentions(segments, guarded) || isScript(segments, guarded) {
			return &g[i]
		}
	}
	return nil
}

// asksForPage reports whether a request cannot be a form for any application. Some applications
// read the body of a GET, or take the method from a header.
func asksForPage(r *http.Request) bool {
	overridden := len(headers(r, "x-http-method-override", "x-http-method", "x-method-override")) > 0
	return !overridden && r.ContentLength == 0 && slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, r.Method)
}

// cgiName returns a header's name in lower case with dashes for underscores: applications
// that get headers as CGI variables do not tell one from the other.
func cgiName(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "-")) }

// headers returns the values of the headers with these names, as cgiName returns them.
func headers(r *http.Request, names ...string) (values []string) {
	for name, of := range r.Header {
		if slices.Contains(names, cgiName(name)) {
			values = append(values, of...)
		}
	}
	return values
}

var scriptName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\.(php[0-9]?|phtml|f?cgi|pl|py|rb|aspx?|jsp|cfm)$`) })

// isScript reports whether a guarded path follows the name of a script: many PHP
// frameworks answer /index.php/login as they do /login.
func isScript(segments, guarded []string) bool {
	for i, segment := range segments {
		if len(guarded) > 0 && scriptName().MatchString(segment) && isBelow(segments[i+1:], guarded) {
			return true
		}
	}
	return false
}

// pathSegments splits a path wherever some application does, and leaves out what some
// application ignores: case, repeated escapes, empty segments, parameters after a
// semicolon, and white space. up reports whether the path has a segment "..".
func pathSegments(requested string) (segments []string, up bool) {
	for range 3 {
		decoded, err := url.PathUnescape(requested)
		if err != nil {
			break
		}
		requested = decoded
	}
	for segment := range strings.FieldsFuncSeq(requested, isSlash) {
		segment, _, _ = strings.Cut(segment, ";")
		segment = strings.TrimFunc(segment, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
		if dots := strings.Trim(segment, " ."); dots == "" {
			up = up || strings.Count(segment, ".") > 1
			continue
		}
		segments = append(segments, strings.ToLower(strings.ToUpper(segment))) // so that all letters with the same upper case are equal
	}
	return segments, up
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

// isBelow reports whether a path is a guarded one or below it. For the guarded path /, that means
// only / itself and the usual names of its page, such as /index.html.
func isBelow(segments, guarded []string) bool {
	if len(guarded) == 0 {
		return len(segments) == 0 || len(segments) == 1 && (isSegment(segments[0], "index") || isSegment(segments[0], "default"))
	}
	return len(segments) >= len(guarded) && slices.EqualFunc(segments[:len(guarded)], guarded, isSegment)
}

// isSegment reports whether some application takes a segment for the guarded one. Rails serves
// /login.json as /login, and routes that are regular expressions often allow a line break at the
// end.
func isSegment(segment, guarded string) bool {
	rest, ok := strings.CutPrefix(segment, guarded)
	next, _ := utf8.DecodeRuneInString(rest)
	return ok && (rest == "" || !unicode.IsLetter(next) && !unicode.IsDigit(next) && next != '-' && next != '_')
}

// mentions reports whether a path with ".." may lead to a guarded path. Where it leads
// depends on which of its characters separate segments, so the last segment of the guarded
// path anywhere in it is enough. Browsers never send such a path.
func mentions(segments, guarded []string) bool {
	return len(guarded) == 0 || slices.ContainsFunc(segments, func(segment string) bool {
		return isSegment(segment, guarded[len(guarded)-1])
	})
}

// tunnelsHTTP reports whether a connection upgraded to a protocol carries further requests,
// which the proxy could not check (h2c and TLS, unlike websocket).
func tunnelsHTTP(upgrade string) bool {
	for protocol := range strings.SplitSeq(strings.ToLower(upgrade), ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(protocol), "/")
		if slices.Contains([]string{"h2c", "h2", "http", "tls"}, name) {
			return true
		}
	}
	return false
}
