package asm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// A self-test plants a lone hit in one lane or chain after the other and has the
// kernel find it: the mask is the complement of the hash to be found. Each word
// that varies selects code of its own in each function, and a search runs little of
// all that, so each such part has a test of its own. Messages are random, since
// words that are zero, as in real padding, would hide faults.

// SelfTest tests all parts of the kernel: it runs SelfTestScan and SelfTestTails for
// all words that can vary, and SelfTestGrid for those that can be the second in a
// grid. It takes some milliseconds.
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
	return nil
}

// SelfTestScan tests Scan for blocks in which the given word varies, 0 to 15. It
// takes about 0.1 ms. The error says which call returned what. The CPU must be able
// to run the kernel.
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
		return fmt.Errorf("self-test: Scan(word %d, mask %#x, %d to %d) = %d; want %d", vary, mask, from, to, got, want)
	}
	for i := range words {
		if err := scan(0, len(words), ^h0[i], i); err != nil {
			return err
		}
	}
	// Ranges of every length up to two steps: the hit is the last word, or the one
	// after, which is out of range.
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

// SelfTestTails tests Hash for blocks in which the given word varies, 0 to 15, and
// ScanTails. It takes about 0.2 ms. See SelfTestScan.
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
		return fmt.Errorf("self-test: ScanTails(word %d, mask %#x, %d tails) = %d; want %d", vary, mask, len(tails), got, want)
	}
	states := make([]States, MaxHash/MaxStates)
	for n := MaxHash; n >= MaxStates; n /= 2 {
		// Each call begins with another word, or what the last one left would do.
		hashes := hashes[MaxHash-n:]
		k.Hash(b, words[MaxHash-n:], states[:n/MaxStates])
		for i := range hashes {
			if i >= MaxStates && i < MaxHash-MaxStates && i%5 != 0 {
				continue // the same code as before, in a loop
			}
			group, tail := i/MaxStates, i%len(tails)
			mask := ^tails[tail].FirstWord(&hashes[i])
			if err := scan(&states[group], hashes[MaxStates*group:][:MaxStates], tails[tail:tail+1], mask, 0); err != nil {
				return err
			}
		}
	}
	// Each of several tails is searched, and none besides.
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

// SelfTestGrid tests ScanGrid for grids of which the given word is the second that
// varies, 1 to 13. It takes about 0.2 ms. Kernels that scan grids chunk by chunk run
// SelfTestScan instead. See there.
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
	h0 := func(step, lane int) uint32 {
		b.Words[vary-1] = g.Words[vary-1] | g.Lanes[lane]
		return p.hash(b, words[step])[0]
	}
	scan := func(from, to int, mask uint32, want int) error {
		g.Mask = mask
		got := k.ScanGrid(g, words[from:to])
		if agree(got, want, to-from, func(i int) bool {
			for lane := range GridLanes {
				if h0(from+i, lane)&mask == 0 {
					return true
				}
			}
			return false
		}) {
			return nil
		}
		return fmt.Errorf("self-test: ScanGrid(word %d, mask %#x, %d to %d) = %d; want %d", vary, mask, from, to, got, want)
	}
	for lane := range GridLanes {
		for _, step := range [...]int{lane, len(words) - 1} {
			if err := scan(0, len(words), ^h0(step, lane), step); err != nil {
				return err
			}
		}
	}
	// Ranges of every length, as in SelfTestScan.
	for n := range GridLanes + 3 {
		from, lane := n%2, 5*n%GridLanes
		if err := scan(from, from+n, ^h0(from+n, lane), -1); err != nil {
			return err
		}
		if err := scan(from, from+n+1, ^h0(from+n, lane), n); err != nil {
			return err
		}
	}
	if err := scan(0, len(words), ^uint32(0), -1); err != nil {
		return err
	}
	return scan(0, len(words), 0, 0)
}

// agree reports whether a kernel found, among so many candidates, the one wanted, or
// one before it that is a hit as well: by chance another hash may have the same bits
// zero.
func agree(got, want, n int, hit func(i int) bool) bool {
	return got == want || 0 <= got && got < n && (want < 0 || got < want) && hit(got)
}

// A planter makes the blocks of a self-test, the same ones every time, and knows
// their hash values.
type planter struct {
	rng  *rand.Rand
	vary int
}

// newPlanter returns a planter for blocks in which the given word varies. It takes
// hash values from Compress, so it returns an error if crypto/sha256 contradicts that.
func newPlanter(vary int) (*planter, error) {
	p := &planter{rng: rand.New(rand.NewPCG(uint64(vary), 0)), vary: vary}
	const length = 55 // bytes: with the padding, one block
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

// block returns a block to search and n values of the word that varies.
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

// hash returns the hash value after the block with a value of the word that varies.
func (p *planter) hash(b *Block, word uint32) [8]uint32 {
	block := b.Words
	block[p.vary] |= word
	return Compress(&b.State, &block)
}
