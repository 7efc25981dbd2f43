package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

func newAgent(env environment) *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Serve tokens and verdicts to local programs in any language",
		Long: `Serve tokens to programs on this machine until interrupted. While programs ask for
the token, the agent renews it ahead of time; an idle agent uses no quota.

  GET /token     {"token":"...","expiresAt":1700000360,"expiresIn":240.5}
  DELETE /token  with {"token":"..."}: a service rejected it, so stop serving it
  GET /healthz   {"status":"ok"} while the agent runs
  GET /readyz    200 if the agent can get a token, else 503
  GET /metrics   metrics for Prometheus
  GET /status    what "gkpow agent status" prints, as JSON; GET / shows it as a page

--write also keeps a live token in a file, for programs that read files, and renews
the token even if no program reads it. The agent replaces the file atomically, and
removes it when the agent stops or has no live token.

With the GKTinc keys, the agent also checks the visitors of web sites and their forms,
for nginx's auth_request, Traefik's ForwardAuth and programs in any language:

  GET /gktinc/level-check         204 or 403, by the visitor's address alone
  GET /gktinc/page?url=URL        the elements that a page with a form must contain
  POST /gktinc/validate?url=URL   200 or 403, for the form in the body
  POST /gktinc/validate           the same, for a form described in JSON

A TCP request needs the header "Authorization: Bearer ..." with the content of the
bearer file: 26 random characters, new at every start, readable only by its owner. A
unix socket (mode 0600) needs no bearer. Under systemd the agent uses the socket that
systemd passes, and reports when it is ready. The agent prints the variables that
programs need as shell exports, and logs events to standard error as JSON objects.
docs/agent.md has example programs.

SIGHUP makes the agent reread the key files. It also rereads them, once, when a
service rejects a key.

` + accountHelp + `

The GKTinc keys also come from the environment. They are enough on their own:

` + gktincVariables,
		Args: noSuchCommand,
		RunE: action(func(ctx context.Context) error { return runAgent(ctx, env, f) }),
	}
	f.register(cmd.Flags())
	cmd.MarkFlagsMutuallyExclusive("listen", "socket")
	cmd.AddCommand(newAgentStatus(env))
	return cmd
}

func runAgent(ctx context.Context, env environment, f agentFlags) error {
	if f.given("bearer-file") && f.bearerFile == "" {
		return usagef("--bearer-file is empty: name a file, or omit the flag to use one in the user's cache directory")
	}
	if f.given("socket") {
		if err := checkSocket(f.socket); err != nil {
			return err
		}
	}
	if f.given("format") && !f.given("write") {
		return usagef("--format needs --write: it sets the format of that file")
	}
	if err := checkTokenFormat(f.format); err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	log := newLog(env)
	registry := &metrics.Registry{}
	registry.CollectProcess()

	keys := &agentKeys{log: log}
	state := newAgentState(env, registry)
	source, stop, err := f.openTokens(ctx, env, keys, state, registry, log)
	if err != nil {
		return err
	}
	defer stop()
	routes, err := f.openGKTinc(ctx, env, log)
	if err != nil {
		return err
	}
	if routes != nil {
		defer routes.close()
	}
	if routes != nil && f.emulatorURL == "" {
		keys.add("GKTINC_API_KEY", env, routes.reload)
	}

	var file *tokenFile
	if f.given("write") {
		if source == nil {
			return fmt.Errorf("%w: --write needs GKCAPTCHA_SITE_KEY and the secret key", errKeys)
		}
		if file, err = newTokenFile("write", f.write, f.format, log); err != nil {
			return err
		}
		file.onFailure = state.failed
	}

	in, err := f.listenOn(ctx, env, log)
	if err != nil {
		return err
	}
	defer in.remove()
	if file != nil {
		defer file.start(ctx, source, state)()
	}
	handler := newAgentServer(source, in.bearer, registry, log)
	state.addTo(handler)
	handler.onFailure = state.failed
	handler.onRejected = state.change
	if routes != nil {
		routes.addTo(handler, registry)
	}
	server := handler.server()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(in) }()
	log.Info("listening", "address", in.Addr().String())
	if _, err := io.WriteString(env.stdout, in.exports); err != nil {
		return errors.Join(err, server.Close())
	}
	tellSystemd(log, daemon.SdNotifyReady)

	for serving := true; serving; {
		select {
		case err := <-failed:
			return err
		case <-hangup:
			tellSystemd(log, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
			keys.reload()
			tellSystemd(log, daemon.SdNotifyReady)
		case <-ctx.Done():
			serving = false
		}
	}
	tellSystemd(log, daemon.SdNotifyStopping)
	log.Info("stopping")
	grace, cancel := context.WithTimeout(context.Background(), gracePeriod)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		log.Warn("requests were cut off", "after", gracePeriod.String())
		_ = server.Close()
	}
	return nil
}

func tellSystemd(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("could not notify systemd", "state", state, "error", err.Error())
	}
}
