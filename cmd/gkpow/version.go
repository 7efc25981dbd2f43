package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/solver"
)

// versionJSON is how --json shows the version.
type versionJSON struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"` // "" if the build did not record it
	Date     string `json:"date"`   // of the commit, RFC 3339
	Modified bool   `json:"modified,omitempty"`
	Kernel   string `json:"kernel"` // the kernel that searches start with
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func newVersion(env environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, commit, date and kernel",
		Long: `Print the version, commit, date and Go release of gkpow, and the kernel that searches
begin with on this CPU. "gkpow backends" measures the kernels.`,
		Args: noArguments,
		RunE: action(func(context.Context) error { return printVersion(env, asJSON) }),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func printVersion(env environment, asJSON bool) error {
	build := solver.BuildInfo()
	v := versionJSON{
		Version:  build.Version,
		Commit:   build.Revision,
		Modified: build.Modified,
		Kernel:   firstKernel(env),
		Go:       runtime.Version(),
		OS:       runtime.GOOS,
		Arch:     runtime.GOARCH,
	}
	if !build.Time.IsZero() {
		v.Date = build.Time.Format(time.RFC3339)
	}
	if asJSON {
		return printJSON(env.stdout, v)
	}
	source := ""
	if v.Commit != "" {
		source = fmt.Sprintf(", commit %.12s of %.10s", v.Commit, v.Date)
	}
	_, err := fmt.Fprintf(env.stdout, "gkpow %s%s (%s %s/%s, kernel %s)\n", v.Version, source, v.Go, v.OS, v.Arch, v.Kernel)
	return err
}
