package asm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// A self-test plants a single hit in each lane and chain in turn and checks that the
// kernel finds it. It uses the complement of the expected hash word as the mask. Each
// varying word selects its own code in each function, and a search uses few of these
// parts, so each part has its own test. The messages are random, since the zero words
// of real padding would hide faults.

// SelfTest tests all parts of the kernel: it runs SelfTestScan and SelfTestTails for
// each word, SelfTestGrid for each word that can be the second of a grid, and
// SelfTestShared. It takes a few milliseconds.
func (k Kernel) SelfTest() error {
	for vary := range 16 {
		if err := k.SelfTestScan(vary); err != nil {
			return err
		}
		if err := k.SelfTestTails(vary); err != nil {
			return err
		}
	}
	for vary := 1; vary <= 13; vary++ {
		if k.Ops.Grid[vary] == 0 {
			continue // the kernel scans grids chunk by chunk
		}
		if err := k.SelfTestGrid(vary); err != nil {
			return err
		}
	}
	return k.SelfTestShared()
}

// SelfTestScan tests Scan for blocks in which word vary varies, 0 to 15. It takes about
// 0.1 ms. The error names the call that failed, what it returned and what it should
// have returned. The CPU must be able to run the kernel.
func (k Kernel) SelfTestScan(vary int) error {
	p, err := newPlanter(vary)
	if err != nil {
		return err
	}
	b, words := p.block(3*k.Lanes + 5)
	h0 := make([]uint32, len(words))
	for i, word := range words {
		h0[i] = p.hash(b, word)[0]
	}
	scan := func(from, to int, mask uint32, want int) error {
		b.Mask = mask
		got := k.Scan(b, words[from:to])
		if agree(got, want, to-from, func(i int) bool { return h0[from+i]&mask == 0 }) {
			return nil
		}
		return fmt.Errorf("self-test: Scan(word %d, mask %#x, candidates [%d, %d)) = %d; want %d",
			vary, mask, from, to, got, want)
	}
	for i := range words {
		if err := scan(0, len(words), ^h0[i], i); err != nil {
			return err
		}
	}
	// Test ranges of every length up to two steps. The hit is the word after the range,
	// which must not be found, and then the last word of the range.
	for n := range 2*k.Lanes + 2 {
		from := n % (k.Lanes + 3)
		if err := scan(from, from+n, ^h0[from+n], -1); err != nil {
			return err
		}
		if err := scan(from, from+n+1, ^h0[from+n], n); err != nil {
			return err
		}
	}
	if err := scan(0, len(words), ^uint32(0), -1); err != nil {
		return err
	}
	return scan(0, len(words), 0, 0)
}

// SelfTestTails tests Hash, for blocks in which word vary varies, 0 to 15, and ScanTails
// on the results. It takes about 0.2 ms. See SelfTestScan for its error.
func (k Kernel) SelfTestTails(vary int) error {
	p, err := newPlanter(vary)
	if err != nil {
		return err
	}
	b, words := p.block(MaxHash)
	hashes := make([][8]uint32, len(words))
	for i, word := range words {
		hashes[i] = p.hash(b, word)
	}
	tails := make([]Tail, 5)
	for i := range tails {
		block := p.words()
		tails[i].Set(&block)
	}
	scan := func(s *States, hashes [][8]uint32, tails []Tail, mask uint32, want int) error {
		got := k.ScanTails(s, tails, mask)
		if agree(got, want, len(tails), func(i int) bool {
			for j := range hashes {
				if tails[i].FirstWord(&hashes[j])&mask == 0 {
					return true
				}
			}
			return false
		}) {
			return nil
		}
		return fmt.Errorf("self-test: ScanTails(word %d, mask %#x, %d tails) = %d; want %d",
			vary, mask, len(tails), got, want)
	}
	states := make([]States, MaxHash/MaxStates)
	for n := MaxHash; n >= MaxStates; n /= 2 {
		// Each call starts at a different word, so that results left by the call before
		// cannot pass.
		hashes := hashes[MaxHash-n:]
		k.Hash(b, words[MaxHash-n:], states[:n/MaxStates])
		for i := range hashes {
			if i >= MaxStates && i < MaxHash-MaxStates && i%5 != 0 {
				continue // these come from the same loop, so every fifth is enough
			}
			group, tail := i/MaxStates, i%len(tails)
			mask := ^tails[tail].FirstWord(&hashes[i])
			inGroup := hashes[MaxStates*group:][:MaxStates]
			if err := scan(&states[group], inGroup, tails[tail:tail+1], mask, 0); err != nil {
				return err
			}
		}
	}
	// Each of several tails is searched, and none past the end.
	s, hashes := &states[0], hashes[MaxHash-MaxStates:]
	for i := range hashes {
		tail := i % len(tails)
		mask := ^tails[tail].FirstWord(&hashes[i])
		if err := scan(s, hashes, tails, mask, tail); err != nil {
			return err
		}
		if err := scan(s, hashes, tails[:tail], mask, -1); err != nil {
			return err
		}
	}
	if err := scan(s, hashes, tails, ^uint32(0), -1); err != nil {
		return err
	}
	return scan(s, hashes, tails, 0, 0)
}

// SelfTestGrid tests ScanGrid for grids in which word vary, 1 to 13, is the second that
// varies. It takes about 0.2 ms. For kernels that scan grids chunk by chunk it runs
// SelfTestScan instead. See SelfTestScan for its error.
func (k Kernel) SelfTestGrid(vary int) error {
	if k.Ops.Grid[vary] == 0 {
		return k.SelfTestScan(vary)
	}
	p, err := newPlanter(vary)
	if err != nil {
		return err
	}
	b, words := p.block(GridLanes + 5)
	g := &Grid{State: b.State, Words: b.Words, Vary: vary}
	varying := p.rng.Uint32()
	g.Words[vary-1] &^= varying
	for i := range g.Lanes {
		g.Lanes[i] = p.rng.Uint32() & varying
	}
	g.Prepare()
	steps := planted{
		n: len(words), lanes: GridLanes,
		h0: func(step, lane int) uint32 {
			b.Words[vary-1] = g.Words[vary-1] | g.Lanes[lane]
			return p.hash(b, words[step])[0]
		},
		scan: func(from, to int, mask uint32) int {
			g.Mask = mask
			return k.ScanGrid(g, words[from:to])
		},
		name: fmt.Sprintf("ScanGrid(word %d, ", vary),
	}
	for lane := range GridLanes {
		for _, step := range [...]int{lane, len(words) - 1} {
			if err := steps.find(step, lane); err != nil {
				return err
			}
		}
	}
	return steps.testRanges(GridLanes + 3)
}

// SelfTestShared tests ScanShared. It takes about 0.1 ms. See SelfTestScan for its error.
func (k Kernel) SelfTestShared() error {
	p, err := newPlanter(0)
	if err != nil {
		return err
	}
	b, words := p.block(sharedStep + 5)
	s := &Shared{Words: b.Words}
	for i := range s.States {
		s.States[i] = p.state()
	}
	steps := planted{
		n: len(words), lanes: SharedStates,
		h0: func(step, chunk int) uint32 {
			b.State = s.States[chunk]
			return p.hash(b, words[step])[0]
		},
		scan: func(from, to int, mask uint32) int {
			s.Mask = mask
			return k.ScanShared(s, words[from:to])
		},
		name: "ScanShared(",
	}
	for step := range words {
		for chunk := range SharedStates {
			if err := steps.find(step, chunk); err != nil {
				return err
			}
		}
	}
	return steps.testRanges(sharedStep + 3)
}

// sharedStep is the most words that any kernel's ScanShared hashes in one step.
const sharedStep = 16

// planted holds the steps of a function that scans several chunks, one per lane, and their hashes.
type planted struct {
	n, lanes int                                 // numbers of steps and lanes
	h0       func(step, lane int) uint32         // the first word of the hash
	scan     func(from, to int, mask uint32) int // calls the function for the steps [from, to)
	name     string                              // of the function, with the start of its arguments
}

// test scans steps, and returns an error unless the result is right.
func (p *planted) test(from, to int, mask uint32, want int) error {
	got := p.scan(from, to, mask)
	if agree(got, want, to-from, func(i int) bool {
		for lane := range p.lanes {
			if p.h0(from+i, lane)&mask == 0 {
				return true
			}
		}
		return false
	}) {
		return nil
	}
	return fmt.Errorf("self-test: %smask %#x, candidates [%d, %d)) = %d; want %d", p.name, mask, from, to, got, want)
}

// find tests that a scan of all steps finds the hit in a step and lane.
func (p *planted) find(step, lane int) error { return p.test(0, p.n, ^p.h0(step, lane), step) }

// testRanges tests ranges of every length below limit, as in SelfTestScan, and no hit and all hits.
func (p *planted) testRanges(limit int) error {
	for n := range limit {
		from, lane := n%2, 5*n%p.lanes
		if err := p.test(from, from+n, ^p.h0(from+n, lane), -1); err != nil {
			return err
		}
		if err := p.test(from, from+n+1, ^p.h0(from+n, lane), n); err != nil {
			return err
		}
	}
	if err := p.test(0, p.n, ^uint32(0), -1); err != nil {
		return err
	}
	return p.test(0, p.n, 0, 0)
}

// agree reports whether got, the result of a kernel for n candidates, is right. It accepts
// want and also any earlier hit, since another hash may have the same zero bits by chance.
func agree(got, want, n int, hit func(i int) bool) bool {
	return got == want || 0 <= got && got < n && (want < 0 || got < want) && hit(got)
}

// A planter generates the blocks of a self-test, the same ones every time, and computes
// their hash values.
type planter struct {
	rng  *rand.Rand
	vary int
}

// newPlanter returns a planter for blocks in which word vary varies. The planter relies on
// Compress, so newPlanter first compares Compress with crypto/sha256 and returns an error if
// they disagree.
func newPlanter(vary int) (*planter, error) {
	p := &planter{rng: rand.New(rand.NewPCG(uint64(vary), 0)), vary: vary}
	const length = 55 // bytes, which the padding extends to one block
	block := p.words()
	block[13] = block[13]&^0xff | 0x80
	block[14], block[15] = 0, 8*length
	var message [64]byte
	for i, word := range block {
		binary.BigEndian.PutUint32(message[4*i:], word)
	}
	digest := sha256.Sum256(message[:length])
	for i, word := range Compress(&IV, &block) {
		if word != binary.BigEndian.Uint32(digest[4*i:]) {
			return nil, errors.New("self-test: Compress and crypto/sha256 disagree")
		}
	}
	return p, nil
}

// words returns a random message block.
func (p *planter) words() (words [16]uint32) {
	for i := range words {
		words[i] = p.rng.Uint32()
	}
	return words
}

// state returns a random hash value.
func (p *planter) state() [8]uint32 {
	words := p.words()
	return [8]uint32(words[:8])
}

// block returns a block to search and n values for its varying word.
func (p *planter) block(n int) (*Block, []uint32) {
	b := &Block{State: p.state(), Words: p.words(), Vary: p.vary}
	varying := p.rng.Uint32()
	b.Words[p.vary] &^= varying
	b.Prepare(0)
	words := make([]uint32, n)
	for i := range words {
		words[i] = p.rng.Uint32() & varying
	}
	return b, words
}

// hash returns the hash value after the block whose varying word is OR-ed with word.
func (p *planter) hash(b *Block, word uint32) [8]uint32 {
	block := b.Words
	block[p.vary] |= word
	return Compress(&b.State, &block)
}
