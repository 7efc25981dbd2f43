package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client/diskcache"
)

func newCache(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Show or clear the tokens kept on this machine",
		Long: `Show or clear the tokens kept in the user's cache directory, one for each
combination of URL and keys. To print a token itself, use "gkpow token".`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCachePath(env), newCacheShow(env), newCacheClear(env))
	return cmd
}

func newCachePath(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "path",
		Short: "Print the directory that holds the tokens",
		Args:  noArguments,
		RunE: action(func(context.Context) error {
			dir, err := env.tokenDir()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(env.stdout, dir)
			return err
		}),
	}
}

// cachedJSON is how --json shows a kept token, without its value.
type cachedJSON struct {
	For       string  `json:"for"` // hash of the URL and the keys
	ExpiresAt int64   `json:"expiresAt,omitempty"`
	ExpiresIn float64 `json:"expiresIn,omitempty"` // seconds; negative if it has expired
	Failure   string  `json:"failure,omitempty"`   // of the last attempt to get one
	Problem   string  `json:"problem,omitempty"`   // why the file is not used
}

func newCacheShow(env environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "List the kept tokens without showing their values",
		Long: `List the kept tokens without showing their values. FOR is a hash of the URL and keys
that a token belongs to; LEFT is the time until it expires.`,
		Args: noArguments,
		RunE: action(func(context.Context) error { return showCache(env, asJSON) }),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func showCache(env environment, asJSON bool) error {
	dir, err := env.tokenDir()
	if err != nil {
		return err
	}
	files, err := diskcache.List(dir)
	if err != nil {
		return err
	}
	list := []cachedJSON{}
	now := time.Now()
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FOR\tEXPIRES\tLEFT\tNOTE")
	for _, f := range files {
		c := cachedJSON{For: f.Name, Failure: f.Failure}
		expires, left, note := "-", "-", f.Failure
		if !f.Expires.IsZero() {
			c.ExpiresAt, c.ExpiresIn = f.Expires.Unix(), f.Expires.Sub(now).Seconds()
			expires, left = f.Expires.Local().Format(time.TimeOnly), f.Expires.Sub(now).Round(time.Second).String()
			if c.ExpiresIn <= 0 {
				left = "expired"
			}
		}
		if f.Problem != nil {
			c.Problem = words(f.Problem.Error())
			note = "not used: " + c.Problem
		}
		list = append(list, c)
		fmt.Fprintf(w, "%.12s\t%s\t%s\t%s\n", f.Name, expires, left, note)
	}
	if asJSON {
		return printJSON(env.stdout, list)
	}
	return w.Flush()
}

func newCacheClear(env environment) *cobra.Command {
	var limit timeFlags
	cmd := &cobra.Command{
		Use:   "clear",
		Short: "Remove the kept tokens",
		Long: `Remove the kept tokens and the records of failed attempts. The tokens stay valid until
they expire, so programs that hold one can keep using it.`,
		Args: noArguments,
		RunE: action(func(ctx context.Context) error {
			ctx, cancel, err := limit.withTimeout(ctx)
			if err != nil {
				return err
			}
			defer cancel()
			dir, err := env.tokenDir()
			if err != nil {
				return err
			}
			removed, err := diskcache.Clear(ctx, dir)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(env.stdout, "tokens removed: %d\n", removed)
			return err
		}),
	}
	limit.register(cmd.Flags())
	return cmd
}
