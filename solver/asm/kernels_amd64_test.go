//go:build !purego

package asm

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/cpuid/v2"
)

// A kernel requires every CPU feature that its code uses, according to the generated assembly.
func TestFeaturesCoverTheCode(t *testing.T) {
	requires := regexp.MustCompile(`(?m)^// Requires: (.*)$`)
	for _, k := range ownKernels {
		source, err := os.ReadFile(k.Name + "_amd64.s")
		if err != nil {
			t.Fatal(err)
		}
		found := requires.FindAllSubmatch(source, -1)
		if found == nil {
			t.Fatalf("%s: the assembly has no \"// Requires:\" comment", k.Name)
		}
		for _, function := range found {
			for _, name := range strings.Split(string(function[1]), ", ") {
				if !slices.ContainsFunc(features[k.Name], func(f cpuid.FeatureID) bool { return f.String() == name }) {
					t.Errorf("%s: the code uses %s, which the kernel does not require", k.Name, name)
				}
			}
		}
	}
}
