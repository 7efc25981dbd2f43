package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	nfpmfiles "github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// units are the files for systemd.
var units = []string{"gkpow-agent.service", "gkpow-agent.socket"}

// writePackages writes a .deb and a .rpm for each target on Linux.
func (r *release) writePackages() error {
	for _, b := range r.builds {
		if b.os != "linux" {
			continue
		}
		for _, format := range []struct {
			packager nfpm.Packager
			name     string
			zsh      string // directory for completions
		}{
			{deb.Default, "deb", "/usr/share/zsh/vendor-completions"},
			{rpm.DefaultRPM, "rpm", "/usr/share/zsh/site-functions"},
		} {
			info, err := r.packageInfo(b, format.zsh)
			if err != nil {
				return err
			}
			if err := nfpm.PrepareForPackager(info, format.name); err != nil {
				return fmt.Errorf("%s: %w", b.arch, err)
			}
			var out bytes.Buffer
			if err := format.packager.Package(info, &out); err != nil {
				return fmt.Errorf("%s: %w", b.arch, err)
			}
			name := fmt.Sprintf("gkpow_%s_linux_%s.%s", r.version, b.arch, format.name)
			if err := os.WriteFile(filepath.Join(r.out, name), out.Bytes(), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *release) packageInfo(b *build, zsh string) (*nfpm.Info, error) {
	arch := b.arch
	if arch == "arm" {
		arch = "arm7"
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name:        "gkpow",
		Arch:        arch,
		Platform:    "linux",
		Version:     r.version,
		Section:     "net",
		Priority:    "optional",
		Maintainer:  "gkpow <https://github.com/gkpow/gkpow>",
		Homepage:    "https://github.com/gkpow/gkpow",
		License:     "MIT",
		MTime:       r.date,
		Description: "gkCAPTCHA machine-to-machine tokens\nSolves gkCAPTCHA's proof of work on all CPUs and gives services, CI jobs and\ncommand-line tools their tokens, by a command or by a local agent.",
	})
	info.RPM.BuildHost = "localhost"
	info.Recommends = []string{"ca-certificates"}
	info.Scripts = nfpm.Scripts{
		PostInstall: r.packaging("postinstall.sh"),
		PreRemove:   r.packaging("preremove.sh"),
		PostRemove:  r.packaging("postremove.sh"),
	}

	// nfpm reads files from the disk.
	dir := filepath.Join(r.work, "package", b.arch+strings.ReplaceAll(zsh, "/", "_"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var failed error
	add := func(from, to string, mode os.FileMode, kind string) {
		info.Contents = append(info.Contents, &nfpmfiles.Content{Source: from, Destination: to, Type: kind,
			FileInfo: &nfpmfiles.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.date}})
	}
	write := func(f file, to string) {
		path := filepath.Join(dir, filepath.Base(to))
		if err := os.WriteFile(path, f.data, 0o644); err != nil && failed == nil {
			failed = err
		}
		add(path, to, 0o644, nfpmfiles.TypeFile)
	}
	add(b.path, "/usr/bin/gkpow", 0o755, nfpmfiles.TypeFile)
	for _, unit := range units {
		add(r.packaging(unit), "/usr/lib/systemd/system/"+unit, 0o644, nfpmfiles.TypeFile)
	}
	add("", "/etc/gkpow", 0o750, nfpmfiles.TypeDir)
	add(r.packaging("agent.env"), "/etc/gkpow/agent.env", 0o640, nfpmfiles.TypeConfigNoReplace)
	for _, key := range []string{"secret-key", "gktinc-key"} { // the unit loads both, even if only one is used
		path := filepath.Join(dir, key)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return nil, err
		}
		add(path, "/etc/gkpow/"+key, 0o600, nfpmfiles.TypeConfigNoReplace)
	}
	for _, page := range r.pages {
		write(file{data: zipped(page.data)}, "/usr/share/man/man1/"+page.name+".gz")
	}
	for _, c := range r.completions {
		switch c.name {
		case "gkpow.bash":
			write(c, "/usr/share/bash-completion/completions/gkpow")
		case "_gkpow":
			write(c, zsh+"/_gkpow")
		case "gkpow.fish":
			write(c, "/usr/share/fish/vendor_completions.d/gkpow.fish")
		}
	}
	license, err := r.read("LICENSE", 0o644, "copyright")
	if err != nil {
		return nil, err
	}
	changes, err := r.read("docs/CHANGELOG.md", 0o644, "CHANGELOG.md")
	if err != nil {
		return nil, err
	}
	write(license, "/usr/share/doc/gkpow/copyright")
	write(file{data: zipped(changes.data)}, "/usr/share/doc/gkpow/changelog.gz")
	write(file{data: zipped(r.notices)}, "/usr/share/doc/gkpow/THIRD_PARTY_NOTICES.gz")
	return info, failed
}

// packaging returns the path of a packaging file.
func (r *release) packaging(name string) string {
	return filepath.Join(r.source, ".release", "files", name)
}

// zipped compresses without a name or time, like gzip -n.
func zipped(data []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	w.Write(data)
	w.Close()
	return b.Bytes()
}
