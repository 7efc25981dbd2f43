package bench

import (
	"slices"

	"github.com/gkpow/gkpow/solver"
)

// Ports is the throughput of a CPU's execution units. An unknown CPU has zeros.
type Ports struct {
	Vector512, Vector256 float64 // vector operations of 512 and of 256 bits that can start in a cycle
	RNDS2                float64 // cycles for one SHA256RNDS2
}

// PortsOf returns the throughput of a CPU, identified by its vendor and family as in CPUID. The
// figures come from uops.info and docs/kernels.md.
func PortsOf(vendor string, family int) Ports {
	switch {
	case vendor == "GenuineIntel" && family == 6:
		return Ports{Vector512: 2, Vector256: 3, RNDS2: 2}
	case vendor == "AuthenticAMD" && family == 0x19: // Zen 3 and 4
		return Ports{Vector512: 2, Vector256: 4, RNDS2: 1}
	}
	return Ports{}
}

// Bound returns the least number of cycles that the CPU needs for one hash, or 0 if it is unknown.
// SHA256RNDS2 limits the kernels that use it, since a single unit executes it; vector operations
// limit the other kernels with 8 or 16 lanes.
func (p Ports) Bound(lanes int, operations, rnds2 float64) float64 {
	switch {
	case rnds2 > 0:
		return rnds2 * p.RNDS2
	case lanes == 16 && p.Vector512 > 0:
		return operations / p.Vector512
	case lanes == 8 && p.Vector256 > 0:
		return operations / p.Vector256
	}
	return 0
}

// bound returns the bound of a kernel for a segment of its plan.
func (p Ports) bound(backend string, s *solver.PlanSegment) float64 {
	kernels := solver.Backends()
	i := slices.IndexFunc(kernels, func(b solver.Backend) bool { return b.Name == backend })
	return p.Bound(kernels[i].Lanes, s.OpsPerHash, s.RoundsPerHash)
}
