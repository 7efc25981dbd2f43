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

// Prose is at most 100 columns wide; code and the rows of tables, which cannot be wrapped, at most
// 120. Longer words, such as URLs, are no error.
func TestColumns(t *testing.T) {
	for file, text := range documents(t) {
		code := false
		for i, line := range strings.Split(text, "\n") {
			words := strings.TrimSpace(line)
			if strings.HasPrefix(words, "```") {
				code = !code
			}
			limit := 100
			if code || strings.HasPrefix(words, "|") {
				limit = 120
			}
			wide := utf8.RuneCountInString(line) > limit
			if wide && strings.Contains(words, " ") {
				t.Errorf("%s:%d: wider than %d columns: %s", file, i+1, limit, line)
			}
		}
	}
}
