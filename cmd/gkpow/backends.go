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
	Name    string `json:"name"`
	Lanes   int    `json:"lanes"`
	Usable  bool   `json:"usable"`
	Missing string `json:"missing,omitempty"`
	Default bool   `json:"default"`
}

func newBackends(env environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backends",
		Short: "List the kernels and which of them this CPU can run",
		Args:  cobra.NoArgs,
		RunE: action(func(context.Context) error {
			backends := solver.Backends()
			if asJSON {
				list := make([]backendJSON, len(backends))
				for i, b := range backends {
					list[i] = backendJSON(b)
				}
				return printJSON(env.stdout, map[string]any{"cpu": cpuName(), "backends": list})
			}
			w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintf(w, "BACKEND\tLANES\tUSABLE\n")
			for _, b := range backends {
				usable := "yes"
				switch {
				case b.Default:
					usable = "yes, the default"
				case !b.Usable:
					usable = "no: this CPU has no " + b.Missing
				}
				fmt.Fprintf(w, "%s\t%d\t%s\n", b.Name, b.Lanes, usable)
			}
			return w.Flush()
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// cpuName returns the CPU's name for itself.
func cpuName() string {
	if name := cpuid.CPU.BrandName; name != "" {
		return name
	}
	return "unknown"
}
