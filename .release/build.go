package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

// A build is gkpow for one target.
type build struct {
	os, arch string
	path     string // of the binary
	size     int64
	version  string    // without "v"
	date     time.Time // of the commit
	modules  []*debug.Module
}

// exe is the name of the program.
func (b *build) exe() string {
	if b.os == "windows" {
		return "gkpow.exe"
	}
	return "gkpow"
}

// compile builds gkpow for a target. The Go command determines the version: the tag of the
// commit, or a pseudo-version.
func compile(source, work, target string) (*build, error) {
	goos, goarch, ok := strings.Cut(target, "/")
	if !ok {
		return nil, fmt.Errorf("-targets: %q is not of the form GOOS/GOARCH", target)
	}
	b := &build{os: goos, arch: goarch}
	b.path = filepath.Join(work, goos+"_"+goarch, b.exe())
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-mod=readonly", "-ldflags=-s -w", "-o", b.path, "./cmd/gkpow")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch,
		// Overrides what the user may have set for this machine.
		"GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOARM=7", "GOPPC64=power8", "GORISCV64=rva20u64", "GOWORK=off")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	info, err := buildinfo.ReadFile(b.path)
	if err != nil {
		return nil, err
	}
	file, err := os.Stat(b.path)
	if err != nil {
		return nil, err
	}
	b.size, b.version = file.Size(), strings.TrimPrefix(info.Main.Version, "v")
	b.modules = append([]*debug.Module{{Path: "std", Version: info.GoVersion}}, info.Deps...)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.time":
			if b.date, err = time.Parse(time.RFC3339, s.Value); err != nil {
				return nil, err
			}
		case "vcs.modified":
			if s.Value == "true" {
				return nil, fmt.Errorf("%s has changes that are not committed: commit them, since a release is built from a commit", source)
			}
		}
	}
	if b.date.IsZero() {
		return nil, fmt.Errorf("%s is not a git repository: a release is built from a commit of gkpow's repository", source)
	}
	return b, nil
}
