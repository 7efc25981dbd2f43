package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/diskcache"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/solver"
)

// accountHelp is what the help of all commands that need keys says of them.
const accountHelp = `The keys come from the environment, never from flags:

  GKCAPTCHA_SITE_KEY         the site key
  GKCAPTCHA_SECRET_KEY       the secret key, or
  GKCAPTCHA_SECRET_KEY_FILE  the name of a file that holds it
  GKCAPTCHA_API_URL          where the API is (default ` + client.DefaultURL + `)`

// accountFlags are the flags of commands that talk to the service.
type accountFlags struct {
	emulator      bool
	difficulty    int
	maxDifficulty int
	noCache       bool

	given func(flag string) bool // whether a flag is on the command line
}

func (f *accountFlags) register(flags *pflag.FlagSet) {
	f.given = flags.Changed
	flags.BoolVar(&f.emulator, "emulator", false, "use an emulator of the service in this process")
	flags.IntVar(&f.difficulty, "difficulty", documentedDifficulty, "zero hex digits that --emulator asks for, 0 to 64")
	flags.IntVar(&f.maxDifficulty, "max-difficulty", 0, "refuse challenges that ask for more zero hex digits (default: 8)")
}

// registerCache registers the flag of commands that use the cache on disk.
func (f *accountFlags) registerCache(flags *pflag.FlagSet) {
	flags.BoolVar(&f.noCache, "no-cache", false, "do not use the token kept in the user's cache directory, nor keep one")
}

// open returns a client for the account, or for an emulator, which the function
// stops.
func (f *accountFlags) open(env environment, s *solver.Solver) (*client.Client, func(), error) {
	if f.given("difficulty") && !f.emulator {
		return nil, nil, usagef("--difficulty goes with --emulator: the service sets its own")
	}
	if f.given("max-difficulty") && (f.maxDifficulty < 1 || f.maxDifficulty > 64) {
		return nil, nil, usagef("--max-difficulty %d is not 1 to 64", f.maxDifficulty)
	}
	config := client.Config{Solver: s, MaxDifficulty: f.maxDifficulty}
	stop := func() {}
	if f.emulator {
		e, err := startEmulator("127.0.0.1:0", gktest.Options{}, f.difficulty, nil)
		if err != nil {
			return nil, nil, err
		}
		stop = e.stop
		config.URL, config.SiteKey, config.SecretKey = e.url, gktest.SiteKey, client.NewSecret(gktest.SecretKey)
	} else if err := readKeys(&config, env); err != nil {
		return nil, nil, err
	}
	c, err := client.New(config)
	if err != nil {
		stop()
		return nil, nil, &usageError{err} // about the URL or the form of the keys
	}
	return c, stop, nil
}

// tokens returns where to get tokens from: the cache on disk in front of the
// client, unless an emulator makes them, which nobody else knows.
func (f *accountFlags) tokens(env environment, c *client.Client) client.TokenSource {
	if f.emulator || f.noCache {
		return c
	}
	return diskcache.New(c, diskcache.Options{
		Dir:       env.cacheDir,
		OnWarning: func(err error) { fmt.Fprintf(env.stderr, "gkpow: warning: %v\n", err) },
	})
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
