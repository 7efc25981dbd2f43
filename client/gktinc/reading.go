package gktinc

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A reading is where programs put a field by its name. What one takes for a name of
// its own, another puts into an array, trims, cuts or folds:
//
//	user[name]  user[]  user[0]    arrays in PHP, Express (qs), Rack and Rails
//	user.name                      user[name] in ASP.NET, and in qs if told so
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

// segments splits a name into what is inside and outside of brackets. It leaves out
// what some programs ignore: control and format characters, bytes that are not UTF-8,
// white space at the ends, brackets that match no other.
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

// meets reports whether for some program a field of this reading is the wanted one,
// is a part of it, or takes its place.
func (r reading) meets(wanted reading) bool {
	return overlap(r.brackets, wanted.brackets) || overlap(r.php, wanted.php) ||
		len(r.dots) == len(wanted.dots) && overlap(r.dots, wanted.dots)
}

// overlap reports whether one path leads to the other's end or beyond it.
func overlap(path, wanted []string) bool {
	if len(path) == 0 || len(wanted) == 0 {
		return false
	}
	for i := range min(len(path), len(wanted)) {
		a, b := path[i], wanted[i]
		// Without an index a field is the next element of the array.
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
