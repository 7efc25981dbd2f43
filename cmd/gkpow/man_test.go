package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
)

var (
	manDir  = flag.String("man", "", "directory for TestManPages to write the manual pages to")
	manDate = flag.String("man-date", "2000-01-01", "date of the manual pages")
)

// writeManPages writes a manual page for each command. It is part of the tests so that the
// gkpow binary does not include the generator.
func writeManPages(t *testing.T, dir string, date time.Time) {
	root := newRoot(environment{})
	root.Long += "\n\n# EXIT STATUS\n\n" + newExitCodes().Long
	var write func(cmd *cobra.Command)
	write = func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() {
			return // help and its topics
		}
		for _, sub := range cmd.Commands() {
			write(sub)
		}
		cmd.InitDefaultHelpFlag()
		cmd.DisableAutoGenTag = true
		cmd.Long = markdown(cmd.Long)
		header := doc.GenManHeader{Section: "1", Date: &date, Source: "gkpow " + solver.BuildInfo().Version, Manual: "gkpow"}
		var page bytes.Buffer
		require.NoError(t, doc.GenMan(cmd, &header, &page))
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), withOptions(page.Bytes(), cmd), 0o644))
	}
	write(root)
}

// optionsSection matches the section that package doc generates for the flags.
var optionsSection = regexp.MustCompile(`(?s)\n\.SH OPTIONS\n.*?(\n\.SH [^O]|$)`)

// withOptions replaces the section of the flags with one in the usual format of manual
// pages: the name of the value after the flag, and the description indented below.
func withOptions(page []byte, cmd *cobra.Command) []byte {
	var b strings.Builder
	b.WriteString("\n.SH OPTIONS\n")
	escape := strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'")
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		b.WriteString(".TP\n")
		if f.Shorthand != "" {
			fmt.Fprintf(&b, `\fB\-%s\fR, `, f.Shorthand)
		}
		value, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(&b, `\fB\-\-%s\fR`, escape.Replace(f.Name))
		if value != "" {
			fmt.Fprintf(&b, ` \fI%s\fR`, strings.ToUpper(value))
		}
		fmt.Fprintf(&b, "\n%s", escape.Replace(usage))
		switch f.DefValue {
		case "", "0", "false", "[]", "0s":
		default:
			if !strings.Contains(usage, "(default") {
				fmt.Fprintf(&b, " (default %s)", escape.Replace(f.DefValue))
			}
		}
		b.WriteByte('\n')
	})
	return optionsSection.ReplaceAllFunc(page, func(old []byte) []byte {
		next := optionsSection.FindSubmatch(old)[1]
		return append([]byte(strings.TrimSuffix(b.String(), "\n")), next...)
	})
}

// indented matches the two spaces that help indents examples by; Markdown needs four.
var indented = regexp.MustCompile(`(?m)^  `)

// placeholder escapes the characters that Markdown would take for markup.
var placeholder = strings.NewReplacer("_", `\_`, "*", `\*`, "<", `\<`)

// markdown converts a command's description to Markdown, in which indented lines are
// examples.
func markdown(text string) string {
	text = indented.ReplaceAllString(text, "      ")
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "    ") {
			line = placeholder.Replace(line)
		} else if last := len(lines) - 1; last >= 0 && lines[last] != "" && !strings.HasPrefix(lines[last], "    ") {
			lines = append(lines, "")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestManPages(t *testing.T) {
	date, err := time.Parse(time.DateOnly, *manDate)
	require.NoError(t, err)
	if *manDir != "" {
		writeManPages(t, *manDir, date)
		return
	}
	dir := t.TempDir()
	writeManPages(t, dir, date)
	var pages []string
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		pages = append(pages, e.Name())
	}
	for _, page := range []string{"gkpow.1", "gkpow-token.1", "gkpow-solve.1", "gkpow-agent.1", "gkpow-gktinc-validate.1"} {
		require.Contains(t, pages, page)
	}
	solve, err := os.ReadFile(filepath.Join(dir, "gkpow-solve.1"))
	require.NoError(t, err)
	// Examples keep their line breaks and stay separate from paragraphs.
	require.Regexp(t, `(?m)^\.EX\n.*gkpow solve --salt 7f8e9d0c --difficulty 4 --sequential$`, string(solve))
	require.Contains(t, string(solve), `GKPOW_SHARD_COUNT`)
	require.Contains(t, string(solve), "\n.TP\n\\fB\\-\\-difficulty\\fR \\fIINT\\fR\nleading zero hex digits, 0 to 64 (default 6)\n.TP\n")
	require.Contains(t, string(solve), "\n.SH SEE ALSO\n")
	root, err := os.ReadFile(filepath.Join(dir, "gkpow.1"))
	require.NoError(t, err)
	require.Regexp(t, `(?s)\.SH EXIT STATUS\n.*  9  no solution.*\.SH OPTIONS\n`, string(root))
}
