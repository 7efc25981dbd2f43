package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/solver"
)

// accountHelp is the section on keys in the help of every command that needs them.
const accountHelp = `The keys come from the environment, never from flags:

  GKCAPTCHA_SITE_KEY         the site key
  GKCAPTCHA_SECRET_KEY       the secret key, or
  GKCAPTCHA_SECRET_KEY_FILE  a file that contains it
  GKCAPTCHA_API_URL          the URL of the API (default ` + client.DefaultURL + `)`

// gktincHelp is the section on keys in the help of commands that ask GKTinc.
const gktincHelp = "The keys come from the environment, never from flags:\n\n" + gktincVariables

const gktincVariables = `  GKTINC_API_KEY       the API key, or
  GKTINC_API_KEY_FILE  a file that contains it
  GKTINC_HASHID        the hash ID of the protection group
  GKTINC_PAGE_KEY      the key that signs pages with forms, or a file that contains
                       it in GKTINC_PAGE_KEY_FILE (default: derived from the API key)
  GKTINC_API_URL       the URL of the API (default ` + gktinc.DefaultURL + `)`

// accountFlags are the flags of commands that talk to the service.
type accountFlags struct {
	emulator      bool
	difficulty    int
	maxDifficulty int
	noCache       bool
	minLeft       time.Duration // remaining lifetime that a cached token needs; 0 means a fifth of its lifetime
	cacheURL      string

	given       func(flag string) bool // whether a flag is on the command line
	emulatorURL string                 // set by open; "" if there is no emulator
}

func (f *accountFlags) register(flags *pflag.FlagSet) {
	f.given = flags.Changed
	flags.BoolVar(&f.emulator, "emulator", false, "use an emulator of the service in this process")
	flags.IntVar(&f.difficulty, "difficulty", solver.ServiceDifficulty, "leading zero hex digits of --emulator's challenges, 0 to 64")
	flags.IntVar(&f.maxDifficulty, "max-difficulty", 0, "reject challenges that require more leading zero hex digits (default: 8)")
}

// open returns a client for the account, or for an emulator with --emulator. The
// returned function stops the emulator, if there is one.
func (f *accountFlags) open(ctx context.Context, env environment, s *solver.Solver) (*client.Client, func(), error) {
	config, stop, err := f.config(ctx, env, s)
	if err != nil {
		return nil, nil, err
	}
	c, err := newClient(config)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return c, stop, nil
}

// newClient returns a client. Its errors have the right exit code; see configError.
func newClient(config client.Config) (*client.Client, error) {
	c, err := client.New(config)
	if err != nil {
		return nil, configError(err)
	}
	return c, nil
}

// configError turns an error about an invalid setting into a usageError. It leaves errors about
// malformed keys unchanged, so that they have the same exit code as rejected keys.
func configError(err error) error {
	for _, field := range []string{"SiteKey", "SecretKey", "APIKey", "HashID"} {
		if strings.Contains(err.Error(), "config: "+field) {
			return err
		}
	}
	return &usageError{err}
}

// config returns the client's configuration for the account, or for an emulator with
// --emulator. The returned function stops the emulator, if there is one.
func (f *accountFlags) config(ctx context.Context, env environment, s *solver.Solver) (client.Config, func(), error) {
	config := client.Config{Solver: s, MaxDifficulty: f.maxDifficulty}
	if f.given("difficulty") && !f.emulator {
		return config, nil, usagef("--difficulty needs --emulator: the service sets its own difficulty")
	}
	if f.given("max-difficulty") && (f.maxDifficulty < 1 || f.maxDifficulty > 64) {
		return config, nil, usagef("--max-difficulty must be 1 to 64, not %d", f.maxDifficulty)
	}
	stop := func() {}
	if f.emulator {
		e, err := startEmulator("127.0.0.1:0", gktest.Options{}, f.difficulty, nil)
		if err != nil {
			return config, nil, err
		}
		stop = e.stop
		f.emulatorURL = e.url
		config.URL, config.SiteKey, config.SecretKey = e.url, gktest.SiteKey, client.NewSecret(gktest.SecretKey)
	} else if err := readKeys(ctx, &config, env); err != nil {
		return config, nil, err
	}
	return config, stop, nil
}

// readKeys sets the URL and the keys from the environment.
func readKeys(ctx context.Context, c *client.Config, env environment) error {
	get := func(name string) string {
		value, _ := env.lookup(name)
		return value
	}
	c.URL = get("GKCAPTCHA_API_URL")
	c.SiteKey = get("GKCAPTCHA_SITE_KEY")
	if c.SiteKey == "" {
		return fmt.Errorf("%w: GKCAPTCHA_SITE_KEY is not set", errKeys)
	}
	secret, err := readSecret(ctx, env, "GKCAPTCHA_SECRET_KEY")
	if err != nil {
		return fmt.Errorf("%w: %w", errKeys, err)
	}
	c.SecretKey = secret
	return checkKeyForm(env, c.SiteKey, secret)
}

// checkKeyForm returns an error if the keys are swapped: the service would reject
// them without a reason, and gkpow would send the secret key as the public one.
func checkKeyForm(env environment, site string, secret client.Secret) error {
	from := "GKCAPTCHA_SECRET_KEY"
	if file, _ := env.lookup("GKCAPTCHA_SECRET_KEY_FILE"); file != "" {
		from = "the file in GKCAPTCHA_SECRET_KEY_FILE"
	}
	siteIsSecret, secretIsSite := strings.HasPrefix(site, "sk_"), strings.HasPrefix(secret.Reveal(), "pk_")
	switch {
	case siteIsSecret && secretIsSite:
		return fmt.Errorf("%w: GKCAPTCHA_SITE_KEY and %s are swapped: the site key begins with pk_, the secret key with sk_", errKeyForm, from)
	case siteIsSecret:
		return fmt.Errorf("%w: GKCAPTCHA_SITE_KEY holds a secret key (sk_): set it to the site key, which begins with pk_", errKeyForm)
	case secretIsSite:
		return fmt.Errorf("%w: %s holds a site key (pk_): put the secret key there, which begins with sk_", errKeyForm, from)
	}
	return nil
}

// readGKTinc sets the URL and the keys of GKTinc from the environment.
func readGKTinc(ctx context.Context, c *gktinc.Config, env environment) error {
	c.URL, _ = env.lookup("GKTINC_API_URL")
	c.HashID, _ = env.lookup("GKTINC_HASHID")
	if c.HashID == "" {
		return fmt.Errorf("%w: GKTINC_HASHID is not set", errGKTincKeys)
	}
	key, err := readSecret(ctx, env, "GKTINC_API_KEY")
	if err != nil {
		return fmt.Errorf("%w: %w", errGKTincKeys, err)
	}
	c.APIKey = key
	if hasAny(env, "GKTINC_PAGE_KEY", "GKTINC_PAGE_KEY_FILE") {
		if c.PageKey, err = readSecret(ctx, env, "GKTINC_PAGE_KEY"); err != nil {
			return fmt.Errorf("%w: %w", errGKTincKeys, err)
		}
	}
	return nil
}

// readSecret reads a secret from the variable, or from the file named by the variable
// with the suffix _FILE.
func readSecret(ctx context.Context, env environment, variable string) (client.Secret, error) {
	secret, _ := env.lookup(variable)
	file, _ := env.lookup(variable + "_FILE")
	if secret != "" && file != "" {
		return client.Secret{}, fmt.Errorf("%s and %[1]s_FILE are both set: set only one of them", variable)
	}
	if file != "" {
		data, err := readLimited(ctx, file, nil)
		if err != nil {
			return client.Secret{}, fmt.Errorf("%s_FILE: %w", variable, err)
		}
		secret = string(bytes.TrimSpace(data))
	}
	switch {
	case secret == "" && file != "":
		return client.Secret{}, fmt.Errorf("%s_FILE: the file %s is empty", variable, file)
	case secret == "":
		return client.Secret{}, fmt.Errorf("neither %s nor %[1]s_FILE is set", variable)
	}
	return client.NewSecret(secret), nil
}

// hasGKTincKeys reports whether at least some of the keys are set.
func hasGKTincKeys(env environment) bool {
	return hasAny(env, "GKTINC_HASHID", "GKTINC_API_KEY", "GKTINC_API_KEY_FILE")
}
