package asm

import (
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/cpu"
)

// otherNames are what cpuid calls features for which x/sys/cpu has another name, or that
// x/sys/cpu reports only together with AVX-512.
var otherNames = map[string][]cpuid.FeatureID{
	"amd64/AES":              {cpuid.AESNI},
	"amd64/AVX512GFNI":       {cpuid.GFNI, cpuid.AVX512F},
	"amd64/AVX512VAES":       {cpuid.VAES, cpuid.AVX512F},
	"amd64/AVX512VPCLMULQDQ": {cpuid.VPCLMULQDQ, cpuid.AVX512F},
	"amd64/FMA":              {cpuid.FMA3},
	"amd64/PCLMULQDQ":        {cpuid.CLMUL},
	"amd64/SSE41":            {cpuid.SSE4},
	"arm64/AES":              {cpuid.AESARM},
	"arm64/ASIMDFHM":         {cpuid.FHM},
	"arm64/CPUID":            {cpuid.ARMCPUID},
}

// unknownNames are the features that cpuid does not know, and AVX512, which is several.
var unknownNames = []string{"AVX512", "AVX5124VNNIW", "AVX5124FMAPS", "DIT"}

// What decides whether a kernel runs agrees with an independent reading of the CPU, for
// each feature that both know.
func TestFeaturesAgree(t *testing.T) {
	var known reflect.Value
	switch runtime.GOARCH {
	case "amd64":
		known = reflect.ValueOf(cpu.X86)
	case "arm64":
		known = reflect.ValueOf(cpu.ARM64)
	default:
		t.Skip("there are no kernels for this architecture")
	}
	compared := 0
	for field, value := range known.Fields() {
		name, ok := strings.CutPrefix(field.Name, "Has")
		if !ok || slices.Contains(unknownNames, name) {
			continue
		}
		ids := otherNames[runtime.GOARCH+"/"+name]
		if ids == nil {
			ids = []cpuid.FeatureID{cpuid.ParseFeature(name)}
		}
		if ids[0] == cpuid.UNKNOWN {
			t.Errorf("cpuid does not know %s: is there another name for it?", name)
			continue
		}
		compared++
		if got, want := cpuid.CPU.Supports(ids...), value.Bool(); got != want {
			t.Errorf("%s: cpuid says %t, x/sys/cpu says %t", name, got, want)
		}
	}
	if compared < 20 {
		t.Errorf("only %d features were compared", compared)
	}
}
