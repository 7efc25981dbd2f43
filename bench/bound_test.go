package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
)

func TestBound(t *testing.T) {
	intel := portsOf(&Machine{Vendor: "GenuineIntel", Family: 6})
	zen4 := portsOf(&Machine{Vendor: "AuthenticAMD", Family: 0x19})
	one := &solver.PlanSegment{Word: 10, Blocks: 1, OpsPerHash: 82}
	for _, test := range []struct {
		name    string
		ports   ports
		backend string
		segment *solver.PlanSegment
		want    float64
	}{
		{"avx512 on Intel", intel, "avx512", one, 41},
		{"avx512 on Zen 4", zen4, "avx512", one, 41},
		{"avx2 on Intel", intel, "avx2", &solver.PlanSegment{OpsPerHash: 330}, 110},
		{"shani on Intel", intel, "shani", one, 54},
		{"shani on Zen 4", zen4, "shani", one, 27},
		{"mixed512 on Zen 4", zen4, "mixed512", one, 27},
		{"shani, word 0", zen4, "shani", &solver.PlanSegment{Word: 0, Blocks: 1}, 32},
		{"shani, and a block that follows", zen4, "shani", &solver.PlanSegment{Word: 12, Blocks: 2}, 26 + 32},
		{"shani, second block", zen4, "shani", &solver.PlanSegment{Word: 0, Block: 1, Blocks: 2}, 32},
		{"shani, ten tails", zen4, "shani", &solver.PlanSegment{Word: 14, Blocks: 2, Tails: 1}, 32 + 2.5},
		{"mixed512, ten tails", zen4, "mixed512", &solver.PlanSegment{Word: 14, Blocks: 2, Tails: 1}, 24 + 2.5},
		{"generic", intel, "generic", one, 0},
		{"unknown CPU", portsOf(&Machine{Vendor: "Abacus", Family: 6}), "avx512", one, 0},
		{"newer AMD", portsOf(&Machine{Vendor: "AuthenticAMD", Family: 0x1A}), "shani", one, 0},
	} {
		require.Equal(t, test.want, test.ports.bound(test.backend, test.segment), test.name)
	}
}
