package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// initTrace is a line of GODEBUG=inittrace=1.
var initTrace = regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes, \d+ allocs$`)

// No package of this module prepares at the start of every command what few of them
// need, such as regular expressions and templates.
func TestInitializers(t *testing.T) {
	cmd := exec.Command("gkpow", "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	own := 0
	for _, found := range initTrace.FindAllStringSubmatch(string(output), -1) {
		if !strings.HasPrefix(found[1], "github.com/gkpow/gkpow/") || strings.HasSuffix(found[1], "/cmd/gkpow") { // whose tests are in the program
			continue
		}
		own++
		bytes, err := strconv.Atoi(found[2])
		require.NoError(t, err)
		require.Less(t, bytes, 16<<10, found[0]) // one expression with a counted repeat takes 30 KB and more
	}
	require.NotZero(t, own, string(output))
}

// Nothing in the command calls methods by names that are not constants, as text/template
// and html/template do. For a program that does, the linker keeps every exported method
// of every type: with the builders of all Redis commands that was 8 MB more, which also
// have to be read when a command starts. The linker marks the functions that do it.
func TestNoMethodsByName(t *testing.T) {
	program := filepath.Join(t.TempDir(), "gkpow")
	cmd := exec.Command("go", "build", "-ldflags=-dumpdep", "-o", program, ".")
	var graph bytes.Buffer
	cmd.Stderr = &graph
	require.NoError(t, cmd.Run(), "%.2000s", &graph)
	require.Contains(t, graph.String(), "main.main -> ")
	for line := range strings.Lines(graph.String()) {
		require.NotContains(t, line, "<ReflectMethod>", "write pages as bench/markup.go does, and ask for methods by constants")
	}
}
