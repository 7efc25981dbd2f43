// Command gkpow gets gkCAPTCHA machine-to-machine tokens: it requests a
// challenge, solves its proof of work on all CPUs, and submits the solution.
//
// "gkpow help" lists the commands and "gkpow help COMMAND" describes one. The
// answer alone goes to standard output, everything else to standard error, and
// the exit code says what went wrong: see "gkpow help exit-codes".
//
// To read it, start with newRoot in root.go. Each command has a file of its own, in which newNAME
// makes the command and runNAME runs it. A file uses only files below it: a command uses the files
// that begin with its name, then what several commands share (such as account.go, cache.go and
// engine.go), then what all share (command.go, exit.go, input.go, output.go, words.go and
// environment.go).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], environment{
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		lookup:  os.LookupEnv,
		environ: os.Environ,
		signals: withSignals,
	}))
}

// withSignals returns a context that the first SIGINT or SIGTERM ends, with a
// signalError as its cause. The second one ends the process.
func withSignals(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		cancel(&signalError{<-signals})
		signal.Stop(signals)
	}()
	return ctx
}
