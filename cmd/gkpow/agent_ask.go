package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func newAgentStatus(env environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask a running agent for its status",
		Long: `Ask a running agent for its status: its token, the next renewal, its latest failures,
kernel and rate. Export the variables that the agent printed: GKPOW_AGENT_SOCKET, or
GKPOW_AGENT_URL and GKPOW_AGENT_BEARER_FILE.

The exit code is 0 if the agent is ready, 1 if its last attempt to get a token failed,
and 8 if it does not answer. It is also 1 if an agent that renews its token by itself
has no token yet.`,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error { return runAgentStatus(ctx, env, asJSON) }),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func runAgentStatus(ctx context.Context, env environment, asJSON bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	status, err := fetchStatus(ctx, env)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(env.stdout, status)
	} else {
		w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
		ready := "yes"
		if !status.Ready {
			ready = "no"
		}
		fmt.Fprintf(w, "ready\t%s\n", ready)
		for _, row := range status.rows() {
			fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
		}
		for _, f := range status.Failures {
			fmt.Fprintf(w, "failed\t%s %s: %s\n", f.At.Local().Format(time.TimeOnly), f.Kind, f.Message)
		}
		err = w.Flush()
	}
	switch {
	case err != nil || status.Ready:
	case len(status.Failures) > 0:
		err = errors.New("the agent's last attempt to get a token failed")
	default:
		err = errors.New("the agent has no token yet")
	}
	return err
}

// fetchStatus asks the agent that the environment variables name.
func fetchStatus(ctx context.Context, env environment) (status agentStatus, err error) {
	get := func(name string) string { value, _ := env.lookup(name); return value }
	socket, url, file := get("GKPOW_AGENT_SOCKET"), get("GKPOW_AGENT_URL"), get("GKPOW_AGENT_BEARER_FILE")
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy
	bearer := ""
	switch {
	case socket != "":
		url = "http://agent"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	case url != "" && file != "":
		data, err := readLimited(ctx, file, nil)
		if err != nil {
			return status, usagef("GKPOW_AGENT_BEARER_FILE: %w", err)
		}
		bearer = strings.TrimSpace(string(data))
	default:
		return status, usagef("set GKPOW_AGENT_SOCKET, or GKPOW_AGENT_URL and GKPOW_AGENT_BEARER_FILE, to what the agent printed")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/status", nil)
	if err != nil {
		return status, usagef("GKPOW_AGENT_URL: %w", err)
	}
	if bearer != "" {
		if !isLocalHost(request.URL.Host) {
			return status, usagef("GKPOW_AGENT_URL %s: %s", request.URL.Redacted(), loopbackOnly)
		}
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return status, fmt.Errorf("%w: %w", errNoAgent, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return status, fmt.Errorf("%w: status %d; does GKPOW_AGENT_BEARER_FILE belong to this agent?", errNoAgent, response.StatusCode)
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, response.Body, 1<<20)).Decode(&status); err != nil {
		return status, fmt.Errorf("%w: %w", errNoAgent, err)
	}
	return status, nil
}
