package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver"
)

func TestBound(t *testing.T) {
	intel, zen4 := PortsOf("GenuineIntel", 6), PortsOf("AuthenticAMD", 0x19)
	vectors := &solver.PlanSegment{OpsPerHash: 330}
	rounds := &solver.PlanSegment{OpsPerHash: 90, RoundsPerHash: 27}
	for _, test := range []struct {
		name    string
		ports   Ports
		lanes   int
		segment *solver.PlanSegment
		want    float64
	}{
		{"avx512 on Intel", intel, 16, vectors, 165},
		{"avx512 on Zen 4", zen4, 16, vectors, 165},
		{"avx2 on Intel", intel, 8, vectors, 110},
		{"avx2 on Zen 4", zen4, 8, vectors, 82.5},
		{"shani on Intel", intel, 4, rounds, 54},
		{"shani on Zen 4", zen4, 4, rounds, 27},
		{"mixed512 on Zen 4", zen4, 8, rounds, 27},
		{"generic", intel, 1, vectors, 0},
		{"unknown CPU", PortsOf("Abacus", 6), 16, vectors, 0},
		{"newer AMD", PortsOf("AuthenticAMD", 0x1A), 4, rounds, 0},
	} {
		require.Equal(t, test.want, test.ports.Bound(test.lanes, test.segment.OpsPerHash, test.segment.RoundsPerHash), test.name)
	}
}

// A segment's number of rounds is the one that the generator counts in the kernel's code.
func TestBoundOfPlan(t *testing.T) {
	for _, b := range solver.Backends() {
		if !b.Usable || b.Name != "shani" && b.Name != "mixed512" {
			continue
		}
		s, err := solver.New(solver.Options{Backend: b.Name, MinNonce: 1_000_000_000, MaxNonce: 9_999_999_999})
		require.NoError(t, err)
		plan, err := s.Explain(t.Context(), solver.Puzzle{Prefix: make([]byte, 33), Bits: 24})
		require.NoError(t, err)
		segment := &plan.Segments[0]
		pairs := 32 - (segment.Word+1)/2 // pairs of rounds, from the first one that depends on the nonce
		require.InDelta(t, pairs, PortsOf("AuthenticAMD", 0x19).bound(b.Name, segment), 0.2, b.Name)
	}
}
