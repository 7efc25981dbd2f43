package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// writeContainer writes the files that the Containerfile copies: the binaries for Linux, by
// architecture, and the certificate authorities that Mozilla trusts.
func (r *release) writeContainer() error {
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue // a PEM file cannot express constraints
		}
		if err := pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return err
		}
	}
	container, err := os.ReadFile(r.packaging("Containerfile"))
	if err != nil {
		return err
	}
	files := []file{
		{"Containerfile", 0o644, container},
		{"ca-certificates.crt", 0o644, roots.Bytes()},
		{"THIRD_PARTY_NOTICES", 0o644, r.notices},
	}
	license, err := r.read("LICENSE", 0o644, "LICENSE")
	if err != nil {
		return err
	}
	files = append(files, license)
	for _, b := range r.builds {
		if b.os == "linux" {
			program, err := os.ReadFile(b.path)
			if err != nil {
				return err
			}
			files = append(files, file{b.arch + "/gkpow", 0o755, program})
		}
	}
	var archive bytes.Buffer
	if err := r.tarball(&archive, files); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, fmt.Sprintf("gkpow_%s_container.tar.gz", r.version)), archive.Bytes(), 0o644)
}
