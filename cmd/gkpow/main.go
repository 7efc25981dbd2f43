// Command gkpow gets gkCAPTCHA machine-to-machine tokens: it asks for a
// challenge, solves its proof of work on all CPUs, and hands the solution in.
//
// "gkpow help" lists the commands and "gkpow help COMMAND" describes one. The
// answer alone goes to standard output, everything else to standard error, and
// the exit code says what went wrong: see "gkpow help exit-codes".
//
// To read it, start with newRoot in root.go; there is one file for each command.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends what does not heed the first
	code := run(ctx, os.Args[1:], environment{
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		lookup:  os.LookupEnv,
		environ: os.Environ,
	})
	stop()
	os.Exit(code)
}
