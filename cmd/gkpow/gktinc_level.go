package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client/gktinc"
)

func newGKTincLevel(env environment) *cobra.Command {
	var f gktincFlags
	cmd := &cobra.Command{
		Use:   "level IP",
		Short: "Ask for the challenge level of an address",
		Long: `Ask for the challenge level of a visitor's address (GET get_challenge_level), and
print it. The exit code is the verdict on the address: 0 to admit the visitor, 7 if
the action is BLOCK or INVALID.

` + gktincHelp,
		Args: between(1, 1),
		RunE: actionOn(func(ctx context.Context, args []string) error { return runGKTincLevel(ctx, env, f, args[0]) }),
	}
	f.register(cmd.Flags())
	return cmd
}

// levelJSON is how --json shows a level.
type levelJSON struct {
	gktincVerdictJSON
	ChallengeLevel int    `json:"challenge_level"`
	Sign           string `json:"sign"`
}

func runGKTincLevel(ctx context.Context, env environment, f gktincFlags, address string) error {
	ip, err := parseIP(address)
	if err != nil {
		return err
	}
	ctx, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	return f.ask(ctx, env, func(ctx context.Context, c *gktinc.Client) (gktincAnswers, error) {
		level, verdict, err := c.CheckLevel(ctx, ip)
		return gktincAnswers{
			verdict: verdict,
			text:    strconv.Itoa(level.ChallengeLevel),
			json:    levelJSON{newGKTincVerdictJSON(verdict), level.ChallengeLevel, level.Sign},
		}, err
	})
}
