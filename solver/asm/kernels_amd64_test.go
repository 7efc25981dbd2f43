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

// A kernel is not offered to a CPU without the features that the assembler found
// in its code.
func TestFeaturesCoverTheCode(t *testing.T) {
	requires := regexp.MustCompile(`(?m)^// Requires: (.*)$`)
	for _, k := range ownKernels {
		source, err := os.ReadFile(k.Name + "_amd64.s")
		if err != nil {
			t.Fatal(err)
		}
		found := requires.FindAllSubmatch(source, -1)
		if found == nil {
			t.Fatalf("%s: the assembly does not say what it requires", k.Name)
		}
		for _, function := range found {
			for _, name := range strings.Split(string(function[1]), ", ") {
				if !slices.ContainsFunc(features[k.Name], func(f cpuid.FeatureID) bool { return f.String() == name }) {
					t.Errorf("%s: the code needs %s, which is not asked of the CPU", k.Name, name)
				}
			}
		}
	}
}
