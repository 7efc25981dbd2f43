package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktinc"
)

// pageFlags are the flags of gkpow gktinc config.
type pageFlags struct {
	gktincFlags
	url, ip, once, sign string
	level               int
	askLevel            bool
}

func newGKTincConfig(env environment) *cobra.Command {
	var f pageFlags
	cmd := &cobra.Command{
		Use:   "config --url URL --ip IP",
		Short: "Print gktinc_config for a page",
		Long: `Print gktinc_config, which tells the vendor's script about a page, as a JSON object
that is safe inside a script element:

  <script>var gktinc_config = {"client_ip":"203.0.113.10",...};</script>

Keep the value of once: "gkpow gktinc validate" needs it, and your site must reject a
form that sends it a second time. gkpow contacts the service only with --ask-level.

` + gktincHelp,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error { return runGKTincConfig(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.timeFlags.registerForService(flags)
	f.registerClient(flags)
	flags.StringVar(&f.url, "url", "", "host and path of the page, such as example.com/login")
	flags.StringVar(&f.ip, "ip", "", "the visitor's address")
	flags.IntVar(&f.level, "level", 0, "challenge level, 1 to 1000 (default: --default-level)")
	flags.StringVar(&f.sign, "sign", "", "the sign that get_challenge_level returned for that level")
	flags.BoolVar(&f.askLevel, "ask-level", false, "ask the service for level and sign; if it is unavailable, use the default level")
	flags.StringVar(&f.once, "once", "", "identifier of the session or page (default: 32 random hex digits)")
	for _, name := range []string{"url", "ip"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	cmd.MarkFlagsMutuallyExclusive("level", "ask-level")
	cmd.MarkFlagsMutuallyExclusive("sign", "ask-level")
	return cmd
}

func runGKTincConfig(ctx context.Context, env environment, f pageFlags) error {
	ip, err := parseIP(f.ip)
	switch {
	case err != nil:
		return err
	case f.level < 0 || f.level > 1000:
		return usagef("--level must be 1 to 1000, not %d", f.level)
	case strings.ContainsFunc(f.once, func(r rune) bool { return !unicode.IsPrint(r) }):
		return usagef("--once %q contains characters that are not printable", f.once)
	}
	ctx, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	c, err := f.open(ctx, env)
	if err != nil {
		return err
	}
	level := gktinc.Level{ChallengeLevel: f.level, Sign: f.sign}
	if f.askLevel {
		level, err = c.ChallengeLevel(ctx, ip)
		switch {
		case errors.Is(err, client.ErrUnavailable), errors.Is(err, client.ErrRateLimited):
			warn(env, err)
		case err != nil:
			return err
		case level.Action.Denies():
			warn(env, fmt.Errorf("the action for the address is %s", level.Action))
		}
	}
	config, err := c.PageConfig(f.url, ip, level)
	if err != nil {
		return &usageError{err}
	}
	if f.once != "" {
		config.Once = f.once
	}
	encoded, err := json.Marshal(config) // escapes what could end a script element
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "%s\n", encoded)
	return err
}
