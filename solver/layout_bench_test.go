package solver

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gkpow/gkpow/solver/asm"
)

// BenchmarkLayouts shows what the weights of asm.Weights are worth: for every prefix length and
// both default limits it measures all layouts of the width that most of the search goes into, and
// compares the one that the plan chooses with the fastest. It names choices that are more than 3 %
// slower than the fastest.
//
//	go test -run '^$' -bench Layouts -benchtime 1x ./solver
func BenchmarkLayouts(b *testing.B) {
	const allowed = 0.03
	for _, k := range kernels.usable() {
		b.Run("kernel="+k.Name, func(b *testing.B) {
			for b.Loop() {
				var losses []float64
				var notes []string
				for prefix := range 64 { // layouts repeat after 64 bytes: these stand for lengths up to 127
					for _, limit := range []uint64{MaxInt32, MaxSafeInteger} {
						o := Options{MaxNonce: limit}
						p := Puzzle{Prefix: make([]byte, prefix), Bits: 24}
						chosen := o.plan(o.space(p), allKinds(k)).main().layout
						best, loss := lossOf(b, k, prefix, chosen, allowed)
						if losses = append(losses, loss); loss > allowed {
							notes = append(notes, fmt.Sprintf("%d bytes, %d digits: %+v is %.1f %% slower than %+v", prefix, chosen.width, chosen, 100*loss, best))
						}
					}
				}
				slices.Sort(losses)
				b.ReportMetric(100*losses[len(losses)/2], "%median-loss")
				b.ReportMetric(100*losses[len(losses)-1], "%worst-loss")
				b.Log(strings.Join(append(notes, fmt.Sprintf("%d of %d choices are within 3 %%", len(losses)-len(notes), len(losses))), "\n"))
			}
		})
	}
}

// lossOf returns the fastest layout of the same width by the best slice of each, all taking turns,
// and how much more time the chosen one takes than that. While the loss is above what is allowed
// the two are measured again, side by side, and compared by their medians: the clock of a CPU that
// others use too changes from one moment to the next.
func lossOf(b *testing.B, k *asm.Kernel, prefix int, chosen layout, allowed float64) (best layout, loss float64) {
	var all []layout
	meters := map[layout]*meter{}
	for l := range layouts(prefix, chosen.width) {
		if l.gridDigits == 0 || k.Ops.Grid[l.word()] > 0 {
			all = append(all, l)
			meters[l] = kernels.newMeter(k, l)
		}
	}
	measure := func(rounds int, list ...layout) {
		for range rounds {
			for _, l := range list {
				if err := meters[l].run(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	measure(15, all...)
	fastest := func(l layout) float64 { return slices.Max(meters[l].rates) }
	best = slices.MaxFunc(all, func(x, y layout) int { return cmp.Compare(fastest(x), fastest(y)) })
	loss = fastest(best)/fastest(chosen) - 1
	meters[best].rates, meters[chosen].rates = nil, nil
	for again := 0; again < 10 && loss > allowed; again++ {
		measure(20, chosen, best)
		loss = median(meters[best].rates)/median(meters[chosen].rates) - 1
	}
	return best, loss
}

func median(rates []float64) float64 { return slices.Sorted(slices.Values(rates))[len(rates)/2] }
