package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
)

// verifyFlags are the flags of gkpow verify.
type verifyFlags struct {
	timeFlags
	options client.VerifyOptions
	profile string
	json    bool
}

// wireProfiles are the values of --profile.
var wireProfiles = map[string]client.WireProfile{
	"both": client.WireBoth, "sdk": client.WireSDK, "docs": client.WireDocs,
}

// verdictJSON is how --json shows a verdict.
type verdictJSON struct {
	OK        bool     `json:"ok"`
	Ambiguous bool     `json:"ambiguous,omitempty"` // used already, perhaps by an attempt whose response was lost
	Score     *float64 `json:"score,omitempty"`     // 0 is harmless, 1 is a bot
	Hostname  string   `json:"hostname,omitempty"`
	Action    string   `json:"action,omitempty"`
	Timestamp string   `json:"timestamp,omitempty"` // RFC 3339
	Reasons   []string `json:"reasons,omitempty"`
}

func newVerify(env environment) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [TOKEN | -]",
		Short: "Ask the service whether a token is valid",
		Long: `Ask the service whether a token is valid (POST /api/v1/token/verify), as a back end
does. Pass the token as the argument or in GKCAPTCHA_TOKEN, or pass "-" to read it
from the first line of standard input. The exit code is the verdict: 0 if the token
is valid, 7 if not.

` + accountHelp,
		Args: between(0, 1),
		RunE: actionOn(func(ctx context.Context, args []string) error { return runVerify(ctx, env, f, args) }),
	}
	flags := cmd.Flags()
	f.timeFlags.registerForService(flags)
	flags.StringVar(&f.options.ClientIP, "client-ip", "", "the visitor's address, to pass on to the service")
	flags.StringVar(&f.options.UserAgent, "user-agent", "", "the visitor's User-Agent header, to pass on to the service")
	flags.StringVar(&f.options.Expected.Hostname, "hostname", "", "host that the token must be for")
	flags.StringVar(&f.options.Expected.Action, "action", "", "action that the token must be for")
	flags.DurationVar(&f.options.Expected.MaxAge, "max-age", 0, "maximum age of the token (default: any age)")
	flags.Float64Var(&f.options.Expected.MaxScore, "max-score", 0, "maximum score, from 0 (harmless) to 1 (a bot) (default: any score)")
	flags.StringVar(&f.profile, "profile", "both", "form of the request: that of the vendor's sdk, of its docs, or both")
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	return cmd
}

func runVerify(ctx context.Context, env environment, f verifyFlags, args []string) error {
	profile, ok := wireProfiles[f.profile]
	switch {
	case !ok:
		return usagef("--profile %q is not both, sdk or docs%s", f.profile, meant(f.profile, slices.Sorted(maps.Keys(wireProfiles))))
	case f.options.Expected.MaxAge < 0:
		return usagef("--max-age %v is negative", f.options.Expected.MaxAge)
	case f.options.Expected.MaxScore < 0 || f.options.Expected.MaxScore > 1:
		return usagef("--max-score must be 0 to 1, not %v", f.options.Expected.MaxScore)
	}
	f.options.Profile = profile
	ctx, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	token, err := tokenArgument(ctx, env, args)
	if err != nil {
		return err
	}
	var config client.Config
	if err := readKeys(ctx, &config, env); errors.Is(err, errKeys) {
		return &verifyKeysError{err}
	} else if err != nil {
		return err
	}
	c, err := client.New(config)
	if err != nil {
		return &usageError{err}
	}
	verdict, err := c.VerifyToken(ctx, token, f.options)
	if err != nil {
		return err
	}
	if f.json {
		if err := printJSON(env.stdout, newVerdictJSON(verdict)); err != nil {
			return err
		}
	} else if verdict.OK() {
		if _, err := fmt.Fprintln(env.stdout, "ok"); err != nil {
			return err
		}
	}
	if !verdict.OK() {
		return fmt.Errorf("%w: %w", errRejected, verdict.Err())
	}
	return nil
}

// tokenArgument finds the token to verify.
func tokenArgument(ctx context.Context, env environment, args []string) (string, error) {
	token, _ := env.lookup("GKCAPTCHA_TOKEN")
	if len(args) > 0 {
		token = args[0]
	}
	if token == "-" {
		data, err := readLimited(ctx, "-", env.stdin)
		if err != nil {
			return "", &usageError{err}
		}
		token, _, _ = strings.Cut(string(data), "\n")
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", usagef(`no token: pass it as the argument, in GKCAPTCHA_TOKEN, or with "-" on standard input`)
	}
	return token, nil
}

func newVerdictJSON(v client.Verdict) verdictJSON {
	out := verdictJSON{
		OK:        v.OK(),
		Ambiguous: v.Ambiguous,
		Score:     v.Score,
		Hostname:  v.Hostname,
		Action:    v.Action,
		Reasons:   v.ReasonCodes,
	}
	if !v.Timestamp.IsZero() {
		out.Timestamp = v.Timestamp.UTC().Format(time.RFC3339)
	}
	return out
}
