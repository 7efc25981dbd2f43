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

// otherNames maps features of x/sys/cpu to their counterparts in cpuid, where the names differ or
// x/sys/cpu reports a feature only together with AVX-512.
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

// unknownNames are the features of x/sys/cpu that cpuid does not know, and AVX512, which stands for
// several features.
var unknownNames = []string{"AVX512", "AVX5124VNNIW", "AVX5124FMAPS", "DIT"}

// cpuid, which decides whether a kernel can run, agrees with x/sys/cpu on every feature that both
// know.
func TestFeaturesAgree(t *testing.T) {
	var known reflect.Value
	switch runtime.GOARCH {
	case "amd64":
		known = reflect.ValueOf(cpu.X86)
	case "arm64":
		known = reflect.ValueOf(cpu.ARM64)
	default:
		t.Skip("this architecture has no kernels of its own")
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
			t.Errorf("cpuid does not know %s: if it has another name for it, add that to otherNames", name)
			continue
		}
		compared++
		if got, want := cpuid.CPU.Supports(ids...), value.Bool(); got != want {
			t.Errorf("%s: cpuid says %t, x/sys/cpu says %t", name, got, want)
		}
	}
	if compared < 20 {
		t.Errorf("compared %d features; want at least 20", compared)
	}
}
