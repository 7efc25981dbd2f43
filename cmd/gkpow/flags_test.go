package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// No flag of any command reports an invalid value with the message of the Go function that
// failed to parse it.
func TestFlagErrors(t *testing.T) {
	env := environment{stdin: strings.NewReader(""), lookup: noVariables}
	refused := map[string]int{} // number of flags that reject the value, by type
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.InitDefaultHelpFlag()
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			if kind := flag.Value.Type(); kind == "string" || kind == "stringArray" {
				return // these flags accept any value
			}
			refused[flag.Value.Type()]++
			var stdout, stderr bytes.Buffer
			env.stdout, env.stderr = &stdout, &stderr
			const unreadable = `1,"x`
			args := append(strings.Fields(cmd.CommandPath())[1:], "--"+flag.Name+"="+unreadable)
			require.Equal(t, exitUsage, run(t.Context(), args, env))
			require.Empty(t, stdout.String())
			require.Regexp(t, `^gkpow: error: --`+flag.Name+`.* "1,\\"x" is n[^:]*(: put quotation marks [^:]*)?\n`+
				`gkpow: hint: see "`+cmd.CommandPath()+` --help"\n$`, stderr.String())
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(env))
	for _, kind := range []string{"int", "uint64", "float64", "duration", "bool", "intSlice", "stringSlice"} {
		require.NotZero(t, refused[kind], kind)
	}
}

func TestFlagOutOfRange(t *testing.T) {
	for _, args := range [][]string{
		{"bench", "--salt-length", "3,99999999999999999999"},
		{"bench", "--seed", "99999999999999999999"},
		{"solve", "--threads", "-99999999999999999999"},
		{"verify", "--max-score", "1e999"},
	} {
		code, _, stderr := gkpow(t.Context(), "", "", args...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, "gkpow: error: "+args[1]+` "`+args[2]+`" is out of range`+"\n")
	}
}
