package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/solver"
)

// An environment is what a command may touch of the world outside.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookup         func(name string) (value string, ok bool) // environment variables
	environ        func() []string                           // all of them, as NAME=VALUE
	cacheDir       string                                    // for the token; "" is in the user's cache directory
	backends       func() []solver.Backend                   // nil is solver.Backends
}

// kernels returns what the process knows of the kernels.
func (e environment) kernels() []solver.Backend {
	if e.backends != nil {
		return e.backends()
	}
	return solver.Backends()
}

// run runs the command line and returns the exit code.
func run(ctx context.Context, args []string, env environment) int {
	root := newRoot(env)
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
		return child.code // it has said itself what is wrong
	}
	code, hint := diagnose(err)
	fmt.Fprintf(env.stderr, "gkpow: error: %v\n", err)
	if code == exitUsage && hint == "" {
		hint = fmt.Sprintf("see %q", command.CommandPath()+" --help")
	}
	if hint != "" {
		fmt.Fprintf(env.stderr, "gkpow: hint: %s\n", hint)
	}
	return code
}

func newRoot(env environment) *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "gkpow",
		Short: "Get gkCAPTCHA machine-to-machine tokens",
		Long: `gkpow gets gkCAPTCHA machine-to-machine tokens: it asks for a challenge, solves
its proof of work on all CPUs, and hands the solution in.

Try it without an account:

  gkpow token --emulator

With an account, the keys come from the environment:

  export GKCAPTCHA_SITE_KEY=pk_live_... GKCAPTCHA_SECRET_KEY_FILE=/run/secrets/gkcaptcha
  curl -H "X-Captcha-Token: $(gkpow token)" https://api.example.com/

For back ends of web sites "gkpow verify" judges such tokens, and "gkpow gktinc"
asks GuardianKey GKTinc about visitors and their forms.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return action(func(context.Context) error { return printVersion(env, false) })(cmd, nil)
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&version, "version", false, "print version, commit, date and kernel")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.AddCommand(
		newSolve(env),
		newToken(env),
		newVerify(env),
		newExec(env),
		newAgent(env),
		newDoctor(env),
		newGKTinc(env),
		newEmulator(env),
		newExplain(env),
		newBackends(env),
		newBench(env),
		newVersion(env),
		newExitCodes(),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// action makes the function that runs a command without arguments. Cobra's own
// errors, which come before it is called, are all about usage; those of f are
// not, unless they say so.
func action(f func(ctx context.Context) error) func(*cobra.Command, []string) error {
	return actionOn(func(ctx context.Context, _ []string) error { return f(ctx) })
}

// actionOn does the same for a command with arguments.
func actionOn(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd.Context(), args); err != nil {
			return &actionError{err}
		}
		return nil
	}
}
