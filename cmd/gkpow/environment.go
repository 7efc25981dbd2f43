package main

import (
	"context"
	"io"
	"slices"

	"github.com/gkpow/gkpow/bench"
	"github.com/gkpow/gkpow/client/diskcache"
	"github.com/gkpow/gkpow/solver"
)

// cacheVariable is the environment variable for the URL of a fleet's shared cache.
const cacheVariable = "GKPOW_CACHE_URL"

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

// hasAny reports whether at least one of the variables is set.
func hasAny(env environment, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		value, _ := env.lookup(name)
		return value != ""
	})
}

// firstKernel returns the name of the kernel that a search starts with.
func firstKernel(env environment) string {
	if name, _ := env.lookup("GKPOW_BACKEND"); name != "" {
		return name
	}
	for _, b := range env.kernels() {
		if b.Usable {
			return b.Name
		}
	}
	return "none"
}
