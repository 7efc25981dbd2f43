package main

import (
	"context"
	"io"

	"github.com/gkpow/gkpow/bench"
	"github.com/gkpow/gkpow/client/diskcache"
	"github.com/gkpow/gkpow/solver"
)

// An environment is what a command can access outside the process.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookup         func(name string) (value string, ok bool) // environment variables
	environ        func() []string                           // all of them, as NAME=VALUE
	cacheDir       string                                    // for the token; "" is in the user's cache directory
	backends       func() []solver.Backend                   // nil is solver.Backends

	// signals makes signals end a command's context; nil ignores them.
	signals func(context.Context) context.Context

	// bench runs the benchmark; nil means bench.Run.
	bench func(context.Context, bench.Options) (*bench.Report, error)
}

// tokenDir returns the directory that holds the tokens.
func (e environment) tokenDir() (string, error) {
	if e.cacheDir != "" {
		return e.cacheDir, nil
	}
	return diskcache.DefaultDir()
}

// kernels returns the kernels and what this process knows about them.
func (e environment) kernels() []solver.Backend {
	if e.backends != nil {
		return e.backends()
	}
	return solver.Backends()
}
