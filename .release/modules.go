package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
)

// A module is a Go module that at least one of the binaries contains.
type module struct {
	path, version string
	sum           string   // as in go.sum
	licenses      []string // SPDX identifiers
	texts         []file   // licences and notices
}

// licenseFile matches the names of files that a module's users must pass on.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|authors)([.-].*)?$`)

// findModules finds the modules in the binaries, with their licences.
func (r *release) findModules() error {
	seen := map[string]bool{}
	for _, b := range r.builds {
		for _, m := range b.modules {
			if m.Replace != nil {
				return fmt.Errorf("go.mod replaces %s by %s: a release may contain published modules only", m.Path, m.Replace.Path)
			}
			if seen[m.Path] {
				continue
			}
			seen[m.Path] = true
			found := module{path: m.Path, version: m.Version, sum: m.Sum}
			dir, err := r.moduleDir(m.Path, m.Version)
			if err != nil {
				return err
			}
			if err := found.readLicenses(dir); err != nil {
				return err
			}
			r.modules = append(r.modules, found)
		}
	}
	slices.SortFunc(r.modules, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return nil
}

// moduleDir returns the directory of a module's source. The source of std is that of Go itself.
func (r *release) moduleDir(path, version string) (string, error) {
	if path == "std" {
		output, err := r.goCommand("env", "GOROOT")
		return strings.TrimSpace(string(output)), err
	}
	output, err := r.goCommand("mod", "download", "-json", path+"@"+version)
	if err != nil {
		return "", err
	}
	var download struct{ Dir string }
	err = json.Unmarshal(output, &download)
	return download.Dir, err
}

func (r *release) goCommand(args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = r.source
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return output, nil
}

func (m *module) readLicenses(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenseFile.MatchString(e.Name()) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, file{name: e.Name(), data: data})
		for _, match := range licensecheck.Scan(data).Match {
			if !slices.Contains(m.licenses, match.ID) && !match.IsURL {
				m.licenses = append(m.licenses, match.ID)
			}
		}
	}
	slices.Sort(m.licenses)
	if len(m.licenses) == 0 {
		return fmt.Errorf("%s@%s has no known licence: read its licence, and add it to readLicenses", m.path, m.version)
	}
	return nil
}

// name returns the module's name as the notices show it.
func (m *module) name() string {
	if m.path == "std" {
		return "Go standard library"
	}
	return m.path
}

// writeNotices collects the licences of all modules.
func (r *release) writeNotices() error {
	var b bytes.Buffer
	b.WriteString("gkpow contains the following software of others, under the licences below.\n")
	for _, m := range r.modules {
		fmt.Fprintf(&b, "\n%s\n%s %s (%s)\n", strings.Repeat("=", 80), m.name(), m.version, strings.Join(m.licenses, ", "))
		for _, t := range m.texts {
			fmt.Fprintf(&b, "%s\n%s:\n\n%s\n", strings.Repeat("-", 80), t.name, bytes.TrimSpace(t.data))
		}
	}
	r.notices = b.Bytes()
	return os.WriteFile(filepath.Join(r.out, "THIRD_PARTY_NOTICES"), r.notices, 0o644)
}

// writeSBOM writes a bill of materials in the format CycloneDX.
func (r *release) writeSBOM() error {
	purl := func(path, version string) string { return "pkg:golang/" + path + "@" + version }
	bom := cdx.NewBOM()
	main := purl("github.com/gkpow/gkpow", "v"+r.version)
	bom.Metadata = &cdx.Metadata{
		Timestamp: r.date.UTC().Format("2006-01-02T15:04:05Z"),
		Component: &cdx.Component{
			BOMRef: main, Type: cdx.ComponentTypeApplication, Name: "gkpow", Version: "v" + r.version, PackageURL: main,
			Licenses: &cdx.Licenses{{License: &cdx.License{ID: "MIT"}}},
		},
	}
	var components []cdx.Component
	var all []string
	for _, m := range r.modules {
		c := cdx.Component{Type: cdx.ComponentTypeLibrary, Name: m.path, Version: m.version, PackageURL: purl(m.path, m.version)}
		c.BOMRef = c.PackageURL
		var licenses cdx.Licenses
		for _, id := range m.licenses {
			licenses = append(licenses, cdx.LicenseChoice{License: &cdx.License{ID: id}})
		}
		c.Licenses = &licenses
		if m.sum != "" {
			c.Properties = &[]cdx.Property{{Name: "go.sum", Value: m.sum}}
		}
		components, all = append(components, c), append(all, c.BOMRef)
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: main, Dependencies: &all}}
	var b bytes.Buffer
	if err := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "gkpow_"+r.version+".cdx.json"), b.Bytes(), 0o644)
}
