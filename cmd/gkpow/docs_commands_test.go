package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

var (
	codeSpan     = regexp.MustCompile("`(gkpow [^`]+)`")
	shellBlock   = regexp.MustCompile("(?ms)^```(?:sh|console)\n(.*?)^```$")
	continuation = regexp.MustCompile(`\\\n\s*`)
	commandLine  = regexp.MustCompile(`(?m)(?:^|[\s(|])gkpow ([^|;)>#\n]+)`)
)

// Every command line in the documents uses existing subcommands and flags.
func TestDocumentedCommands(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	checked := 0
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var lines []string
		for _, m := range codeSpan.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, m[1])
		}
		for _, m := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, continuation.ReplaceAllString(m[1], " "))
		}
		for _, line := range lines {
			for _, m := range commandLine.FindAllStringSubmatch(line, -1) {
				checked++
				if fault := wrongCommand(strings.Fields(m[1])); fault != "" {
					t.Errorf("%s: gkpow %s: %s", filepath.Base(file), strings.TrimSpace(m[1]), fault)
				}
			}
		}
	}
	require.Greater(t, checked, 100)
}

// wrongCommand returns what is wrong with a command line, or "" if nothing is.
func wrongCommand(args []string) string {
	cmd, rest, err := newRoot(environment{}).Find(args)
	if err != nil {
		return err.Error()
	}
	if cmd.HasSubCommands() && len(rest) > 0 && regexp.MustCompile(`^[a-z-]+$`).MatchString(rest[0]) && !strings.HasPrefix(rest[0], "-") {
		return "unknown command " + rest[0]
	}
	cmd.InitDefaultHelpFlag()
	for _, arg := range rest {
		if arg == "--" {
			return ""
		}
		if name, found := strings.CutPrefix(strings.Trim(arg, `[]"'.,`), "--"); found {
			name, _, _ = strings.Cut(name, "=")
			if flagOf(cmd, name) == nil {
				return "unknown flag --" + name
			}
		}
	}
	return ""
}

func flagOf(cmd *cobra.Command, name string) *pflag.Flag {
	if flag := cmd.Flags().Lookup(name); flag != nil {
		return flag
	}
	return cmd.InheritedFlags().Lookup(name)
}

// The gkpow solve sessions in the documents show the actual output.
func TestDocumentedOutput(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the documents' sessions need sh")
	}
	program, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "gkpow")))
	ran := 0
	for _, m := range regexp.MustCompile("(?ms)^```console\n(\\$ [^`]*?gkpow (?:solve|help)[^`]*?)^```$").FindAllStringSubmatch(readDocument(t, "languages.md"), -1) {
		session := regexp.MustCompile(`(?s)^\$ ((?:[^\n]*[|\\]\n)*[^\n]*\n)(.*)$`).FindStringSubmatch(m[1])
		cmd := exec.Command("sh", "-c", session[1])
		cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"), quickExit)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		got, _ := cmd.Output()
		require.ElementsMatch(t, strings.Split(session[2], "\n"), strings.Split(string(got), "\n"), stderr.String())
		ran++
	}
	require.Positive(t, ran)
}
