package main

import (
	"context"
	"math"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

func newExec(env environment) *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARGUMENTS]",
		Short: "Run a command with a token in its environment",
		Long: `Get a token as gkpow token does and run a command with it in its environment:

  GKCAPTCHA_TOKEN             the token
  GKCAPTCHA_TOKEN_EXPIRES_AT  when it expires, in Unix seconds

The command replaces the gkpow process, so signals reach it and its exit code is the
result. A token is valid for about five minutes. gkpow does not pass the secret key on.

With --renew, for programs that run longer, gkpow keeps running beside the command and
gives it two more variables:

  GKCAPTCHA_TOKEN_FILE        a file that always holds a live token, see --format
  GKPOW_AGENT_SOCKET          the unix socket of an agent that serves only this command,
                              for "gkpow agent status" and programs as in docs/agent.md

gkpow removes both when the command ends. It passes signals on to the command, and exits
with its exit code. While renewals fail, gkpow warns and keeps trying; if the token
expires, gkpow removes the file until it has a new token.

` + cacheHelp + `

` + accountHelp,
		Args: between(1, math.MaxInt),
		RunE: actionOn(func(ctx context.Context, args []string) error { return runExec(ctx, env, f, args) }),
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	f.accountFlags.register(flags)
	f.registerCache(flags)
	f.searchFlags.registerForService(flags)
	flags.BoolVar(&f.renew, "renew", false, "renew the token while the command runs, and give the command a token file and the socket of an agent")
	flags.StringVar(&f.format, "format", "token", "format of the --renew token file: "+strings.Join(tokenFormats, ", "))
	flags.BoolVar(&f.keepKeys, "keep-keys", false, "pass the secret key on to the command, too")
	return cmd
}

func runExec(ctx context.Context, env environment, f execFlags, args []string) error {
	if f.given("format") && !f.renew {
		return usagef("--format needs --renew: it sets the format of the token file")
	}
	if err := checkTokenFormat(f.format); err != nil {
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return newStartError(args[0], err)
	}
	if f.renew {
		return execRenewing(ctx, env, f, path, args)
	}
	t, err := getToken(ctx, env, f.searchFlags, f.accountFlags, false)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // a signal that the command would miss
		return err
	}
	return become(path, args, f.variables(env, t))
}
