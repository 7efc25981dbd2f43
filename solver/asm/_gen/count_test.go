package main

import (
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
)

// least returns how many operations a search needs by a simple model: 16 lanes, three-input logic
// and rotations, and no constant computed for each nonce. The first varying round takes two
// operations and each later round 17, with three savings: one operation for each constant word, one
// in each of three rounds in which h is constant, and one in the last round, which needs no e. A
// word of the schedule takes four operations for each smallSigma and one for each addition.
func least(vary int) int {
	varying := schedule.Varying(vary)
	ops := 2 + 1 // the first varying round and the comparison
	for t := vary + 1; t < 64; t++ {
		ops += 16
		if t > 15 && varying[t] != 0 {
			ops++
		}
		if t <= vary+3 {
			ops--
		}
	}
	ops-- // the last round needs no e
	for t := 16; t < 64; t++ {
		addends := 0
		for _, term := range []terms{termSigma1, term7, termSigma0, term16} {
			if varying[t]&term != 0 {
				addends++
			}
		}
		if varying[t] == 0 {
			continue
		}
		if varying[t] != allTerms {
			addends++
		}
		ops += addends - 1
		for _, term := range []terms{termSigma1, termSigma0} {
			if varying[t]&term != 0 {
				ops += 4
			}
		}
	}
	return ops
}

// leastGrid is like least for a grid, in which one word has a value for each lane and the next one,
// the counter, has a value for each step. A value that depends on only one of them costs nothing.
func leastGrid(counter int) int {
	classes := gridClasses(counter)
	ops := 2 + 1 - 1 // the first round with the counter, the comparison, no e in the last round
	for t := counter + 1; t < 64; t++ {
		ops += 16
		if classes[t] == perHash {
			ops++
		}
		if t <= counter+3 && classes[t] != perStep {
			ops--
		}
	}
	for t := 16; t < 64; t++ {
		if classes[t] != perHash {
			continue
		}
		set := termsOf(&classes, t, perHash)
		addends := bits.OnesCount8(uint8(set))
		for _, c := range []class{perLane, perStep} {
			if termsOf(&classes, t, c) != 0 {
				addends++
			}
		}
		if addends == bits.OnesCount8(uint8(set)) && set != allTerms {
			addends++ // the sum of the constant terms
		}
		ops += addends - 1 + 4*bits.OnesCount8(uint8(set&(termSigma0|termSigma1)))
	}
	return ops
}

// The operation counts do not grow, so no optimisation is lost. The count of avx512 is at most
// 3.3 % above the model, because all words that may vary share its rounds; see writeVector.
func TestOperationCounts(t *testing.T) {
	most := map[string]struct {
		scan   map[int]int
		tail   int
		shared int
		grid   map[int]int
	}{
		"avx512": {
			scan: map[int]int{0: 1478, 3: 1436, 8: 1326, 10: 1313, 11: 1291, 12: 1269, 13: 1248},
			tail: 2 * 1026, shared: 2242,
			grid: map[int]int{1: 1446, 3: 1422, 8: 1282, 10: 1259, 12: 1203, 13: 1175},
		},
		"avx2": {
			scan: map[int]int{0: 2995, 3: 2904, 8: 2679, 10: 2645, 11: 2600, 12: 2555, 13: 2511},
			tail: 4 * 2181, shared: 9398,
		},
		"shani": {
			scan: map[int]int{0: 387, 3: 383, 8: 351, 10: 367, 12: 363, 13: 343, 15: 359},
			tail: 4 * 8 * 32, shared: 1536,
		},
		"mixed512": {
			scan: map[int]int{0: 847, 3: 851, 8: 754, 10: 801, 11: 784, 12: 763, 13: 747},
			tail: 24*32 + 1410, shared: 2757,
			grid: map[int]int{1: 1703, 3: 1692, 8: 1494, 10: 1525, 12: 1449, 13: 1419},
		},
		"mixed256": {
			scan: map[int]int{0: 1143, 3: 1159, 8: 1022, 10: 1093, 11: 1068, 12: 1039, 13: 1015},
			grid: map[int]int{1: 2302, 3: 2301, 8: 2023, 10: 2060, 12: 1952, 13: 1906},
		},
	}
	for _, k := range kernels {
		_, n := built(t, k)
		got := n.all
		t.Logf("%-7s %5d operations for a tail of %d hash values", k.name, got.tail, maxStates)
		for vary := range got.scan {
			t.Logf("%-7s word %2d: %5d operations for %d hashes; model for 16 lanes: %d",
				k.name, vary, got.scan[vary], k.lanes, least(vary))
			if k.name == "avx512" && float64(got.scan[vary]) > 1.033*float64(least(vary)) {
				t.Errorf("avx512, word %d: %d operations; want at most 3.3 %% above the model's %d",
					vary, got.scan[vary], least(vary))
			}
		}
		if len(most[k.name].scan) == 0 {
			t.Errorf("the test has no limits for kernel %s", k.name)
		}
		for vary, limit := range most[k.name].scan {
			if got.scan[vary] > limit {
				t.Errorf("%s, word %d: %d operations; want at most %d", k.name, vary, got.scan[vary], limit)
			}
		}
		for counter := firstCounter; counter <= lastCounter && k.grid != nil; counter++ {
			// The work for sixteen steps at a time, which the model counts as free.
			steps := got.grid[counter] - leastGrid(counter)
			t.Logf("%-7s words %d and %d: %d operations for 16 hashes; model for 16 lanes: %d",
				k.name, counter-1, counter, got.grid[counter], leastGrid(counter))
			if k.name != "avx512" {
				continue
			}
			if steps < 0 || steps > 4 {
				t.Errorf("%s, words %d and %d: %d operations; want 0 to 4 more than the model's %d",
					k.name, counter-1, counter, got.grid[counter], leastGrid(counter))
			}
		}
		for counter, limit := range most[k.name].grid {
			if got.grid[counter] > limit {
				t.Errorf("%s, words %d and %d: %d operations; want at most %d",
					k.name, counter-1, counter, got.grid[counter], limit)
			}
		}
		if got.tail > most[k.name].tail {
			t.Errorf("%s: %d operations for a tail; want at most %d", k.name, got.tail, most[k.name].tail)
		}
		if got.shared > most[k.name].shared {
			t.Errorf("%s: %d operations for %d hashes of ScanShared; want at most %d",
				k.name, got.shared, maxStates, most[k.name].shared)
		}
	}
}

// Kernels with SHA-NI rounds compute two rounds at a time. They start at the pair that contains the
// varying word, or at the next pair if that word is the second of its pair.
func TestRoundCounts(t *testing.T) {
	for _, k := range kernels {
		_, n := built(t, k)
		for vary := range 16 {
			want := (32 - firstPair(vary)) * k.lanes
			if !strings.HasPrefix(k.name, "mixed") && k.name != "shani" {
				want = 0
			}
			if got := n.rounds.scan[vary]; got != want {
				t.Errorf("%s, word %d: %d SHA256RNDS2 for %d hashes; want %d", k.name, vary, got, k.lanes, want)
			}
		}
	}
}

// The instruction counts do not grow, loads and stores included: every instruction costs time where
// SHA-NI and vector instructions share the CPU. The limits are for a batch of Scan, for sixteen
// hashes of ScanGrid, and for 32 hashes of ScanShared.
func TestInstructionCounts(t *testing.T) {
	for name, most := range map[string]struct {
		scan, grid map[int]int
		shared     int
	}{
		"mixed512": {map[int]int{3: 1172, 8: 1067, 10: 1133, 13: 1055}, map[int]int{3: 2344, 10: 2177}, 3206},
		"mixed256": {map[int]int{3: 1568, 8: 1413, 10: 1516, 13: 1409}, map[int]int{3: 3125, 10: 2877}, 0},
		"shani":    {map[int]int{3: 685, 8: 636, 10: 672, 13: 625}, nil, 2056},
	} {
		k := kernels[slices.IndexFunc(kernels, func(k kernel) bool { return k.name == name })]
		_, n := built(t, k)
		for vary, most := range most.scan {
			if got := n.instructions.scan[vary]; got > most {
				t.Errorf("%s, word %d: %d instructions; want at most %d", name, vary, got, most)
			}
		}
		for counter, most := range most.grid {
			if got := n.instructions.grid[counter]; got > most {
				t.Errorf("%s, words %d and %d: %d instructions; want at most %d",
					name, counter-1, counter, got, most)
			}
		}
		if got := n.instructions.shared; got > most.shared {
			t.Errorf("%s: %d instructions of ScanShared; want at most %d", name, got, most.shared)
		}
	}
}
