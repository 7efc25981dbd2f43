package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client/gktinc"
	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// completions returns the values of a command's flags that shells can complete, each
// with a description after a tab, by the flag's name.
func completions(cmd *cobra.Command) map[string]func() []string {
	formats := func() []string { return tokenFormats }
	if cmd.Name() == "bench" {
		formats = func() []string { return benchFormats }
	}
	return map[string]func() []string{
		"backend":  kernelNames,
		"strategy": strategyNames,
		"format":   formats,
		"profile":  func() []string { return slices.Sorted(maps.Keys(wireProfiles)) },
		"client-ip-header": func() []string {
			return []string{gktinc.HeaderRealIP, gktinc.HeaderForwardedFor, gktinc.HeaderForwarded}
		},
		"policy": func() []string {
			return []string{gktinc.Closed.String(), gktinc.OpenOnOutage.String(), gktinc.Open.String()}
		},
	}
}

// registerCompletions registers the completions of a command and all its subcommands.
func registerCompletions(cmd *cobra.Command) {
	for name, values := range completions(cmd) {
		if cmd.Flags().Lookup(name) == nil {
			continue
		}
		err := cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return values(), cobra.ShellCompDirectiveNoFileComp
		})
		if err != nil {
			panic(err) // the flag is there
		}
	}
	for _, sub := range cmd.Commands() {
		registerCompletions(sub)
	}
}

// kernelNames returns the names of the kernels that this CPU can run.
func kernelNames() (names []string) {
	for _, b := range solver.Backends() {
		if b.Usable {
			names = append(names, b.Name)
		}
	}
	return names
}

func strategyNames() (names []string) {
	for _, s := range strategies.All() {
		names = append(names, s.Name()+"\t"+s.Description())
	}
	return names
}
