// Command release builds a release of gkpow from the commit that is checked out:
// archives, packages for Debian and Red Hat, checksums, a bill of materials,
// third-party notices, manual pages, completions, systemd units and the context of
// a container image. The same commit and Go release produce the same bytes on every
// machine, at any time.
//
// It is a separate module, so that gkpow does not depend on its packaging libraries.
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

// targets are the platforms of a release, as GOOS/GOARCH.
var targets = []string{
	"linux/amd64", "linux/arm64", "linux/arm", "linux/ppc64le", "linux/riscv64", "linux/s390x",
	"darwin/amd64", "darwin/arm64", "freebsd/amd64", "freebsd/arm64", "windows/amd64", "windows/arm64",
}

func main() {
	source := flag.String("source", "..", "directory of gkpow's module")
	out := flag.String("out", "../bin/release", "directory to write to; an earlier release in it is removed")
	only := flag.String("targets", strings.Join(targets, ","), "GOOS/GOARCH of the binaries, separated by commas")
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

// empty creates an empty directory. It removes an existing one only if that is empty or looks
// like an earlier release.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, checksums)); err != nil {
			return fmt.Errorf("-out %s is not empty and is not an earlier release: remove it, or choose another directory", dir)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}
