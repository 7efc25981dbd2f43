// Command release builds what a release of gkpow consists of, from the commit that
// is checked out: archives, packages for Debian and Red Hat, checksums, a bill of
// materials, notices of third parties, manual pages, completions, units for systemd
// and the context of a container image. The same commit and Go release give the
// same bytes, wherever and whenever it runs.
//
// It is a module of its own, so that gkpow does not depend on what it needs.
// "make release" runs it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// targets are what a release is built for, as GOOS/GOARCH.
var targets = []string{
	"linux/amd64", "linux/arm64", "linux/arm", "linux/ppc64le", "linux/riscv64", "linux/s390x",
	"darwin/amd64", "darwin/arm64", "freebsd/amd64", "freebsd/arm64", "windows/amd64", "windows/arm64",
}

func main() {
	source := flag.String("source", "..", "directory of gkpow's module")
	out := flag.String("out", "../bin/release", "directory to write to, which is emptied first")
	only := flag.String("targets", strings.Join(targets, ","), "GOOS/GOARCH of the binaries, with commas in between")
	flag.Parse()
	if err := run(*source, *out, strings.Split(*only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(source, out string, targets []string) error {
	source, err := filepath.Abs(source)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	if err := empty(out); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "gkpow-release-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	var builds []*build
	for _, target := range targets {
		b, err := compile(source, work, target)
		if err != nil {
			return err
		}
		fmt.Printf("%-16s %s, %.1f MB\n", target, b.version, float64(b.size)/1e6)
		builds = append(builds, b)
	}
	r := &release{source: source, work: work, out: out, builds: builds}
	r.version, r.date = builds[0].version, builds[0].date
	for _, step := range []func() error{r.findModules, r.writeNotices, r.writePages, r.writeArchives, r.writePackages, r.writeContainer, r.writeSBOM, r.writeChecksums} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// empty makes the directory anew. It removes one only if it looks like an earlier
// release.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, checksums)); err != nil {
			return fmt.Errorf("%s is not empty and holds no earlier release: remove it, or name another directory", dir)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}
