package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// run runs the command line and returns the exit code.
func run(ctx context.Context, args []string, env environment) int {
	root := newRoot(env, args...)
	root.SetArgs(args)
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)

	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var child *childError
	if errors.As(err, &child) {
		return child.code // the command has printed its own error
	}
	code, hint := diagnose(err)
	fmt.Fprintf(env.stderr, "gkpow: error: %s\n", words(groupError(err).Error()))
	if code == exitUsage && hint == "" {
		hint = fmt.Sprintf("see %q", command.CommandPath()+" --help")
	}
	if hint != "" {
		fmt.Fprintf(env.stderr, "gkpow: hint: %s\n", hint)
	}
	return code
}

// Commands are listed in the order of commandGroups.
func init() { cobra.EnableCommandSorting = false }

// A constructor makes the command with a name.
type constructor struct {
	name string
	make func(environment) *cobra.Command
}

// commandGroups are the commands in the order in which people need them.
var commandGroups = [...]struct {
	id, title string
	commands  []constructor
}{
	{"tokens", "Get and use tokens:", []constructor{{"token", newToken}, {"exec", newExec}, {"agent", newAgent}, {"cache", newCache}}},
	{"sites", "Protect a web site:", []constructor{{"verify", newVerify}, {"gktinc", newGKTinc}}},
	{"trouble", "Try it out and troubleshoot:", []constructor{{"emulator", newEmulator}, {"doctor", newDoctor}}},
	{"search", "Search offline:", []constructor{{"solve", newSolve}, {"explain", newExplain}, {"backends", newBackends}, {"bench", newBench}}},
	{"more", "More:", []constructor{{"version", newVersion}}},
}

// isCommand reports whether commandGroups has a command with this name.
func isCommand(name string) bool {
	for _, group := range commandGroups {
		if slices.ContainsFunc(group.commands, func(c constructor) bool { return c.name == name }) {
			return true
		}
	}
	return false
}

// newRoot makes the command gkpow for a command line. If the line begins with the name of
// a command, newRoot makes only that one: making all of them takes most of a millisecond,
// half as long as the rest of "gkpow version". Without arguments it makes all.
func newRoot(env environment, args ...string) *cobra.Command {
	only := ""
	if len(args) > 0 && isCommand(args[0]) {
		only = args[0]
	}
	var version bool
	root := &cobra.Command{
		Use:   "gkpow",
		Short: "Get gkCAPTCHA machine-to-machine tokens",
		Long: `gkpow gets gkCAPTCHA machine-to-machine tokens: it requests a challenge,
solves its proof of work on all CPUs, and submits the solution.

Try it without an account:

  gkpow token --emulator

With an account, the keys come from the environment:

  export GKCAPTCHA_SITE_KEY=pk_live_... GKCAPTCHA_SECRET_KEY_FILE=/run/secrets/gkcaptcha
  curl -H "X-Captcha-Token: $(gkpow token)" https://api.example.com/

For the back end of a web site, "gkpow verify" checks such tokens, and "gkpow gktinc"
asks GuardianKey GKTinc about visitors and their forms.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			// Catching signals would take a tenth of the time of "gkpow version", which does not need them.
			if env.signals != nil && !version && cmd.Name() != "version" {
				cmd.SetContext(env.signals(cmd.Context()))
			}
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return action(func(context.Context) error { return printVersion(env, false) })(cmd, nil)
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&version, "version", false, "print version, commit, date and kernel")
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(wrapFlags(root.UsageFunc()))
	root.SetHelpCommand(newHelp())
	for _, group := range commandGroups {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, c := range group.commands {
			if only == "" || only == c.name {
				cmd := c.make(env)
				cmd.GroupID = group.id
				root.AddCommand(cmd)
			}
		}
	}
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	if only != "" {
		root.CompletionOptions.DisableDefaultCmd = true
		return root
	}
	root.AddCommand(newExitCodes())
	registerCompletions(root)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, sub := range root.Commands() {
		if sub.Name() == "completion" { // cobra's would ignore an unknown shell
			sub.Args = noSuchCommand
			sub.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// wrapFlags returns a function that prints the same as usage, with the flags wrapped at 80
// columns. It does not use a usage template, since executing templates makes the linker
// keep every method of the program.
func wrapFlags(usage func(*cobra.Command) error) func(*cobra.Command) error {
	return func(cmd *cobra.Command) error {
		var text strings.Builder
		out := cmd.OutOrStderr()
		cmd.SetOut(&text)
		err := usage(cmd)
		cmd.SetOut(out)
		if err != nil {
			return err
		}
		wrapped := text.String()
		for _, flags := range []*pflag.FlagSet{cmd.LocalFlags(), cmd.InheritedFlags()} {
			lines := strings.TrimRightFunc(flags.FlagUsages(), unicode.IsSpace)
			wrapped = strings.Replace(wrapped, lines, strings.TrimRightFunc(flags.FlagUsagesWrapped(80), unicode.IsSpace), 1)
		}
		_, err = io.WriteString(out, wrapped)
		return err
	}
}

// newHelp returns the help command. Unlike cobra's it fails for an unknown command.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Describe a command",
		Long:  `Describe a command, such as "gkpow help token", or list all of them.`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			about, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(about), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about := cmd.Root()
			for _, name := range args {
				i := slices.IndexFunc(about.Commands(), func(sub *cobra.Command) bool { return sub.Name() == name })
				if i < 0 {
					return noSuchCommand(about, []string{name})
				}
				about = about.Commands()[i]
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
