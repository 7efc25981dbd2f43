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

// initTrace matches a line that GODEBUG=inittrace=1 prints.
var initTrace = regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes, \d+ allocs$`)

// TestStart inspects the gkpow binary as go build produces it, without test code.
func TestStart(t *testing.T) {
	program := filepath.Join(t.TempDir(), "gkpow")
	cmd := exec.Command("go", "build", "-ldflags=-dumpdep", "-o", program, ".")
	var graph strings.Builder
	cmd.Stderr = &graph
	require.NoError(t, cmd.Run(), "%.2000s", &graph)

	// gkpow never looks up methods by non-constant names, as text/template and html/template
	// do. If it did, the linker would keep every exported method of every type, which adds
	// 12 MB of Redis command builders. The linker marks the functions that do so.
	t.Run("methods by name", func(t *testing.T) {
		require.Contains(t, graph.String(), "main.main -> ")
		for line := range strings.Lines(graph.String()) {
			require.NotContains(t, line, "<ReflectMethod>", "write pages as bench/markup.go does, and look up methods by constant names")
		}
	})

	// No package of this module initializes data that few commands need, such as regular
	// expressions and templates, when gkpow starts.
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
			require.Less(t, bytes, 16<<10, found[0]) // a single expression with a counted repeat takes at least 30 KB
		}
		require.Contains(t, own, "main")
		require.Greater(t, len(own), 1)
	})
}

// If the command line names a command, newRoot creates only that one, which behaves as it
// does among all the others.
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

// Interruptible commands catch signals; "gkpow version" does not spend time on that.
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

// Signals cancel a command's context.
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
