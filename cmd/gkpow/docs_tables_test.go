package main

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// section returns the text of a document from one heading to the next.
func section(t *testing.T, name, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(readDocument(t, name), "\n## "+heading+"\n")
	require.True(t, found, "%s has no section %q", name, heading)
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

var codeOrNumber = regexp.MustCompile("`([^`]+)`|[0-9]+")

// firstColumn returns the code spans and numbers in the first column of every table in a text.
func firstColumn(text string) (cells []string) {
	for line := range strings.Lines(text) {
		if cell := strings.Split(line, "|"); len(cell) > 2 {
			for _, found := range codeOrNumber.FindAllString(cell[1], -1) {
				cells = append(cells, strings.Trim(found, "`"))
			}
		}
	}
	return cells
}

// parseSources parses the Go files, except tests, that match a glob pattern.
func parseSources(t *testing.T, files string) (parsed []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(files)
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		parsed = append(parsed, file)
	}
	return parsed
}

// literals returns the distinct string literals that match the pattern in the files.
func literals(t *testing.T, files, pattern string) (found []string) {
	t.Helper()
	for _, file := range parseSources(t, files) {
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == gotoken.STRING {
				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				if regexp.MustCompile(pattern).MatchString(text) && !slices.Contains(found, text) {
					found = append(found, text)
				}
			}
			return true
		})
	}
	require.NotEmpty(t, found)
	return found
}

// docs/metrics.md lists exactly the metrics that the command registers.
func TestMetricsDocument(t *testing.T) {
	const metric = `^gkpow_[a-z_]+$`
	require.ElementsMatch(t, literals(t, "*.go", metric), firstColumn(readDocument(t, "metrics.md")))
}

// docs/environment.md lists every variable that the command reads or sets.
func TestEnvironmentDocument(t *testing.T) {
	documented := firstColumn(readDocument(t, "environment.md"))
	read := literals(t, "*.go", `^(GKPOW|GKCAPTCHA|GKTINC)_[A-Z_]+=?$`)
	for i, name := range read {
		read[i] = strings.TrimSuffix(name, "=")
	}
	for _, name := range read {
		require.Contains(t, documented, name)
	}
	for _, name := range documented {
		if !slices.Contains(read, strings.TrimSuffix(name, "_FILE")) {
			require.Contains(t, read, name)
		}
	}
}

// Help and docs/troubleshooting.md list every exit code.
func TestExitCodesDocument(t *testing.T) {
	codes := firstColumn(section(t, "troubleshooting.md", "By exit code"))
	for code := exitOK; code <= exitNone; code++ {
		require.Equal(t, strconv.Itoa(code), codes[code])
		require.Contains(t, newExitCodes().Long, "\n  "+codes[code]+"  ")
	}
	require.Equal(t, []string{strconv.Itoa(exitNotExecutable), strconv.Itoa(exitNotFound), strconv.Itoa(exitSignal + 2)}, codes[exitNone+1:])
}

// docs/troubleshooting.md lists every warning of bench and every check of doctor.
func TestWarningsDocument(t *testing.T) {
	report, err := os.ReadFile("../../bench/report.go")
	require.NoError(t, err)
	require.ElementsMatch(t, unique(regexp.MustCompile(`\tWarning\w+ += "(.+)"`), report),
		firstColumn(section(t, "troubleshooting.md", "Warnings of gkpow bench")))

	var doctor []byte
	for _, name := range []string{"doctor.go", "doctor_checks.go", "cache.go"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		doctor = append(doctor, text...)
	}
	require.ElementsMatch(t, unique(regexp.MustCompile(`d\.check\("([^"]+)"`), doctor),
		firstColumn(section(t, "troubleshooting.md", "Checks of gkpow doctor")))
}

// docs/troubleshooting.md explains every warning in a log, and quotes only messages that exist.
func TestLogWarningsDocument(t *testing.T) {
	explained := section(t, "troubleshooting.md", "Warnings of other commands")
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var sources []byte
	for _, name := range files {
		if !strings.HasSuffix(name, "_test.go") {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			sources = append(sources, text...)
		}
	}
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for _, message := range unique(regexp.MustCompile(`\.Warn\("([^",:]+)`), sources) {
		if message != "refused" { // which records a request, not a problem
			require.True(t, strings.Contains(words(explained), message), "not explained: %s", message)
		}
	}
	for _, quote := range unique(regexp.MustCompile("(?m)^- `([^`]+)`:"), []byte(explained)) {
		for part := range strings.SplitSeq(words(quote), "…") {
			require.True(t, strings.Contains(string(sources), strings.TrimSpace(part)), "no such message: %s", quote)
		}
	}
}

// unique returns the distinct texts of the pattern's first group in all its matches.
func unique(pattern *regexp.Regexp, text []byte) (found []string) {
	for _, m := range pattern.FindAllSubmatch(text, -1) {
		if !slices.Contains(found, string(m[1])) {
			found = append(found, string(m[1]))
		}
	}
	return found
}
