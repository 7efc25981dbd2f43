package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// initTrace is a line of GODEBUG=inittrace=1.
var initTrace = regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes, \d+ allocs$`)

// TestStart looks at gkpow as go build makes it, without the tests.
func TestStart(t *testing.T) {
	program := filepath.Join(t.TempDir(), "gkpow")
	cmd := exec.Command("go", "build", "-ldflags=-dumpdep", "-o", program, ".")
	var graph strings.Builder
	cmd.Stderr = &graph
	require.NoError(t, cmd.Run(), "%.2000s", &graph)

	// Nothing calls methods by names that are not constants, as text/template and
	// html/template do. For a program that does, the linker keeps every exported method of
	// every type: with the builders of all Redis commands that was 12 MB more. The linker
	// marks the functions that do it.
	t.Run("methods by name", func(t *testing.T) {
		require.Contains(t, graph.String(), "main.main -> ")
		for line := range strings.Lines(graph.String()) {
			require.NotContains(t, line, "<ReflectMethod>", "write pages as bench/markup.go does, and ask for methods by constants")
		}
	})

	// No package of this module prepares at the start of every command what few of them
	// need, such as regular expressions and templates.
	t.Run("initializers", func(t *testing.T) {
		cmd := exec.Command(program, "version")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, string(output))
		var own []string
		for _, found := range initTrace.FindAllStringSubmatch(string(output), -1) {
			if !strings.HasPrefix(found[1], "github.com/gkpow/gkpow/") && found[1] != "main" {
				continue
			}
			own = append(own, found[1])
			bytes, err := strconv.Atoi(found[2])
			require.NoError(t, err)
			require.Less(t, bytes, 16<<10, found[0]) // one expression with a counted repeat takes 30 KB and more
		}
		require.Contains(t, own, "main")
		require.Greater(t, len(own), 1)
	})
}

// A command line that names a command makes that one only, which behaves no differently.
func TestRootMakesOneCommand(t *testing.T) {
	all := newRoot(environment{})
	for _, group := range commandGroups {
		for _, c := range group.commands {
			root := newRoot(environment{}, c.name, "--any")
			require.Len(t, root.Commands(), 1)
			one := root.Commands()[0]
			require.Equal(t, c.name, one.Name())
			i := slices.IndexFunc(all.Commands(), func(cmd *cobra.Command) bool { return cmd.Name() == c.name })
			require.GreaterOrEqual(t, i, 0, c.name)
			require.Equal(t, all.Commands()[i].UsageString(), one.UsageString())
			require.Equal(t, all.Commands()[i].GroupID, one.GroupID)
		}
	}
	for _, args := range [][]string{{"--version", "token"}, {"help", "token"}, {"__complete", "token", "--f"}, {"nosuch"}, {""}} {
		require.Len(t, newRoot(environment{}, args...).Commands(), len(all.Commands()), args)
	}
}

// Commands that a signal can interrupt catch signals; "gkpow version" does not wait for that.
func TestVersionCatchesNoSignals(t *testing.T) {
	for _, test := range []struct {
		args   []string
		caught bool
	}{
		{[]string{"version"}, false},
		{[]string{"version", "--json"}, false},
		{[]string{"--version"}, false},
		{[]string{"solve", "--salt", "7f8e9d0c", "--difficulty", "1"}, true},
	} {
		caught := false
		run(t.Context(), test.args, environment{
			stdout: io.Discard,
			stderr: io.Discard,
			lookup: func(string) (string, bool) { return "", false },
			signals: func(ctx context.Context) context.Context {
				caught = true
				return ctx
			},
		})
		require.Equal(t, test.caught, caught, test.args)
	}
}

// The context of a command is the one that signals end.
func TestSignalsEndCommands(t *testing.T) {
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"solve", "--salt", "7f8e9d0c", "--bits", "60"}, environment{
		stdout: io.Discard,
		stderr: &stderr,
		lookup: func(string) (string, bool) { return "", false },
		signals: func(parent context.Context) context.Context {
			ctx, cancel := context.WithCancelCause(parent)
			cancel(&signalError{os.Interrupt})
			return ctx
		},
	})
	require.Equal(t, (&signalError{os.Interrupt}).code(), code, &stderr)
}
