package main

import (
	"github.com/spf13/cobra"
)

func newGKTinc(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gktinc",
		Short: "Ask GKTinc about visitors and their forms",
		Long: `Ask GuardianKey GKTinc about visitors and their forms, as the back end of a web
site does. The solution itself, gktinc_solution, comes from the vendor's script in
the visitor's browser.

` + gktincHelp,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGKTincLevel(env), newGKTincValidate(env), newGKTincConfig(env), newGKTincProxy(env))
	return cmd
}
