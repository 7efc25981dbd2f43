package asm

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The known answers of the self-test are digests of real messages, made with
// Python's hashlib. A message is the start of this text, up to the word that
// varies, and then "00" to "39", written i:
//
//	text = b"The quick brown fox jumps over the lazy dog. " * 5
//	one = text[:64+4*word] + b"%02d" % i
//	two = one + text[len(one):148]  # a block follows the one that varies
//
// Each known answer is the first word of the digest for one i, 0 for the first
// message of the table and 3 more, modulo 40, for each one after: together they
// are hits in every lane. No other i has the same bits zero.
const (
	selfTestText  = "The quick brown fox jumps over the lazy dog. "
	selfTestWords = 40 // two steps of 16 lanes and a rest
)

var selfTestAnswers = [...]struct {
	tail bool
	h0   []uint32 // for each word, from 0
}{
	{false, []uint32{ // words 14 and 15 hold the length
		0xe51eb611, 0x0fc16377, 0xab80bfc0, 0x83f115d0, 0x024006a2, 0x5e6f8b1d, 0xa5c72502, 0xfad03d9c,
		0x5a30f2f9, 0xd134ae4d, 0xc1a52830, 0x42030827, 0x08f65c5d, 0x406813a4,
	}},
	{true, []uint32{
		0x293ffd42, 0x67512536, 0x32388cb1, 0xc7abe52c, 0x2576d9d1, 0x63f18a1d, 0xcb495647, 0x56637b9e,
		0x400be307, 0x6b0c22d3, 0xabfc2404, 0x6c01c2ca, 0xd842f229, 0x68b37815, 0x340bb1bf, 0x3cf04f7b,
	}},
}

// SelfTest has the kernel find hashes that are known, and find nothing where
// there is nothing: for every word that can vary, with and without a block that
// follows. It takes less than a millisecond. The CPU must be able to run the
// kernel.
func (k Kernel) SelfTest() error {
	hit := 0
	for _, answers := range &selfTestAnswers {
		for word, h0 := range answers.h0 {
			var err error
			b, tail, words := selfTestBlock(word, answers.tail)
			b.Mask = ^h0
			if answers.tail {
				err = k.selfTestTails(b, tail, words, hit)
				message := b.Words
				message[word] |= words[hit]
				b.Mask = ^Compress(&b.State, &message)[0]
			}
			if err == nil {
				err = k.selfTestScan(b, words, hit)
			}
			if err == nil && !answers.tail && word > 0 && k.Grid != nil {
				err = k.selfTestGrid(b, words, hit)
			}
			if err != nil {
				return err
			}
			hit = (hit + 3) % len(words)
		}
	}
	for _, test := range []struct {
		mask uint32
		want int
	}{{^uint32(0), -1}, {0, 0}} {
		b, _, words := selfTestBlock(8, false)
		b.Mask = test.mask
		if got := k.Scan(b, words); got != test.want {
			return fmt.Errorf("self-test: Scan(mask %#x) = %d; want %d", test.mask, got, test.want)
		}
		g := selfTestGrid(b, 0)
		if got := k.ScanGrid(g, words); got != test.want {
			return fmt.Errorf("self-test: ScanGrid(mask %#x) = %d; want %d", test.mask, got, test.want)
		}
		b, tail, words := selfTestBlock(8, true)
		if got := k.scanAfter(b, words[:MaxStates], []Tail{tail, tail}, test.mask); got != test.want {
			return fmt.Errorf("self-test: ScanTails(mask %#x) = %d; want %d", test.mask, got, test.want)
		}
	}
	return nil
}

// selfTestScan has the kernel find the only hit.
func (k Kernel) selfTestScan(b *Block, words []uint32, hit int) error {
	start := max(0, hit-3)
	for _, test := range []struct{ from, to, want int }{
		{0, len(words), hit},
		{start, hit, -1}, // too short for a step; the hit is the next word
		{start, hit + 1, hit - start},
	} {
		if got := k.Scan(b, words[test.from:test.to]); got != test.want {
			return fmt.Errorf("self-test: Scan(word %d, %d to %d) = %d; want %d", b.Vary, test.from, test.to, got, test.want)
		}
	}
	return nil
}

// selfTestGrid has the kernel find the only hit, in two of the chunks and two of the
// steps: all words that vary together make all of them. In the other chunks no
// hash happens to have the same bits zero.
func (k Kernel) selfTestGrid(b *Block, words []uint32, hit int) error {
	start := max(0, hit-b.Vary)
	for i, test := range []struct{ from, to, want int }{
		{0, len(words), hit},
		{start, hit, -1}, // the hit is the next word
		{start, hit + 1, hit - start},
	} {
		g := selfTestGrid(b, (2*b.Vary+i/2)%GridLanes)
		if got := k.ScanGrid(g, words[test.from:test.to]); got != test.want {
			return fmt.Errorf("self-test: ScanGrid(word %d, %d to %d) = %d; want %d", b.Vary, test.from, test.to, got, test.want)
		}
	}
	return nil
}

// selfTestGrid returns a grid of which one chunk is that of the block.
func selfTestGrid(b *Block, lane int) *Grid {
	g := &Grid{State: b.State, Words: b.Words, Vary: b.Vary, Mask: b.Mask}
	first := &g.Words[g.Vary-1]
	for i := range g.Lanes {
		g.Lanes[i] = (*first ^ uint32(i^lane)) & 0xff
	}
	*first &^= 0xff
	g.Prepare()
	return g
}

// selfTestTails has the kernel find the only hit, in two of the places for a
// hash value: all words that vary together make all places.
func (k Kernel) selfTestTails(b *Block, tail Tail, words []uint32, hit int) error {
	all := slices.Repeat(words, 6)
	end := hit + len(words) + 1 // behind the hit
	first := end - 1 - 2*b.Vary
	for _, test := range []struct {
		from, to int
		tails    []Tail
		want     int
	}{
		{first, first + MaxStates, []Tail{tail}, 0},
		{first - 1, first - 1 + MaxStates, []Tail{{}, tail}, 1},
		{end - 3, end - 1, []Tail{tail}, -1}, // the hit is the next word
		{end - 3, end, []Tail{tail}, 0},
	} {
		if got := k.scanAfter(b, all[test.from:test.to], test.tails, b.Mask); got != test.want {
			return fmt.Errorf("self-test: ScanTails(word %d, %d to %d) = %d; want %d", b.Vary, test.from, test.to, got, test.want)
		}
	}
	if b.Vary%4 != 3 {
		return nil
	}
	var states [MaxHash / MaxStates]States
	many := all[first : first+MaxHash]
	k.Hash(b, many, states[:])
	for i := range states {
		want := -1
		if slices.Contains(many[MaxStates*i:MaxStates*(i+1)], words[hit]) {
			want = 0
		}
		if got := k.ScanTails(&states[i], []Tail{tail}, b.Mask); got != want {
			return fmt.Errorf("self-test: ScanTails(word %d, words %d on of %d) = %d; want %d", b.Vary, MaxStates*i, len(many), got, want)
		}
	}
	return nil
}

// scanAfter is Hash and then ScanTails.
func (k Kernel) scanAfter(b *Block, words []uint32, tails []Tail, mask uint32) int {
	var s [1]States
	k.Hash(b, words, s[:])
	return k.ScanTails(&s[0], tails, mask)
}

// selfTestBlock returns the block, the block that follows if one does, and the
// words for the messages in which one word varies.
func selfTestBlock(vary int, tail bool) (*Block, Tail, []uint32) {
	var message [3 * 64]byte
	length := 64 + 4*vary + 2
	if tail {
		length = 2*64 + 20
	}
	for i := range length {
		message[i] = selfTestText[i%len(selfTestText)]
	}
	message[length] = 0x80
	end := (length + 8 + 64) / 64 * 64
	binary.BigEndian.PutUint64(message[end-8:], 8*uint64(length))

	block := func(n int) (words [16]uint32) {
		for i := range words {
			words[i] = binary.BigEndian.Uint32(message[64*n+4*i:])
		}
		return words
	}
	first, second := block(0), block(2)
	b := &Block{State: Compress(&IV, &first), Words: block(1), Vary: vary}
	b.Words[vary] &= 0xffff // the digits come here
	b.Prepare(0)
	var after Tail
	after.Set(&second)
	words := make([]uint32, selfTestWords)
	for i := range words {
		words[i] = uint32('0'+i/10)<<24 | uint32('0'+i%10)<<16
	}
	return b, after, words
}
