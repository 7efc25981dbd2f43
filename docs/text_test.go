// Package docs contains only tests, which check the documents and the comments of public packages.
package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// documents returns the text of every document, by its path from this directory.
func documents(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.md")
	require.NoError(t, err)
	texts := map[string]string{}
	for _, file := range append(files, "../README.md") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts[file] = string(text)
	}
	return texts
}

// Prose is at most 100 columns wide, and code at most 120. Tables, and words that are
// longer than that, such as URLs, cannot be wrapped.
func TestColumns(t *testing.T) {
	for file, text := range documents(t) {
		code := false
		for i, line := range strings.Split(text, "\n") {
			words := strings.TrimSpace(line)
			if strings.HasPrefix(words, "```") {
				code = !code
			}
			limit := 100
			if code {
				limit = 120
			}
			wide := utf8.RuneCountInString(line) > limit
			if wide && !strings.HasPrefix(words, "|") && strings.Contains(words, " ") {
				t.Errorf("%s:%d: wider than %d columns: %s", file, i+1, limit, line)
			}
		}
	}
}
