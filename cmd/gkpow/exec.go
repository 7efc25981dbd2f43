package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
)

// execFlags are the flags of gkpow exec.
type execFlags struct {
	searchFlags
	accountFlags
	keepKeys bool
	renew    bool
	format   string // of the token file
}

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
		RunE: actionOn(func(ctx context.Context, args []string) error { return execCommand(ctx, env, f, args) }),
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

func execCommand(ctx context.Context, env environment, f execFlags, args []string) error {
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

// variables returns the environment of the command: that of gkpow without the secret key
// and another agent's variables, plus the token and the variables in more.
func (f *execFlags) variables(env environment, t client.Token, more ...string) []string {
	hidden := []string{"GKCAPTCHA_TOKEN", "GKCAPTCHA_TOKEN_EXPIRES_AT", "GKCAPTCHA_TOKEN_FILE"}
	if f.renew {
		hidden = append(hidden, "GKPOW_AGENT_SOCKET", "GKPOW_AGENT_URL", "GKPOW_AGENT_BEARER_FILE")
	}
	if !f.keepKeys {
		hidden = append(hidden, "GKCAPTCHA_SECRET_KEY", "GKCAPTCHA_SECRET_KEY_FILE", cacheVariable) // its value may contain a password
	}
	variables := slices.DeleteFunc(env.environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.ContainsFunc(hidden, func(h string) bool { return strings.EqualFold(h, name) }) // Windows ignores case
	})
	return append(append(variables,
		"GKCAPTCHA_TOKEN="+t.Value.Reveal(),
		fmt.Sprintf("GKCAPTCHA_TOKEN_EXPIRES_AT=%d", t.ExpiresAt.Unix())), more...)
}

// newStartError explains why exec.LookPath did not find the command. Unlike that function
// it distinguishes a file that cannot be executed from a missing one.
func newStartError(command string, err error) *startError {
	if !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, fs.ErrNotExist) {
		return &startError{err, exitNotExecutable}
	}
	if filepath.Base(command) == command {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			path := filepath.Join(dir, command)
			if info, statErr := os.Stat(path); statErr == nil && info.Mode().IsRegular() {
				return &startError{&fs.PathError{Op: "exec", Path: path, Err: fs.ErrPermission}, exitNotExecutable}
			}
		}
	}
	return &startError{err, exitNotFound}
}
