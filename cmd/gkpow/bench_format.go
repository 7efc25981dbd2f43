package main

import (
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/gkpow/gkpow/bench"
)

// writer returns the function that prints a report, or nil for an unknown format.
func (f *benchFlags) writer(env environment) func(*bench.Report, io.Writer) error {
	switch f.format {
	case "text":
		o := bench.TextOptions{Width: terminalWidth(env), ASCII: !isUTF8(env), Wide: f.wide}
		return func(r *bench.Report, w io.Writer) error { return r.WriteText(w, o) }
	case "json":
		return (*bench.Report).WriteJSON
	case "csv":
		return (*bench.Report).WriteCSV
	case "markdown":
		return (*bench.Report).WriteMarkdown
	case "benchfmt":
		return (*bench.Report).WriteBenchfmt
	case "html":
		return (*bench.Report).WriteHTML
	}
	return nil
}

// terminalWidth returns the width of standard output in columns, from COLUMNS or else from the
// terminal. It returns 0 if neither says.
func terminalWidth(env environment) int {
	columns, _ := env.lookup("COLUMNS")
	if width, err := strconv.Atoi(columns); err == nil && width > 0 {
		return width
	}
	if file, ok := env.stdout.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// isUTF8 reports whether the locale uses UTF-8. The first variable that is set decides, in the
// order of POSIX. Windows has no such variables, and its terminals show UTF-8.
func isUTF8(env environment) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value, _ := env.lookup(name); value != "" {
			value = strings.ToUpper(strings.ReplaceAll(value, "-", ""))
			return strings.Contains(value, "UTF8")
		}
	}
	return runtime.GOOS == "windows"
}
