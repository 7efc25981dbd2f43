package solver

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gkpow/gkpow/solver/asm"
)

// randomPrefix returns n bytes of any value.
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

// checkChunk scans part of a chunk with a kernel for the hash of one of its
// nonces, which crypto/sha256 computes, and wants exactly that nonce.
func checkChunk(t *testing.T, k asm.Kernel, rng *rand.Rand, p Puzzle, c *cursor, number uint64) {
	t.Helper()
	seg := c.seg
	base, from, to := seg.chunk(number)
	if from >= to {
		return
	}
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
	tail := pick(seg.tailRange(base + inner*seg.step()))
	nonce := base + inner*seg.step() + tail
	digest := p.Hash(nonce)
	c.block.Mask = ^binary.BigEndian.Uint32(digest[:])

	begin := max(from, inner-min(inner, rng.Uint64N(20)))
	words := c.words[begin:min(to, inner+12)]
	got, want := -1, int(inner-begin)
	if seg.tail() {
		first := tail - min(tail, rng.Uint64N(3))
		states := make([]asm.States, 1)
		k.Hash(&c.block, new(hashed).pad(words), states)
		got, want = k.ScanTails(&states[0], c.tails[first:min(seg.unit(), tail+3)], c.block.Mask), int(tail-first)
		// Rarely another nonce has the same bits zero.
		for i := first; got >= 0 && got < want && i <= first+uint64(got); i++ {
			for value := range uint64(len(words)) {
				other := p.Hash(base + (begin+value)*seg.step() + i)
				if binary.BigEndian.Uint32(other[:])&c.block.Mask == 0 {
					return
				}
			}
		}
		if h0 := binary.BigEndian.Uint32(digest[:]); c.firstWord(c.words[inner], &c.tails[tail]) != h0 {
			t.Fatalf("prefix of %d bytes, layout %+v, chunk %d: nonce %d hashes to %#x; want %#x",
				len(p.Prefix), seg.layout, number, nonce, c.firstWord(c.words[inner], &c.tails[tail]), h0)
		}
	} else if got = k.Scan(&c.block, words); got >= 0 && got < want {
		other := p.Hash(base + (begin+uint64(got))*seg.step())
		if binary.BigEndian.Uint32(other[:])&c.block.Mask == 0 {
			return
		}
	}
	if got != want {
		t.Fatalf("prefix of %d bytes, layout %+v, chunk %d: found %d; want %d (nonce %d)",
			len(p.Prefix), seg.layout, number, got, want, nonce)
	}
}

// numberOf returns the number of the chunk with a nonce.
func numberOf(seg *segment, nonce uint64) uint64 {
	run, before := pow10[seg.lanes], uint64(0)
	if seg.inner > 0 {
		before = nonce / seg.stride()
	}
	return (before/run*seg.after()+nonce/seg.unit()%seg.after())*run + before%run
}

// checkGrid scans chunks together, those around the one with a number, for the hash of
// one of their nonces, which crypto/sha256 computes, and wants exactly that one.
func checkGrid(t *testing.T, k asm.Kernel, rng *rand.Rand, p Puzzle, c *cursor, number uint64) {
	t.Helper()
	seg := c.seg
	number -= number % pow10[seg.lanes] % asm.GridLanes
	_, to := seg.chunks()
	base, from, end, ok := seg.grid(number, to)
	if !ok {
		return
	}
	lane, inner := rng.IntN(asm.GridLanes), from+rng.Uint64N(end-from)
	nonce := base + inner*seg.step() + uint64(lane)*seg.stride()
	digest := p.Hash(nonce)
	c.seek(number)
	c.setGrid()
	c.grid.Mask = ^binary.BigEndian.Uint32(digest[:])
	if got := c.gridFirstWord(c.words[inner], lane); got != ^c.grid.Mask {
		t.Fatalf("prefix of %d bytes, layout %+v, chunk %d and %d: nonce %d hashes to %#x; want %#x",
			len(p.Prefix), seg.layout, number, lane, nonce, got, ^c.grid.Mask)
	}
	begin := max(from, inner-min(inner, rng.Uint64N(20)))
	words := c.words[begin:min(end, inner+12)]
	want := slices.IndexFunc(words, func(word uint32) bool {
		for lane := range c.grid.Lanes {
			if c.gridFirstWord(word, lane)&c.grid.Mask == 0 {
				return true
			}
		}
		return false
	})
	if got := k.ScanGrid(&c.grid, words); got != want {
		t.Fatalf("prefix of %d bytes, layout %+v, chunk %d and %d: found %d; want %d (nonce %d)",
			len(p.Prefix), seg.layout, number, lane, got, want, nonce)
	}
}

// Every place in a block where a nonce may begin, every width, and every word
// that may vary: the first chunks, the last ones, and those where many digits
// carry.
func TestEveryLayout(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		for at := 0; at <= 200; at += thin(k) {
			rng := rand.New(rand.NewPCG(uint64(at), 0))
			p := Puzzle{Prefix: randomPrefix(rng, at)}
			mid := mustMidstate(t, p.Prefix)
			for width := 1; width <= maxWidth; width++ {
				for _, l := range layouts(at, width) {
					if at >= 64 && l.tails > 0 && (at+width)%5 > 0 {
						continue // the same as 64 bytes before
					}
					if l.lanes > 0 && (at >= 64 || k.Ops.Grid[1] == 0) && (at+width)%5 > 0 {
						continue // the same as 64 bytes before, or for other kernels
					}
					first, last, _ := widthRange(width, math.MaxUint64)
					seg := &segment{layout: l, first: first, last: last}
					from, to := seg.chunks()
					var c cursor
					c.enter(&mid, seg, 32)
					for _, start := range []uint64{from, max(from, to/10*9-min(2, to)), to - min(3, to-from)} {
						n := uint64(4)
						if l.tails == maxTails && c.ownTails() && rng.IntN(4) > 0 {
							n = 1 // each makes a thousand tails
						}
						c.seek(start)
						for number := start; number < min(start+n, to); number++ {
							if number > start {
								c.next()
							}
							checkChunk(t, k, rng, p, &c, number)
						}
						if l.lanes > 0 {
							checkGrid(t, k, rng, p, &c, start)
						}
					}
				}
			}
		}
	})
}

// Going to the next chunk is the same as seeking it.
func TestNextIsSeek(t *testing.T) {
	for at := range 64 {
		prefix := randomPrefix(rand.New(rand.NewPCG(1, uint64(at))), at)
		mid := mustMidstate(t, prefix)
		for width := 4; width <= maxWidth; width += 3 {
			for _, l := range layouts(at, width) {
				first, last, _ := widthRange(width, math.MaxUint64)
				seg := &segment{layout: l, first: first, last: last}
				from, to := seg.chunks()
				var walking, seeking cursor
				walking.enter(&mid, seg, 32)
				seeking.enter(&mid, seg, 32)
				walking.seek(from)
				steps := max(40, 1500/seg.unit()) // where each makes a thousand tails, some will do
				for number := from; number < min(from+steps, to); number++ {
					if number > from {
						walking.next()
					}
					if number%37 != 0 && number%100 != 0 && number%1000 != 0 && (seg.unit() == 1 || number%10 != 0) {
						continue
					}
					seeking.seek(number)
					if walking.block != seeking.block || walking.message != seeking.message ||
						!slices.Equal(walking.tails, seeking.tails) {
						t.Fatalf("layout %+v: chunk %d reached by next differs from seek:\n%q\n%q",
							l, number, walking.message, seeking.message)
					}
				}
			}
		}
	}
}

// The chunks of a segment hold each of its nonces once, wherever it begins and
// ends.
func TestChunksPartitionTheSegment(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 0))
	for width := 1; width <= 5; width++ {
		for at := range 64 {
			for _, l := range layouts(at, width) {
				first, last, _ := widthRange(width, math.MaxUint64)
				a, b := first+rng.Uint64N(last-first+1), first+rng.Uint64N(last-first+1)
				for _, r := range [][2]uint64{{first, last}, {min(a, b), max(a, b)}, {a, a}} {
					seg := &segment{layout: l, first: r[0], last: r[1]}
					var nonces []uint64
					from, to := seg.chunks()
					for number := from; number < to; number++ {
						base, i, end := seg.chunk(number)
						for ; i < end; i++ {
							nonce := base + i*seg.step()
							for tail, last := seg.tailRange(nonce); tail < last; tail++ {
								nonces = append(nonces, nonce+tail)
							}
						}
					}
					slices.Sort(nonces)
					if n := r[1] - r[0] + 1; uint64(len(nonces)) != n || nonces[0] != r[0] ||
						nonces[n-1] != r[1] || len(slices.Compact(nonces)) != int(n) {
						t.Fatalf("layout %+v: chunks of %d to %d hold %d nonces", l, r[0], r[1], len(nonces))
					}
				}
			}
		}
	}
}

// The largest nonce of 64 bits is the last one of the chunk of its outer digits.
func TestChunksAtTheLimit(t *testing.T) {
	for at := range 64 {
		for _, l := range layouts(at, maxWidth) {
			const last = uint64(math.MaxUint64)
			seg := &segment{layout: l, first: last - 5000, last: last}
			_, to := seg.chunks()
			number := numberOf(seg, last)
			if number >= to {
				t.Fatalf("layout %+v: chunk %d of %d", l, number, to)
			}
			base, from, end := seg.chunk(number)
			if from >= end {
				t.Fatalf("layout %+v: chunk %d is empty", l, number)
			}
			nonce := base + (end-1)*seg.step()
			if tail, n := seg.tailRange(nonce); tail >= n || nonce+n-1 != last {
				t.Errorf("layout %+v: chunk %d ends with %d + [%d, %d); want it to end with %d", l, number, nonce, tail, n, last)
			}
		}
	}
}

func TestMidstateLooksAtTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newMidstate(ctx, make([]byte, 64)); err == nil {
		t.Error("a context that ended went unnoticed")
	}
}

// The first and the last nonce of every segment are searched: each is the only
// one that is left to search.
func TestEndsOfSegments(t *testing.T) {
	eachKernel(t, func(t *testing.T, k asm.Kernel) {
		for at := range 64 {
			p := Puzzle{Prefix: randomPrefix(rand.New(rand.NewPCG(3, uint64(at))), at)}
			mid := mustMidstate(t, p.Prefix)
			for _, seg := range newPlan(space{prefix: at, limit: math.MaxUint64}, k) {
				for _, nonce := range []uint64{seg.first, seg.last} {
					digest := p.Hash(nonce)
					alone := seg
					alone.first, alone.last = nonce, nonce
					found := 0
					var c cursor
					c.enter(&mid, &alone, 32)
					from, to := alone.chunks()
					if number := numberOf(&alone, nonce); from <= number && number < to {
						from, to = number, number+1
					}
					for number := from; number < to; number++ {
						base, first, last := alone.chunk(number)
						if first >= last {
							continue
						}
						c.seek(number)
						c.block.Mask = ^binary.BigEndian.Uint32(digest[:])
						at, i := base+first*alone.step(), -1
						if alone.tail() {
							states := make([]asm.States, 1)
							k.Hash(&c.block, new(hashed).pad(c.words[first:last]), states)
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

// Parts of a segment do not cut through chunks that are searched together: there
// are as many grids as in one part.
func TestPartsKeepGridsWhole(t *testing.T) {
	grids := func(nonces uint64) (n int) {
		seg := &segment{layout: layout{width: 8, at: 33, blocks: 1, inner: 3, count: 3, lanes: 2}, first: 10_000_000, last: 99_999_999}
		from, to := seg.chunks()
		for from < to {
			end := seg.part(from, to, nonces)
			if end <= from || end > to {
				t.Fatalf("the part of chunks %d to %d ends with %d", from, to, end)
			}
			for ; from < end; from++ {
				if _, _, _, ok := seg.grid(from, end); ok {
					n++
					from += asm.GridLanes - 1
				}
			}
		}
		return n
	}
	want := grids(100_000_000)
	for _, nonces := range []uint64{1, 8192, 500_000} {
		if got := grids(nonces); got != want || got != 900*6 {
			t.Errorf("parts of %d nonces: %d grids; want %d", nonces, got, want)
		}
	}
}

// A table of tails that others may use is not written over by a cursor that goes on
// to a segment for which it makes its own, of the same size.
func TestSharedTailsStay(t *testing.T) {
	prefix := make([]byte, 61)
	mid := mustMidstate(t, prefix)
	segmentOf := func(width int) *segment {
		all := layouts(len(prefix), width)
		i := slices.IndexFunc(all, func(l layout) bool { return l.tails == maxTails })
		first, last, _ := widthRange(width, math.MaxUint64)
		return &segment{layout: all[i], first: first, last: last}
	}
	var c cursor
	c.enter(&mid, segmentOf(6), 32) // all three digits of its second block vary
	if c.ownTails() {
		t.Fatal("the digits of the second block are not all in the tail")
	}
	shared, before := c.tails, slices.Clone(c.tails)

	wide := segmentOf(7)
	c.enter(&mid, wide, 32)
	from, _ := wide.chunks()
	c.seek(from)
	if !c.ownTails() || len(c.tails) != len(shared) {
		t.Fatal("the other segment does not make as many tails of its own")
	}
	if !slices.Equal(shared, before) {
		t.Error("the table that others use has changed")
	}
}
