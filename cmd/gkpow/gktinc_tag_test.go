package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

// Attributes and comments are read as golang.org/x/net/html reads them.
func TestTagsMatchTokenizer(t *testing.T) {
	pieces := []string{"id", "ID", "method", "x", "=", "=", "=", " ", "\n", "\f", "/", `"`, `"`, "'", "'", "<", "post",
		"&amp;", "&amp", "&not", "it", ";", "&", "#", "&#112;", "&#x70", "&notin;", "&semi;", "&NotEqualTilde;", "ä", "a=b", "-", "!", "\xff"}
	found := 0
	check := func(page string) {
		z := html.NewTokenizer(strings.NewReader(page))
		kind := z.Next()
		raw := string(z.Raw())
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			want := map[string]string{}
			for _, more := z.TagName(); more; {
				var key, value []byte
				key, value, more = z.TagAttr()
				want[string(key)] = string(value)
			}
			for _, name := range []string{"id", "method", "x"} {
				if got := attribute(raw, name); got != want[name] {
					t.Fatalf("%s of %q is %q; want %q", name, raw, got, want[name])
				}
				if want[name] != "" {
					found++
				}
			}
		case html.CommentToken:
			if strings.HasPrefix(raw, "<!--") && !strings.Contains(raw, "&") {
				if got, want := commentText(raw), string(z.Text()); got != want {
					t.Fatalf("the comment in %q is %q; want %q", raw, got, want)
				}
				found++
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		var text strings.Builder
		for range random.IntN(12) {
			text.WriteString(pieces[random.IntN(len(pieces))])
		}
		check("<form " + text.String() + ">")
		check("<form x=" + text.String() + ">")
		check("<form id='" + text.String() + "'>")
		check("<!--" + text.String() + "-->")
		check("<!--" + text.String())
	}
	require.Greater(t, found, 100_000)
	for _, page := range slices.Concat([]string{"<form", "<form>", "<form/>", "<FORM id>", "<form id=>", "<form id= >", `<form id="a`}, pieces) {
		check(page)
		attribute(page, "id")
		commentText(page)
	}
}
