package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	link    = regexp.MustCompile(`\]\(([^()\s]+(?:\([^()\s]*\))?)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
)

// anchors returns the fragments by which a document's headings can be linked to, as
// GitHub makes them.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		found[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])] = true
	}
	return found
}

// Links within the repository lead to a file, and to a heading in it. Every document
// and every diagram is linked to from the index.
func TestLinks(t *testing.T) {
	texts := documents(t)
	indexed := map[string]bool{"README.md": true}
	for file, text := range texts {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			target, fragment, _ := strings.Cut(m[1], "#")
			path := file
			if target != "" {
				path = filepath.ToSlash(filepath.Join(filepath.Dir(file), target))
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, m[1])
				continue
			}
			if file == "README.md" {
				indexed[path] = true
			}
			if fragment != "" && strings.HasSuffix(path, ".md") && !anchors(texts[path])[fragment] {
				t.Errorf("%s links to %s, which has no such heading", file, m[1])
			}
		}
	}
	for _, pattern := range []string{"*.md", "*.svg"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			if !indexed[file] && file != "scaling.svg" { // part of scaling.md
				t.Errorf("README.md does not link to %s", file)
			}
		}
	}
}
