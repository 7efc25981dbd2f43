package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/klauspost/cpuid/v2"
	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/solver"
)

// backendJSON is how --json shows a backend.
type backendJSON struct {
	Name     string  `json:"name"`
	Lanes    int     `json:"lanes"`
	Usable   bool    `json:"usable"`
	Missing  string  `json:"missing,omitempty"`
	Fault    string  `json:"fault,omitempty"`
	HashRate float64 `json:"hashRate,omitempty"` // hashes per second of one thread
	Chosen   bool    `json:"chosen"`
	Why      string  `json:"why,omitempty"`
}

func newBackends(env environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backends",
		Short: "List the kernels, their rates on this CPU, and the one that is chosen",
		Long: `List the kernels, and measure those that this CPU can run. The rate is for one
thread and a salt of 32 characters. gkpow uses a kernel only after it passes a
self-test.

A search chooses its kernel in the same way when it starts. GKPOW_BACKEND overrides
the choice, and so does the flag --backend of commands that have it.`,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error {
			backends, err := solver.MeasureBackends(ctx)
			switch {
			case err != nil && ctx.Err() != nil:
				return err
			case err != nil:
				return &usageError{err} // about GKPOW_BACKEND
			case asJSON:
				return printJSON(env.stdout, map[string]any{"cpu": cpuName(), "backends": backendsJSON(backends)})
			}
			w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintf(w, "BACKEND\tLANES\tMH/s\tUSABLE\tCHOSEN\n")
			for _, b := range backends {
				usable, rate, chosen := "yes", "-", "no"
				switch {
				case b.Missing != "":
					usable = "no: this CPU has no " + b.Missing
				case b.Fault != nil:
					usable = "no: " + words(b.Fault.Error())
				default:
					rate = fmt.Sprintf("%.1f", b.HashRate/1e6)
				}
				if b.Chosen {
					chosen = "yes: " + b.Why
				}
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", b.Name, b.Lanes, rate, usable, chosen)
			}
			return w.Flush()
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func backendsJSON(backends []solver.Backend) []backendJSON {
	list := make([]backendJSON, len(backends))
	for i, b := range backends {
		list[i] = backendJSON{b.Name, b.Lanes, b.Usable, b.Missing, "", b.HashRate, b.Chosen, b.Why}
		if b.Fault != nil {
			list[i].Fault = words(b.Fault.Error())
		}
	}
	return list
}

// cpuName returns the CPU's name for itself.
func cpuName() string {
	if name := cpuid.CPU.BrandName; name != "" {
		return name
	}
	return "unknown"
}
