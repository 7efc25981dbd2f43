package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/solver"
)

// tokenFlags are the flags of gkpow token.
type tokenFlags struct {
	searchFlags
	accountFlags
	format  string
	json    bool
	refresh bool
	mask    bool
}

func newToken(env environment) *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Get a token: request a challenge, solve it, submit the solution",
		Long: `Get a token: request a challenge, solve it, submit the solution, and print only the
token. A token is valid for about five minutes.

gkpow keeps the token in the user's cache directory, and prints it again while at
least a fifth of its life is left. Commands that start at the same time share one
attempt to get a token. If it fails they all fail, and so do commands that start in the
next few seconds. With --no-cache, gkpow always gets a new token.

` + cacheHelp + `

` + accountHelp + `

For programs that run longer, --min-left requires a kept token to have more of its life
left. --refresh always replaces the kept token with a new one.

--format selects what gkpow prints: the token, a JSON object, a line for a shell to
evaluate (GKCAPTCHA_TOKEN), or an HTTP header (X-Captcha-Token).

With --emulator, the whole handshake runs against an emulator of the service in the
same process, without an account.`,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error { return runToken(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.accountFlags.register(flags)
	f.registerCache(flags)
	f.searchFlags.registerForService(flags)
	flags.StringVar(&f.format, "format", "token", "what to print: "+strings.Join(tokenFormats, ", "))
	flags.BoolVar(&f.json, "json", false, "the same as --format json")
	flags.DurationVar(&f.minLeft, "min-left", 0, "use a kept token only if it stays valid at least this long, such as 2m (default: a fifth of its life)")
	flags.BoolVar(&f.refresh, "refresh", false, "get a new token, and replace the kept one with it")
	flags.BoolVar(&f.mask, "add-mask", false, "in GitHub Actions, mask the token in logs (::add-mask:: on standard error)")
	cmd.MarkFlagsMutuallyExclusive("format", "json")
	cmd.MarkFlagsMutuallyExclusive("refresh", "no-cache")
	cmd.MarkFlagsMutuallyExclusive("min-left", "no-cache")
	return cmd
}

func runToken(ctx context.Context, env environment, f tokenFlags) error {
	if f.json {
		f.format = "json"
	}
	if err := checkTokenFormat(f.format); err != nil {
		return err
	}
	if f.minLeft < 0 {
		return usagef("--min-left %v is negative", f.minLeft)
	}
	// Elsewhere nothing would remove the line, and the token would end up in the log.
	if actions, _ := env.lookup("GITHUB_ACTIONS"); f.mask && actions != "true" {
		return usagef("--add-mask works only in GitHub Actions, where GITHUB_ACTIONS is true")
	}
	t, err := getToken(ctx, env, f.searchFlags, f.accountFlags, f.refresh)
	if err != nil {
		return err
	}
	if left := time.Until(t.Expires()); left < f.minLeft {
		warn(env, fmt.Errorf("the new token is valid for only %v, less than --min-left %v: the service issues no tokens that last longer",
			left.Round(time.Second), f.minLeft))
	}
	if f.mask {
		if _, err := fmt.Fprintf(env.stderr, "::add-mask::%s\n", t.Value.Reveal()); err != nil {
			return err
		}
	}
	return printToken(env.stdout, f.format, t)
}

// getToken gets a token according to the flags, or a new one if fresh is set.
func getToken(ctx context.Context, env environment, search searchFlags, account accountFlags, fresh bool) (client.Token, error) {
	s, searched, err := search.solver(solver.Options{}, env.stderr)
	if err != nil {
		return client.Token{}, err
	}
	ctx, cancel, err := search.withTimeout(ctx)
	if err != nil {
		return client.Token{}, err
	}
	defer cancel()
	c, stop, err := account.open(ctx, env, s)
	if err != nil {
		return client.Token{}, err
	}
	defer stop()
	tokens, done, err := account.tokens(env, c, nil)
	if err != nil {
		return client.Token{}, err
	}
	defer done()
	t, err := tokens.Token(ctx)
	if keeper, ok := tokens.(client.Invalidator); ok && err == nil && t.Rounds == 0 && (fresh || time.Until(t.Expires()) < account.minLeft) {
		keeper.Invalidate(t)
		t, err = tokens.Token(ctx)
	}
	searched()
	warnFaults(env)
	return t, err
}
