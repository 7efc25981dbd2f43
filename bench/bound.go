package bench

import (
	"math"

	"github.com/gkpow/gkpow/solver"
)

// The bound of a kernel is the cycles that the CPU needs at least for one hash:
//
//   - avx512 and avx2: the operations, by how many vector operations the CPU's
//     ports start in a cycle;
//   - shani and mixed256: their SHA256RNDS2, two rounds each, by how many cycles
//     the CPU takes to start one; mixed512 likewise, but where a block follows
//     three of four hashes do theirs with it.
//
// CPUs that are not here have no bound that we know.
type ports struct {
	vector512, vector256 float64 // operations started in a cycle
	rnds2                float64 // cycles for one SHA256RNDS2
}

// portsOf returns what is known of a CPU, by vendor and family: uops.info and
// docs/kernels.md.
func portsOf(m *Machine) ports {
	switch {
	case m.Vendor == "GenuineIntel" && m.Family == 6:
		return ports{vector512: 2, vector256: 3, rnds2: 2}
	case m.Vendor == "AuthenticAMD" && m.Family == 0x19: // Zen 3 and 4
		return ports{vector512: 2, vector256: 4, rnds2: 1}
	}
	return ports{}
}

// bound returns the cycles for one hash of a kernel in a segment, 0 if unknown.
func (p ports) bound(backend string, s *solver.PlanSegment) float64 {
	operations := s.OpsPerHash
	switch {
	case backend == "avx512" && p.vector512 > 0:
		return operations / p.vector512
	case backend == "avx2" && p.vector256 > 0:
		return operations / p.vector256
	case p.rnds2 > 0 && (backend == "shani" || backend == "mixed256" || backend == "mixed512"):
		rounds := 64 - float64(s.Word/2*2) // those before are done once for a chunk
		if s.Block < s.Blocks-1 {
			share := 1.0
			if backend == "mixed512" {
				share = 0.75
			}
			rounds = share*64 + rounds/math.Pow10(s.Tails)
		}
		return rounds / 2 * p.rnds2
	}
	return 0
}
