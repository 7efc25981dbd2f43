package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// action makes the function that runs a command without arguments. Errors that cobra
// returns before it calls the function are usage errors. Errors of f are not, except for
// a usageError.
func action(f func(ctx context.Context) error) func(*cobra.Command, []string) error {
	return actionOn(func(ctx context.Context, _ []string) error { return f(ctx) })
}

// actionOn does the same for a command with arguments.
func actionOn(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd.Context(), args); err != nil {
			return &actionError{err}
		}
		return nil
	}
}

// noSuchCommand returns the error for arguments to a command that has only subcommands.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), meant(args[0], commandNames(cmd)))
}

// noArguments returns the error for arguments to a command that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes flags only, not %q", cmd.CommandPath(), args[0])
}

// between returns the error for fewer than least or more than most arguments.
func between(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s needs an argument: %s", cmd.CommandPath(), cmd.UseLine())
		case len(args) > most:
			return fmt.Errorf("%s has too many arguments: %s", cmd.CommandPath(), cmd.UseLine())
		}
		return nil
	}
}

// commandNames returns the names of a command's subcommands.
func commandNames(cmd *cobra.Command) (names []string) {
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return names
}
