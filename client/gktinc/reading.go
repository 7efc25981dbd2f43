package gktinc

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A reading is the set of places where programs may store a field. Programs interpret
// names differently: some build arrays, and some trim, cut or case-fold a name:
//
//	user[name]  user[]  user[0]    arrays in PHP, Express (qs), Rack and Rails
//	user.name                      user[name] in ASP.NET, and in qs if configured so
//	[user]  ]user  user]           "user" in qs or Rack
//	" user"  "user\0x"  user.x     "user" and "user_x" in PHP
//	User                           "user" in ASP.NET and ColdFusion
type reading struct {
	brackets []string // split at brackets
	dots     []string // split at brackets and dots
	php      []string // PHP's keys
}

func newReading(name string) reading {
	r := reading{brackets: segments(name, "["), dots: segments(name, "[.")}
	for _, key := range phpPath(name) {
		r.php = append(r.php, fmt.Sprint(key))
	}
	return r
}

// segments splits a name at separators. It drops what some programs ignore: control and
// format characters, invalid UTF-8, surrounding white space and unmatched brackets.
func segments(name, separators string) []string {
	name = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.TrimLeft(strings.TrimSpace(name), "[] ")
	name = strings.ReplaceAll(name, "]", "")
	var parts []string
	for {
		i := strings.IndexAny(name, separators)
		if i < 0 {
			return append(parts, strings.TrimSpace(name))
		}
		parts = append(parts, strings.TrimSpace(name[:i]))
		name = name[i+1:]
	}
}

// meets reports whether some program would store a field with this reading in the same
// place as the wanted field, inside it, or around it.
func (r reading) meets(wanted reading) bool {
	return overlap(r.brackets, wanted.brackets) || overlap(r.php, wanted.php) ||
		len(r.dots) == len(wanted.dots) && overlap(r.dots, wanted.dots)
}

// overlap reports whether one path is a prefix of the other.
func overlap(path, wanted []string) bool {
	if len(path) == 0 || len(wanted) == 0 {
		return false
	}
	for i := range min(len(path), len(wanted)) {
		a, b := path[i], wanted[i]
		// A field with an empty index is the next element of the array.
		next := i > 0 && (b == "" || a == "" && isIndex(b))
		if !next && !strings.EqualFold(a, b) {
			return false
		}
	}
	return true
}

func isIndex(s string) bool {
	return s != "" && !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < '0' || b > '9' })
}
