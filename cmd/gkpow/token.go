package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/solver"
)

// tokenFlags are the flags of gkpow token.
type tokenFlags struct {
	searchFlags
	emulator      bool
	difficulty    int
	maxDifficulty int
	json          bool

	given func(flag string) bool // whether a flag is on the command line
}

// tokenJSON is how --json shows a token.
type tokenJSON struct {
	Token      string `json:"token"`
	ExpiresAt  int64  `json:"expiresAt"`  // Unix seconds, by the service's clock
	Challenges int    `json:"challenges"` // how many it took
	solutionJSON
}

func newToken(env environment) *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Get a token: ask for a challenge, solve it, hand it in",
		Long: `Get a token: ask for a challenge, solve it, hand the solution in, and print the
token alone. It is good for about five minutes.

The keys come from the environment, never from flags:

  GKCAPTCHA_SITE_KEY         the site key
  GKCAPTCHA_SECRET_KEY       the secret key, or
  GKCAPTCHA_SECRET_KEY_FILE  the name of a file that holds it
  GKCAPTCHA_API_URL          where the API is (default ` + client.DefaultURL + `)

With --emulator the whole handshake runs against an emulator of the service in
the same process; no account is needed.`,
		Args: cobra.NoArgs,
		RunE: action(func(ctx context.Context) error { return token(ctx, env, f) }),
	}
	flags := cmd.Flags()
	f.given = flags.Changed
	flags.BoolVar(&f.emulator, "emulator", false, "use an emulator of the service in this process")
	flags.IntVar(&f.difficulty, "difficulty", documentedDifficulty, "zero hex digits that --emulator asks for, 0 to 64")
	flags.IntVar(&f.maxDifficulty, "max-difficulty", 0, "refuse challenges that ask for more zero hex digits (default: 8)")
	flags.BoolVar(&f.json, "json", false, "print a JSON object with expiry and figures")
	f.register(flags)
	return cmd
}

func token(ctx context.Context, env environment, f tokenFlags) error {
	if f.given("difficulty") && !f.emulator {
		return usagef("--difficulty goes with --emulator: the service sets its own")
	}
	if f.given("max-difficulty") && (f.maxDifficulty < 1 || f.maxDifficulty > 64) {
		return usagef("--max-difficulty %d is not 1 to 64", f.maxDifficulty)
	}
	s, searched, err := f.solver(solver.Options{}, env.stderr)
	if err != nil {
		return err
	}
	ctx, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()

	config := client.Config{Solver: s, MaxDifficulty: f.maxDifficulty}
	if f.emulator {
		e, err := startEmulator("127.0.0.1:0", gktest.Options{}, f.difficulty, nil)
		if err != nil {
			return err
		}
		defer e.stop()
		config.URL, config.SiteKey, config.SecretKey = e.url, gktest.SiteKey, client.NewSecret(gktest.SecretKey)
	} else if err := readKeys(&config, env); err != nil {
		return err
	}
	c, err := client.New(config)
	if err != nil {
		return &usageError{err} // about the URL: the keys are there
	}

	t, err := c.Token(ctx)
	searched()
	if err != nil {
		return err
	}
	warnFault(env.stderr, t.Solution)
	if f.json {
		return printJSON(env.stdout, tokenJSON{
			Token:        t.Value.Reveal(),
			ExpiresAt:    t.ExpiresAt.Unix(),
			Challenges:   t.Rounds,
			solutionJSON: newSolutionJSON(t.Solution),
		})
	}
	_, err = fmt.Fprintln(env.stdout, t.Value.Reveal())
	return err
}

// errKeys is the error of keys that are missing or cannot be read.
var errKeys = errors.New("keys")

// readKeys sets the URL and the keys from the environment.
func readKeys(c *client.Config, env environment) error {
	get := func(name string) string {
		value, _ := env.lookup(name)
		return value
	}
	c.URL = get("GKCAPTCHA_API_URL")
	c.SiteKey = get("GKCAPTCHA_SITE_KEY")
	secret, file := get("GKCAPTCHA_SECRET_KEY"), get("GKCAPTCHA_SECRET_KEY_FILE")
	if secret != "" && file != "" {
		return fmt.Errorf("%w: GKCAPTCHA_SECRET_KEY and GKCAPTCHA_SECRET_KEY_FILE are both set; which one counts?", errKeys)
	}
	if file != "" {
		data, err := readLimited(file, nil)
		if err != nil {
			return fmt.Errorf("%w: GKCAPTCHA_SECRET_KEY_FILE: %w", errKeys, err)
		}
		secret = string(bytes.TrimSpace(data))
	}
	switch {
	case c.SiteKey == "":
		return fmt.Errorf("%w: GKCAPTCHA_SITE_KEY is not set", errKeys)
	case secret == "" && file != "":
		return fmt.Errorf("%w: %s, which GKCAPTCHA_SECRET_KEY_FILE names, is empty", errKeys, file)
	case secret == "":
		return fmt.Errorf("%w: GKCAPTCHA_SECRET_KEY is not set, nor GKCAPTCHA_SECRET_KEY_FILE", errKeys)
	}
	c.SecretKey = client.NewSecret(secret)
	return nil
}
