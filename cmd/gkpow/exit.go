package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/solver"
)

// Exit codes. They are documented in newExitCodes and do not change.
const (
	exitOK          = 0
	exitOther       = 1
	exitUsage       = 2
	exitCredentials = 3
	exitRateLimited = 4
	exitQuota       = 5
	exitTime        = 6
	exitRejected    = 7
	exitNetwork     = 8
	exitNone        = 9

	// As in shells.
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the signal's number
)

func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `Every command exits with one of these codes:

  0  ok
  1  any other error, such as a failed write
  2  usage: an invalid flag, value or URL, or a challenge that cannot be read
  3  credentials or plan: keys missing or rejected, or M2M not enabled
  4  rate limited: the message says for how long
  5  monthly quota used up
  6  timeout or expired: --timeout passed, or the challenge expired
  7  rejected: the service rejected the solution, the request, the token (verify)
     or the visitor (gktinc), or gkpow rejected a challenge harder than
     --max-difficulty
  8  network: no usable response from the service: connection refused, two
     timeouts of 10 s, a redirect, or a server that is not the API
  9  no solution: no allowed nonce, or none in the --shard, solves the puzzle

gkpow exec exits with the code of its command, with 126 if the command cannot be
executed, or with 127 if it does not exist. If a signal ends a command, the code is
128 plus the signal's number: 130 for an interrupt (SIGINT), 143 for SIGTERM.`,
	}
}

// errTimeout is the cause of a context that ended because of --timeout or its default.
var errTimeout = errors.New("--timeout has passed")

// errNoAgent means that the agent does not answer.
var errNoAgent = errors.New("no response from the agent")

// Errors for keys that are missing, unreadable or swapped.
var (
	errKeys       = errors.New("keys")
	errGKTincKeys = errors.New("GKTinc keys")
	errKeyForm    = errors.New("keys of the wrong kind")
)

// A verifyKeysError is an errKeys of gkpow verify, which has no flag --emulator.
type verifyKeysError struct{ error }

func (e *verifyKeysError) Unwrap() error { return e.error }

// errRejected is a verdict against a token.
var errRejected = errors.New("the token was rejected")

// errDenied is a verdict against a visitor.
var errDenied = errors.New("denied")

// An actionError is an error of a command whose command line was valid.
type actionError struct{ error }

func (e *actionError) Unwrap() error { return e.error }

// A usageError is an invalid flag or argument that cobra cannot detect.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// A childError is the exit code of a command that gkpow exec ran.
type childError struct{ code int }

func (e *childError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// A signalError is the cause of a context that a signal ended.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string {
	if e.signal == os.Interrupt {
		return "interrupted"
	}
	return fmt.Sprintf("stopped by a signal (%v)", e.signal)
}

// code is the exit code for the signal.
func (e *signalError) code() int {
	if number, ok := e.signal.(syscall.Signal); ok {
		return exitSignal + int(number)
	}
	return exitOther
}

// A startError is why gkpow exec cannot run a command.
type startError struct {
	error
	code int // exitNotFound or exitNotExecutable
}

func (e *startError) Unwrap() error { return e.error }

// setKeys is the advice for missing keys.
const setKeys = "set GKCAPTCHA_SITE_KEY and GKCAPTCHA_SECRET_KEY (or GKCAPTCHA_SECRET_KEY_FILE)"

// diagnose returns the exit code for an error, and a hint if the error itself does not
// say what to do.
func diagnose(err error) (code int, hint string) {
	var action *actionError
	var usage *usageError
	var puzzle *solver.PuzzleError
	var stopped *signalError
	var start *startError
	var verify *verifyKeysError
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case errors.As(err, &stopped):
		return stopped.code(), ""
	case is(context.Canceled):
		return exitSignal + int(syscall.SIGINT), ""
	case is(errTimeout):
		return exitTime, "raise --timeout" + moreThreads(err)
	case errors.As(err, &start):
		return start.code, ""
	case !errors.As(err, &action), errors.As(err, &usage), errors.As(err, &puzzle):
		return exitUsage, ""
	case errors.As(err, &verify):
		return exitCredentials, setKeys + "; to try it, use the keys that gkpow emulator prints"
	case is(errKeys):
		return exitCredentials, setKeys + ", or try --emulator"
	case is(errGKTincKeys):
		return exitCredentials, "set GKTINC_HASHID and GKTINC_API_KEY (or GKTINC_API_KEY_FILE); to try it, use the keys that gkpow emulator prints"
	case is(client.ErrMisconfigured), is(errKeyForm):
		return exitCredentials, ""
	case is(client.ErrRateLimited):
		return exitRateLimited, ""
	case is(client.ErrQuotaExceeded):
		return exitQuota, ""
	case is(client.ErrExpired), is(context.DeadlineExceeded):
		return exitTime, ""
	case is(client.ErrDifficulty):
		return exitRejected, "raise --max-difficulty to accept it; each step takes 16 times as long"
	case is(client.ErrRejected), is(errRejected), is(errDenied):
		return exitRejected, ""
	case is(errNoAgent):
		return exitNetwork, "check that the agent is running, and that the variables match what it printed"
	case is(client.ErrUnavailable) && errorOp(err) == "cache":
		return exitNetwork, "check " + cacheVariable + " or --cache-url, and the server"
	case is(client.ErrUnavailable):
		return exitNetwork, "check that " + urlVariable(err) + " is right and the service is up, then try again"
	case is(solver.ErrExhausted):
		return exitNone, "allow larger nonces with --max-nonce, or search the other shards"
	default:
		return exitOther, ""
	}
}

// moreThreads returns advice for a search that was stopped, or "" for any other error.
func moreThreads(err error) string {
	var search *solver.StoppedError
	var failure *client.Error
	if errors.As(err, &search) || errors.As(err, &failure) && failure.Op == "solve" {
		return ", or allow more --threads"
	}
	return ""
}

// urlVariable returns the variable with the URL of the service that an error is about.
func urlVariable(err error) string {
	if strings.HasPrefix(errorOp(err), "gktinc/") {
		return "GKTINC_API_URL"
	}
	return "GKCAPTCHA_API_URL"
}

// errorOp returns what failed, or "" if err is not from a client.
func errorOp(err error) string {
	var failure *client.Error
	if errors.As(err, &failure) {
		return failure.Op
	}
	return ""
}
