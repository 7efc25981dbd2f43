package solver

import (
	"context"
	"encoding/binary"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gkpow/gkpow/solver/asm"
	"github.com/gkpow/gkpow/solver/internal/cases"
)

// randomPrefix returns n random bytes.
func randomPrefix(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func mustMidstate(t *testing.T, prefix []byte) midstate {
	t.Helper()
	mid, err := newMidstate(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return mid
}

// checkChunk picks a nonce of a chunk, has kernels scan part of the chunk for the nonce's hash by
// crypto/sha256, and requires that each finds exactly that nonce.
func checkChunk(t *testing.T, list []asm.Kernel, rng *rand.Rand, p Puzzle, c *walk, r row, high uint64) {
	t.Helper()
	seg, low := c.seg, r.low
	base, from, to := seg.chunk(&r, high)
	if from >= to {
		return
	}
	c.seek(high, low)
	c.setBlock()
	pick := func(from, to uint64) uint64 {
		switch rng.IntN(3) {
		case 0:
			return from
		case 1:
			return to - 1
		}
		return from + rng.Uint64N(to-from)
	}
	inner := pick(from, to)
	tail := pick(seg.tailRange(base + inner*seg.innerStride()))
	nonce := base + inner*seg.innerStride() + tail
	digest := p.Hash(nonce)
	c.block.Mask = ^binary.BigEndian.Uint32(digest[:])

	begin := max(from, inner-min(inner, rng.Uint64N(20)))
	words := c.words[begin:min(to, inner+12)]
	want, first, tails := int(inner-begin), uint64(0), c.tails
	scan := func(k *asm.Kernel) int { return k.Scan(&c.block, words) }
	// In rare cases the hash of another nonce has the same bits zero.
	solves := func(got int) bool { return c.solves(p, base+(begin+uint64(got))*seg.innerStride()) }
	if seg.hasTail() {
		first = tail - min(tail, rng.Uint64N(3))
		want, tails = int(tail-first), c.tails[first:min(seg.tailCount(), tail+3)]
		scan = func(k *asm.Kernel) int {
			states := make([]asm.States, 1)
			k.Hash(&c.block, padded(words), states)
			return k.ScanTails(&states[0], tails, c.block.Mask)
		}
		solves = func(got int) bool {
			for value := range uint64(len(words)) {
				if c.solves(p, base+(begin+value)*seg.innerStride()+first+uint64(got)) {
					return true
				}
			}
			return false
		}
		if h0 := binary.BigEndian.Uint32(digest[:]); c.firstWord(c.words[inner], &c.tails[tail]) != h0 {
			t.Fatalf("prefix of %d bytes, layout %+v, chunk %d, %d: nonce %d hashes to %#x; want %#x",
				len(p.Prefix), seg.layout, high, low, nonce, c.firstWord(c.words[inner], &c.tails[tail]), h0)
		}
	}
	for i := range list {
		if got := scan(&list[i]); got != want && !(0 <= got && got < want && solves(got)) {
			t.Fatalf("kernel %s, prefix of %d bytes, layout %+v, chunk %d, %d: found %d; want %d (nonce %d)",
				list[i].Name, len(p.Prefix), seg.layout, high, low, got, want, nonce)
		}
	}
}

// solves reports whether the bits in the mask of c's block are zero in the hash of a nonce.
func (c *cursor) solves(p Puzzle, nonce uint64) bool {
	digest := p.Hash(nonce)
	return binary.BigEndian.Uint32(digest[:])&c.block.Mask == 0
}

// padded returns the words, padded to a length that Hash accepts.
func padded(words []uint32) []uint32 {
	words = slices.Clone(words)
	for len(words)%asm.MaxStates > 0 {
		words = append(words, words[len(words)-1])
	}
	return words
}

// variants yields the layouts for nonces of one width, each with whole chunks in a row and with the
// shortest stretches.
func variants(prefix, width int) iter.Seq[layout] {
	return func(yield func(layout) bool) {
		for whole := range layouts(prefix, width) {
			shortest := whole
			for shortest = range whole.stretches() {
			}
			if !yield(whole) || shortest != whole && !yield(shortest) {
				return
			}
		}
	}
}

// rowOf returns the number of the row that holds a nonce, and the high part of the nonce's chunk.
func rowOf(seg *segment, nonce uint64) (row, high uint64) {
	if seg.inner > 0 {
		high = nonce / seg.highStride()
	}
	return seg.windowOf(nonce)*seg.after() + nonce/seg.tailCount()%seg.after(), high
}

// checkTogether picks a nonce of chunks that are searched together, has kernels scan them for the
// nonce's hash by crypto/sha256, and requires that each finds exactly that nonce.
func checkTogether(t *testing.T, list []asm.Kernel, rng *rand.Rand, p Puzzle, c *walk, row uint64) {
	t.Helper()
	seg := c.seg
	together := seg.together()
	c.next = row
	c.nextRow(math.MaxUint64)
	if c.from == c.to {
		return // too few chunks
	}
	base, from, end, high := c.base, c.from, c.to, c.row.high-together
	c.from = c.to
	mask, firstWord := &c.grid.Mask, c.gridFirstWord
	scan := func(k *asm.Kernel, words []uint32) int { return k.ScanGrid(&c.grid, words) }
	if seg.kind() == sharedBlock {
		mask, firstWord = &c.shared.Mask, c.sharedFirstWord
		scan = func(k *asm.Kernel, words []uint32) int { return k.ScanShared(&c.shared, words) }
	}
	lane, inner := rng.IntN(int(together)), from+rng.Uint64N(end-from)
	nonce := base + inner*seg.innerStride() + uint64(lane)*seg.highStride()
	digest := p.Hash(nonce)
	*mask = ^binary.BigEndian.Uint32(digest[:])
	if got := firstWord(c.words[inner], lane); got != ^*mask {
		t.Fatalf("prefix of %d bytes, layout %+v, chunk %d and %d: nonce %d hashes to %#x; want %#x",
			len(p.Prefix), seg.layout, high, lane, nonce, got, ^*mask)
	}
	begin := max(from, inner-min(inner, rng.Uint64N(20)))
	words := c.words[begin:min(end, inner+12)]
	want := slices.IndexFunc(words, func(word uint32) bool {
		for lane := range int(together) {
			if firstWord(word, lane)&*mask == 0 {
				return true
			}
		}
		return false
	})
	for i := range list {
		if got := scan(&list[i], words); got != want {
			t.Fatalf("kernel %s, prefix of %d bytes, layout %+v, chunk %d and %d: found %d; want %d (nonce %d)",
				list[i].Name, len(p.Prefix), seg.layout, high, lane, got, want, nonce)
		}
	}
}

// Kernels find nonces in every layout: at every offset in a block, of every width, and with every
// word that can vary. The test picks the first chunks, the last ones, and some where many digits
// carry. All kernels search the same walk, since building its chunks takes most of the time.
func TestEveryLayout(t *testing.T) {
	type candidate struct {
		kernel asm.Kernel
		stride int
	}
	var candidates []candidate
	eachKernel(t, func(_ *testing.T, k asm.Kernel) { candidates = append(candidates, candidate{k, thin(k)}) })
	for at := 0; at <= 200; at++ {
		var all, inGrids []asm.Kernel
		for _, c := range candidates {
			if at%c.stride > 0 {
				continue
			}
			all = append(all, c.kernel)
			if c.kernel.Ops.Grid[10] > 0 {
				inGrids = append(inGrids, c.kernel)
			}
		}
		rng := rand.New(rand.NewPCG(uint64(at), 0))
		p := Puzzle{Prefix: randomPrefix(rng, at)}
		mid := mustMidstate(t, p.Prefix)
		for width := 1; width <= maxWidth; width++ {
			for l := range variants(at, width) {
				list, few := all, (at+width)%5 > 0
				if few && at >= 64 && l.tailDigits+l.gridDigits > 0 {
					continue // the same as 64 bytes before
				}
				if few && l.gridDigits > 0 {
					list = inGrids // the others scan chunk by chunk
				}
				if len(list) > 0 {
					checkLayout(t, list, rng, p, &mid, l)
				}
			}
		}
	}
}

func checkLayout(t *testing.T, list []asm.Kernel, rng *rand.Rand, p Puzzle, mid *midstate, l layout) {
	t.Helper()
	first, last, _ := widthRange(l.width, math.MaxUint64)
	seg := &segment{layout: l, first: first, last: last}
	from, to := seg.rows()
	var w walk
	w.begin(mid, seg, mask(32), from, to)
	for _, start := range []uint64{from, max(from, to/10*9-min(2, to)), to - min(3, to-from)} {
		n := uint64(4)
		if l.tailDigits == maxTailDigits && w.tables == nil && rng.IntN(4) > 0 {
			n = 1 // each chunk builds a thousand tails
		}
		for row := start; row < min(start+n, to); row++ {
			r := seg.row(row)
			for high := r.high; high < r.end; high += 1 + rng.Uint64N(7) {
				checkChunk(t, list, rng, p, &w, r, high)
			}
		}
		if l.together() > 1 {
			checkTogether(t, list, rng, p, &w, start)
		}
	}
}

// Seeking from chunk to chunk gives the same message as seeking to the chunk directly.
func TestSeekRewritesWhatChanges(t *testing.T) {
	for at := 0; at < 64; at += cases.Stride() {
		rng := rand.New(rand.NewPCG(1, uint64(at)))
		mid := mustMidstate(t, randomPrefix(rng, at))
		for width := 4; width <= maxWidth; width += 3 {
			for l := range variants(at, width) {
				first, last, _ := widthRange(width, math.MaxUint64)
				seg := &segment{layout: l, first: first, last: last}
				from, to := seg.rows()
				var walking cursor
				walking.enter(&mid, l, mask(32))
				steps := max(40, 1500/seg.tailCount()) // fewer if each builds a thousand tails
				for row := from; row < min(from+steps, to); row++ {
					r := seg.row(row)
					if rng.IntN(50) == 0 { // jump away and back
						r = seg.row(from + rng.Uint64N(to-from))
						row--
					}
					high, low := r.high, r.low
					walking.seek(high, low)
					if rng.IntN(3) == 0 {
						continue // as for a grid
					}
					walking.setBlock()
					if row%37 != 0 && row%100 != 0 && row%1000 != 0 && (seg.tailCount() == 1 || row%10 != 0) {
						continue
					}
					var seeking cursor
					seeking.enter(&mid, l, mask(32))
					seeking.seek(high, low)
					seeking.setBlock()
					if walking.block != seeking.block || walking.message != seeking.message ||
						!slices.Equal(walking.tails, seeking.tails) {
						t.Fatalf("layout %+v: chunk %d, %d reached step by step differs from the same at once:\n%q\n%q",
							l, high, low, walking.message, seeking.message)
					}
				}
			}
		}
	}
}

// The chunks of a segment hold each of its nonces once, wherever it begins and ends.
func TestChunksPartitionTheSegment(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 0))
	for width := 1; width <= 5; width++ {
		for at := 0; at < 64; at += cases.Stride() {
			for l := range variants(at, width) {
				first, last, _ := widthRange(width, math.MaxUint64)
				a, b := first+rng.Uint64N(last-first+1), first+rng.Uint64N(last-first+1)
				for _, r := range [][2]uint64{{first, last}, {min(a, b), max(a, b)}, {a, a}} {
					seg := &segment{layout: l, first: r[0], last: r[1]}
					seen := make([]bool, r[1]-r[0]+1)
					count := 0
					from, to := seg.rows()
					for row := from; row < to; row++ {
						least := seg.least(row)
						r := seg.row(row)
						for high := r.high; high < r.end; high++ {
							base, i, to := seg.chunk(&r, high)
							for ; i < to; i++ {
								nonce := base + i*seg.innerStride()
								for tail, last := seg.tailRange(nonce); tail < last; tail++ {
									nonce := nonce + tail
									if nonce < least {
										t.Fatalf("layout %+v: nonce %d is in row %d, from %d on", l, nonce, row, least)
									}
									if nonce < seg.first || nonce > seg.last || seen[nonce-seg.first] {
										t.Fatalf("layout %+v, %d to %d: nonce %d is outside or twice in the chunks",
											l, seg.first, seg.last, nonce)
									}
									seen[nonce-seg.first] = true
									count++
								}
							}
						}
					}
					if count != len(seen) {
						t.Fatalf("layout %+v: chunks of %d to %d hold %d nonces", l, r[0], r[1], count)
					}
				}
			}
		}
	}
}

// The largest 64-bit nonce is the last one in the chunk of its outer digits.
func TestChunksAtTheLimit(t *testing.T) {
	for at := range 64 {
		for l := range variants(at, maxWidth) {
			const last = uint64(math.MaxUint64)
			seg := &segment{layout: l, first: last - 5000, last: last}
			_, to := seg.rows()
			number, high := rowOf(seg, last)
			if number >= to {
				t.Fatalf("layout %+v: row %d of %d", l, number, to)
			}
			r := seg.row(number)
			base, from, end := seg.chunk(&r, high)
			if from >= end {
				t.Fatalf("layout %+v: chunk %d, %d is empty", l, high, r.low)
			}
			nonce := base + (end-1)*seg.innerStride()
			if tail, n := seg.tailRange(nonce); tail >= n || nonce+n-1 != last {
				t.Errorf("layout %+v: row %d ends with %d + [%d, %d); want it to end with %d",
					l, number, nonce, tail, n, last)
			}
		}
	}
}

func TestMidstateChecksTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newMidstate(ctx, make([]byte, 64)); err == nil {
		t.Error("newMidstate ignored a context that had ended")
	}
}

// The first and the last nonce of every segment are searched, even if the segment holds nothing
// else.
func TestEndsOfSegments(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		for at := 0; at < 64; at += thin(k) {
			p := Puzzle{Prefix: randomPrefix(rand.New(rand.NewPCG(3, uint64(at))), at)}
			mid := mustMidstate(t, p.Prefix)
			for _, seg := range newPlan(space{prefix: at, limit: math.MaxUint64}, allKinds(&k)).segments {
				for _, nonce := range []uint64{seg.first, seg.last} {
					digest := p.Hash(nonce)
					alone := seg
					alone.first, alone.last = nonce, nonce
					found := 0
					var c cursor
					c.enter(&mid, alone.layout, mask(32))
					row, high := rowOf(&alone, nonce)
					if from, to := alone.rows(); row < from || row >= to {
						t.Fatalf("prefix of %d bytes, %+v: nonce %d is in row %d; there are %d to %d",
							at, seg.layout, nonce, row, from, to)
					}
					r := alone.row(row)
					for highs := r.high; highs < r.end; highs++ {
						base, first, last := alone.chunk(&r, highs)
						if first >= last {
							continue
						}
						if highs != high {
							t.Fatalf("prefix of %d bytes, %+v: nonce %d is in chunk %d and %d",
								at, seg.layout, nonce, highs, high)
						}
						c.seek(high, r.low)
						c.setBlock()
						c.block.Mask = ^binary.BigEndian.Uint32(digest[:])
						at, i := base+first*alone.innerStride(), -1
						if alone.hasTail() {
							states := make([]asm.States, 1)
							k.Hash(&c.block, padded(c.words[first:last]), states)
							tail, end := alone.tailRange(at)
							i = k.ScanTails(&states[0], c.tails[tail:end], c.block.Mask)
							at += tail
						} else {
							i = k.Scan(&c.block, c.words[first:last])
						}
						if i == 0 && at == nonce && last-first == 1 {
							found++
						}
					}
					if found != 1 {
						t.Fatalf("prefix of %d bytes, %+v: nonce %d found %d times", at, seg.layout, nonce, found)
					}
				}
			}
		}
	})
}

// A walk searches chunks in grids, except those left over.
func TestGridsAreWhole(t *testing.T) {
	seg := &segment{
		layout: layout{width: 8, at: 33, blocks: 1, inner: 3, count: 3, gridDigits: 2},
		first:  10_000_000, last: 99_999_999,
	}
	mid := midstate{rest: make([]byte, 33), length: 33}
	var w walk
	from, to := seg.rows()
	w.begin(&mid, seg, mask(32), from, to)
	count := map[kind]int{}
	for w.more(math.MaxUint64) {
		count[w.kind]++
		w.from = w.to
	}
	want := map[kind]int{grid: 900 * 6, oneBlock: 900 * 4}
	if count[grid] != want[grid] || count[oneBlock] != want[oneBlock] {
		t.Errorf("%v; want %v", count, want)
	}
}

// A segment knows how many of its nonces a walk searches chunk by chunk although the layout is for
// chunks that are searched together.
func TestLeftOver(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 0))
	for range 300 / cases.Stride() {
		at, width := rng.IntN(64), 3+rng.IntN(3)
		mid := mustMidstate(t, randomPrefix(rng, at))
		for l := range layouts(at, width) {
			if l.together() == 1 {
				continue
			}
			first, last, _ := widthRange(width, math.MaxUint64)
			stride := l.highStride()
			from := first/stride + rng.Uint64N((last-first)/stride+1) // the first chunk
			chunks := 1 + rng.Uint64N(last/stride-from+1)
			seg := &segment{layout: l, first: max(first, from*stride), last: (from+chunks)*stride - 1}
			var w walk
			begin, end := seg.rows()
			w.begin(&mid, seg, mask(32), begin, end)
			nonces := map[kind]uint64{}
			for w.more(math.MaxUint64) {
				p := w.piece(1 << 20)
				nonces[p.kind] += p.hashes()
			}
			want := float64(nonces[oneBlock]) / seg.nonces()
			if got, _ := seg.leftOver(); math.Abs(got-want) > 1e-9 {
				t.Fatalf("layout %+v, nonces %d to %d: %.4f of the nonces are left over; want %.4f",
					l, seg.first, seg.last, got, want)
			}
		}
	}
}

// The pieces of a walk hold each nonce of its rows once, whatever their size.
func TestPiecesPartitionTheSegment(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	for at := 0; at < 64; at += cases.Stride() {
		mid := mustMidstate(t, randomPrefix(rng, at))
		for width := 3; width <= 5; width++ {
			for l := range variants(at, width) {
				first, last, _ := widthRange(width, math.MaxUint64)
				seg := &segment{layout: l, first: first + rng.Uint64N(50), last: last - rng.Uint64N(50)}
				seen := make([]bool, last-first+1)
				var w walk
				from, to := seg.rows()
				w.begin(&mid, seg, mask(32), from, to)
				most := 1 + rng.Uint64N(1<<rng.IntN(13))
				for w.more(math.MaxUint64) {
					p := w.piece(most)
					if hashes := p.hashes(); hashes == 0 || hashes > max(most, asm.MaxStates) {
						t.Fatalf("layout %+v: a piece of %d hashes; want 1 to %d", l, hashes, most)
					}
					for p.hashes() > 0 {
						for step := range p.steps() {
							for lane := range p.lanes() {
								nonce := p.nonce(step, lane)
								if seen[nonce-first] || nonce < p.base {
									t.Fatalf("layout %+v: nonce %d twice, or below %d", l, nonce, p.base)
								}
								seen[nonce-first] = step <= p.steps()/2
							}
						}
						p.skip(p.steps()/2 + 1)
					}
				}
				for i, seen := range seen {
					nonce := first + uint64(i)
					if want := nonce >= seg.first && nonce <= seg.last; seen != want {
						t.Fatalf("layout %+v, %d to %d: nonce %d seen: %v", l, seg.first, seg.last, nonce, seen)
					}
				}
			}
		}
	}
}

// After a solution, a walk still holds each nonce below it once, but no chunk above it in the rows
// that it begins.
func TestWalkLeavesOutChunksAboveASolution(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	for at := 0; at < 64; at += cases.Stride() {
		mid := mustMidstate(t, randomPrefix(rng, at))
		for width := 3; width <= 6; width++ {
			for l := range layouts(at, width) {
				if l.together() > 1 {
					checkWalkAfterSolution(t, rng, &mid, l)
				}
			}
		}
	}
}

func checkWalkAfterSolution(t *testing.T, rng *rand.Rand, mid *midstate, l layout) {
	t.Helper()
	first, last, _ := widthRange(l.width, math.MaxUint64)
	seg := &segment{layout: l, first: first, last: last}
	solution := first + rng.Uint64N(last-first+1)
	seen := make([]bool, solution+1)
	from, to := seg.rows()
	foundIn := from + rng.Uint64N(seg.windowOf(solution)*seg.after()+1-from) // the row in which it is found
	var w walk
	w.begin(mid, seg, mask(32), from, to)
	for beyond := uint64(math.MaxUint64); w.more(beyond); {
		p := w.piece(1 << 20)
		for lane := range p.lanes() {
			if high := p.nonce(0, lane) / seg.highStride(); w.next > foundIn+1 && high > solution/seg.highStride() {
				t.Fatalf("layout %+v, solution %d: row %d holds chunk %d", l, solution, w.next-1, high)
			}
			for step := range p.steps() {
				nonce := p.nonce(step, lane)
				if nonce > solution {
					continue
				}
				if seen[nonce] {
					t.Fatalf("layout %+v: nonce %d twice", l, nonce)
				}
				seen[nonce] = true
			}
		}
		if w.next > foundIn {
			beyond = solution
		}
	}
	if missing := slices.Index(seen[first:], false); missing >= 0 {
		t.Fatalf("layout %+v, solution %d: nonce %d is missing", l, solution, first+uint64(missing))
	}
}

// A cursor does not overwrite a shared table of tails when it enters a segment for which it builds
// its own tails, even of the same size.
func TestSharedTailsStay(t *testing.T) {
	prefix := make([]byte, 61)
	mid := mustMidstate(t, prefix)
	segmentOf := func(width int) *segment {
		all := slices.Collect(layouts(len(prefix), width))
		i := slices.IndexFunc(all, func(l layout) bool { return l.tailDigits == maxTailDigits })
		first, last, _ := widthRange(width, math.MaxUint64)
		return &segment{layout: all[i], first: first, last: last}
	}
	var c cursor
	c.enter(&mid, segmentOf(6).layout, mask(32)) // all three digits of its second block vary
	if c.tables == nil {
		t.Fatal("the second block has digits outside the tail")
	}
	shared, before := c.tails, slices.Clone(c.tails)

	wide := segmentOf(7)
	c.enter(&mid, wide.layout, mask(32))
	r := wide.row(1)
	c.seek(r.high, r.low)
	if c.tables != nil || len(c.tails) != len(shared) {
		t.Fatal("the other segment does not build as many tails of its own")
	}
	if !slices.Equal(shared, before) {
		t.Error("the shared table has changed")
	}
}
