package solver

import (
	"math"
	"reflect"
	"testing"

	"github.com/gkpow/gkpow/solver/asm"
)

// Every plan covers all nonces up to its limit, with one segment per width.
func TestPlanIsComplete(t *testing.T) {
	for prefix := range 130 {
		for _, limit := range []uint64{1, 9, 10, 12345, MaxInt32, MaxSafeInteger, math.MaxUint64} {
			for _, order := range []order{cheapestFirst, byWindow, numeric} {
				k := asm.Kernels()[prefix%2*(len(asm.Kernels())-1)] // with grids on amd64, or without
				p := newPlan(space{prefix: prefix, bits: 24, limit: limit, order: order}, allKinds(&k)).segments
				widths := map[int]bool{}
				var nonces uint64 // modulo 2^64
				for i, s := range p {
					nonces += s.last - s.first + 1
					if widths[s.width] {
						t.Fatalf("width %d twice", s.width)
					}
					widths[s.width] = true
					if i > 0 && order != cheapestFirst && s.first != p[i-1].last+1 {
						t.Fatalf("prefix %d, limit %d: not in numeric order", prefix, limit)
					}
					if i > 0 && order == cheapestFirst && s.cost < p[i-1].cost {
						t.Fatalf("prefix %d, limit %d: not the cheapest first", prefix, limit)
					}
				}
				if nonces != limit+1 {
					t.Fatalf("prefix %d: %d nonces up to %d", prefix, nonces, limit)
				}
			}
		}
	}
}

// A Solver uses its latest plan again for a search that differs from the latest one only in the
// bytes of the prefix.
func TestLatestPlanIsUsedAgain(t *testing.T) {
	s := mustNew(t, Options{})
	generic, other := allKinds(new(asm.Generic())), allKinds(new(asm.Generic()))
	sp := s.options.space(Puzzle{Prefix: make([]byte, 33), Bits: 24})
	latest := s.plan(sp, generic)
	for _, change := range []func(sp *space, kernels *lineup){
		func(*space, *lineup) {},
		func(sp *space, _ *lineup) { sp.prefix = 49 },
		func(sp *space, _ *lineup) { sp.bits = 40 },
		func(sp *space, _ *lineup) { sp.tried = 4096 },
		func(sp *space, _ *lineup) { sp.order = byWindow },
		func(_ *space, kernels *lineup) { *kernels = other },
		func(_ *space, kernels *lineup) { kernels[grid].opTime = 7 },
	} {
		space, kernels := sp, generic
		change(&space, &kernels)
		p, want := s.plan(space, kernels), s.options.plan(space, kernels)
		if !reflect.DeepEqual(p, want) {
			t.Errorf("%+v; want %+v", p, want)
		}
		if same := &p.segments[0] == &latest.segments[0]; same != (space == sp && kernels == generic) {
			t.Errorf("space %+v: uses the latest plan: %v", space, same)
		}
		latest = s.plan(sp, generic)
	}
}

func TestDefaultLimit(t *testing.T) {
	for _, test := range []struct {
		name         string
		prefix, bits int
		want         uint64
	}{
		{"32 characters", 33, 24, MaxInt32},
		{"64 characters", 65, 24, MaxInt32},
		{"128 characters", 129, 24, MaxInt32},
		{"easy", 33, 0, MaxInt32},
		{"too few nonces for 28 bits", 33, 28, MaxSafeInteger},
		{"far too few", 33, 256, MaxSafeInteger},
		// After 49 bytes, nonces of up to 10 digits need two blocks. Wider ones reach into the
		// second block, so that only that one varies.
		{"48 characters", 49, 24, MaxSafeInteger},
		{"48 characters, few hashes", 49, 12, MaxInt32},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := withDefaultLimit(space{prefix: test.prefix, bits: test.bits}, allKinds(new(asm.Generic())))
			if p.space.limit != test.want || p.why == "" {
				t.Errorf("%d (%s); want %d", p.space.limit, p.why, test.want)
			}
		})
	}
}

// Shards of one search agree on the limit even if their kernels differ.
func TestShardsAgreeOnTheLimit(t *testing.T) {
	wide := asm.Generic()
	wide.Lanes = 1000 // makes small chunks expensive
	for prefix := range 64 {
		sp := space{prefix: prefix, bits: 24, shard: Shard{1, 3}}
		a := withDefaultLimit(sp, allKinds(new(asm.Generic()))).space.limit
		sp.tried = 1000
		b := withDefaultLimit(sp, allKinds(&wide)).space.limit
		if a != b {
			t.Errorf("prefix of %d bytes: %d and %d", prefix, a, b)
		}
	}
}

func TestOdds(t *testing.T) {
	close := func(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Abs(want) }
	for _, test := range []struct{ got, want float64 }{
		{odds{0}.found(0), 0},
		{odds{0}.found(1), 1},
		{odds{1}.found(2), 0.75},
		{odds{24}.found(1 << 24), 1 - math.Pow(1-1.0/(1<<24), 1<<24)},
		{odds{256}.found(1), math.Ldexp(1, -256)},
		{odds{1}.missed(2), 0.25},
		{odds{24}.missed(0), 1},
		{odds{0}.missed(0), 1},
		{odds{0}.missed(1), 0},
		{odds{24}.missed(1 << 30), math.Exp(-64 * (1 + 0x1p-25))},
		{odds{24}.expected(math.Inf(1)), 1 << 24},
		{odds{256}.expected(1000), 1000},
		{odds{0}.expected(1000), 1},
		{odds{1}.expected(2), 1.5},
	} {
		if !close(test.got, test.want) {
			t.Errorf("%v; want %v", test.got, test.want)
		}
	}
}

// A search does not plan to share blocks if its range never holds four chunks that could.
func TestTooFewChunksToShareBlocks(t *testing.T) {
	for _, k := range asm.Kernels() {
		for _, test := range []struct {
			prefix int
			sp     space
			width  int
		}{
			{63, space{limit: MaxInt32}, 10}, // chunks 1 and 2
			{63, space{limit: MaxInt32, shard: Shard{5, 100}}, 9},
			{62, space{limit: MaxInt32, shard: Shard{5, 100}}, 9},
			{63, space{least: 60_000, limit: 99_999}, 5}, // chunks 6 to 9, of 5 to 8 and 9
		} {
			test.sp.prefix, test.sp.bits = test.prefix, 24
			p := newPlan(test.sp, allKinds(&k))
			for i := range p.segments {
				if s := &p.segments[i]; s.width == test.width && s.kind() == sharedBlock {
					t.Errorf("%s, prefix of %d bytes, nonces %d to %d: %v", k.Name, test.prefix, s.first, s.last, s.kind())
				}
			}
		}
	}
}

// By operation count, a sequential search has at least 90 % of the rate of a search of the same
// nonces in any order, even though it tries some nonces above the smallest solution. Unless small
// nonces take two blocks, it also has 90 % of the rate of the default search. After salts of 62
// characters it has less: there the windows of the fastest layout would span 40 million nonces.
func TestWindowsCostLittle(t *testing.T) {
	for _, k := range asm.Kernels() {
		for salt := 16; salt <= 64; salt++ {
			for workers := 1; workers <= 2; workers++ {
				sp := space{prefix: salt + 1, bits: 24, limit: MaxSafeInteger, workers: workers}
				kernels := allKinds(&k)
				free := newPlan(sp, kernels)
				sp.order = byWindow
				ordered := newPlan(sp, kernels)
				ideal, time := ordered.sequentialBound(kernels), ordered.sequentialTime()
				want := 0.9
				if salt == 62 {
					want = 0.7
				}
				if share := ideal / time; share < want {
					t.Errorf("%s, %d characters, %d workers: "+
						"a sequential search has %.1f %% of the rate for the same nonces; want %.0f %%",
						k.Name, salt, workers, 100*share, 100*want)
				}
				if share := free.expectedTime() / time; share < want && (salt < 48 || salt > 57) {
					t.Errorf("%s, %d characters, %d workers: a sequential search has %.1f %% of the rate; want %.0f %%",
						k.Name, salt, workers, 100*share, 100*want)
				}
			}
		}
	}
}
