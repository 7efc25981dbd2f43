package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/pflag"

	"github.com/gkpow/gkpow/client/gktinc"
)

// gktincFlags are the flags of commands that give a verdict.
type gktincFlags struct {
	timeFlags
	policy         gktinc.Policy
	json           bool
	agentID        string
	defaultLevel   int
	requestTimeout time.Duration
}

func (f *gktincFlags) register(flags *pflag.FlagSet) {
	f.timeFlags.registerForService(flags)
	flags.TextVar(&f.policy, "policy", gktinc.Closed, "what to do without a verdict: closed, open-on-outage or open")
	flags.BoolVar(&f.json, "json", false, "print a JSON object")
	f.registerClient(flags)
}

// registerClient registers the flags that set up the client.
func (f *gktincFlags) registerClient(flags *pflag.FlagSet) {
	flags.StringVar(&f.agentID, "agent-id", "", "name of this site in validations (default: gkpow-go and the version)")
	flags.IntVar(&f.defaultLevel, "default-level", 3, "challenge level if none was requested or given, 1 to 1000")
	flags.DurationVar(&f.requestTimeout, "request-timeout", 5*time.Second, "how long to wait for the service, retries included")
}

// open returns a client with the keys from the environment. It warns when the policy
// admits a visitor without a verdict.
func (f *gktincFlags) open(ctx context.Context, env environment) (*gktinc.Client, error) {
	switch {
	case f.defaultLevel < 1 || f.defaultLevel > 1000:
		return nil, usagef("--default-level must be 1 to 1000, not %d", f.defaultLevel)
	case f.requestTimeout <= 0:
		return nil, usagef("--request-timeout must be above 0, not %v", f.requestTimeout)
	}
	config := gktinc.Config{Policy: f.policy, AgentID: f.agentID, DefaultLevel: f.defaultLevel, Timeout: f.requestTimeout,
		OnDegraded: func(err error) { warn(env, err) }}
	if err := readGKTinc(ctx, &config, env); err != nil {
		return nil, err
	}
	c, err := gktinc.New(config)
	if err != nil {
		return nil, configError(err)
	}
	return c, nil
}

// gktincAnswers holds what a command prints: the text if the verdict allows the visitor,
// or the JSON for any verdict.
type gktincAnswers struct {
	verdict gktinc.Verdict
	text    string
	json    any
}

// ask asks the service and prints the answer. A verdict against the visitor is an error.
func (f *gktincFlags) ask(ctx context.Context, env environment, ask func(context.Context, *gktinc.Client) (gktincAnswers, error)) error {
	c, err := f.open(ctx, env)
	if err != nil {
		return err
	}
	got, err := ask(ctx, c)
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(env.stdout, got.json)
	} else if got.verdict.Allowed {
		_, err = fmt.Fprintln(env.stdout, got.text)
	}
	if err != nil {
		return err
	}
	return denied(got.verdict)
}

// parseIP reads the address of a visitor.
func parseIP(s string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, usagef("%q is not an IP address", s)
	}
	return ip, nil
}
