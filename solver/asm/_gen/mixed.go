package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
)

// mixed is the search of a kernel that uses vectors and SHA-NI, under construction. Four chains
// do the rounds of a batch of eight nonces, first four and then the other four, and read K + W
// from memory. Meanwhile vectors of eight lanes compute the message schedule of the next batch
// in registers that the chains do not use. The two streams of instructions are interleaved, so
// the units for SHA-NI and for vectors work in parallel, each at what it does faster: SHA-NI at
// rounds, vectors at the schedule.
//
// As in writeVector, each varying word has its own beginning, and the rest is shared.
type mixed struct {
	vector
	chains chains
	set    scheduler

	start      operand.Mem // working variables before firstPair
	begun      operand.Mem // working variables of the first four nonces before the rest
	target     operand.Mem // State[0] and Mask, four times each
	hashed     operand.Mem // for Hash: State, in the order of a chain
	constants  operand.Mem // for Scan and Hash: K + W of pairs 8 to 11 that do not vary
	done, next reg.GPVirtual
}

const (
	mixedBatch  = 8
	mixedChains = 4

	// sharedPair is the first pair of rounds in the rest of Scan. The schedule words of a
	// beginning have fewer terms, and so fewer instructions, than those of the rest. With this
	// number of pairs, both parts have the same proportion of the two streams, so neither waits
	// for one stream alone.
	sharedPair = 11
)

// A scheduler is a vector instruction set with eight lanes that keeps at least the last two
// words of the schedule in registers.
type scheduler interface {
	isa
	// spare returns a register that is free between one word and the next.
	spare() reg.VecPhysical
	// order returns a stream of the schedule in its fastest order.
	order(stream) stream
	// plan sets which terms vary in the words that follow, and where the sums of the constant old
	// terms of W[32] and later words are. constant is nil if there are none.
	plan(varying func(t int) terms, constant func(t int) operand.Mem)

	// noteHits records which words of x, those of nonces 4*group to 4*group+3, have all bits
	// of the mask, four words in memory, zero. It may overwrite x and X0.
	noteHits(group int, mask operand.Mem, x reg.VecPhysical)
	// testHits sets the zero flag if neither group has a hit.
	testHits()
	// hitBits returns a bit for each of eight nonces, after testHits.
	hitBits() reg.GPVirtual
}

// newMixed allocates the memory of a kernel. start is the number of bytes for v.start and
// anything after it.
func newMixed(c *build.Context, block gotypes.Component, newSet func(memory operand.Mem) scheduler, start int) *mixed {
	const kw = 32 * 8 * mixedBatch
	v := &mixed{chains: chains{c}}
	v.Context, v.block = c, block
	memory := alignedLocal(c, 2*kw+ringSize+32*mixedChains+32+32+32+start, 64)
	v.done, v.next = v.GP64(), v.GP64()
	v.LEAQ(memory, v.done)
	v.LEAQ(memory.Offset(kw), v.next)
	v.set = newSet(memory.Offset(2 * kw))
	v.isa = v.set
	v.begun = memory.Offset(2*kw + ringSize)
	v.target = v.begun.Offset(32 * mixedChains)
	v.hashed = v.target.Offset(32)
	v.constants = v.hashed.Offset(32)
	v.start = v.constants.Offset(32)
	return v
}

// writeMixed writes Scan and Hash.
func writeMixed(c *build.Context, newSet func(memory operand.Mem) scheduler) {
	v := newMixed(c, c.Dereference(c.Param("b")), newSet, 32)
	words, n := wordsOf(c)
	v.states = v.Load(v.Param("s"), v.GP64()).(reg.GPVirtual)
	vary := v.Load(v.block.Field("Vary"), v.GP64()).(reg.GPVirtual)

	v.index = v.GP64()
	v.XORQ(v.index, v.index)
	v.TESTQ(n, n)
	v.JEQ(operand.LabelRef("none"))
	v.VZEROUPPER()
	v.chains.packStart(v.block, vary, v.start)
	v.chains.keepTarget(v.block, v.target)
	v.chains.packConstants(v.block, v.constants)
	v.chains.pack(v.field("State", 0), 0)
	v.chains.put(0, 0, v.hashed)

	digits := v.nextBatch(words, n)
	dispatch(c, "vary", vary, 0, 16)
	for word := range 16 {
		v.beginning(word, digits)
	}
	v.Label("begun")
	v.TESTQ(v.states, v.states)
	v.JNE(operand.LabelRef("hash"))
	v.Label("rest")
	v.rest(sharedPair, 32, v.noteHits)

	v.Comment("The batch that was in the chains, if any, began at index-8.")
	v.TESTQ(v.index, v.index)
	v.JEQ(operand.LabelRef("swap"))
	v.set.testHits()
	v.JNE(operand.LabelRef("found"))
	v.swapBatches(n)

	v.Label("hash")
	v.Comment("If no batch was in the chains, the next one overwrites what this stores.")
	v.rest(sharedPair, 32, v.storeHashes)
	v.TESTQ(v.index, v.index)
	v.JEQ(operand.LabelRef("swap"))
	v.ADDQ(operand.U32(32*mixedBatch), v.states)
	v.JMP(operand.LabelRef("swap"))

	v.Label("found")
	v.returnHit(v.set.hitBits(), n)
}

// nextBatch writes the label "next" and loads the nonces at index and after it, if there are any.
func (v *mixed) nextBatch(words, n reg.GPVirtual) (digits reg.VecPhysical) {
	v.Label("next")
	v.Comment("Load the next batch, which may be empty.")
	at := v.GP64()
	v.MOVQ(v.index, at)
	v.CMPQ(at, n)
	v.CMOVQGT(n, at)
	return v.load(words, at, n)
}

// swapBatches writes the label "swap", after which the next batch is the current one.
func (v *mixed) swapBatches(n reg.GPVirtual) {
	v.Label("swap")
	v.XCHGQ(v.done, v.next)
	v.CMPQ(v.index, n)
	v.JGE(operand.LabelRef("none"))
	v.ADDQ(operand.U8(mixedBatch), v.index)
	v.JMP(operand.LabelRef("next"))
}

// returnHit returns the index of the first hit in the batch that began at index-8, and writes the
// label "none".
func (v *mixed) returnHit(hits, n reg.GPVirtual) {
	v.BSFL(hits.As32(), hits.As32())
	v.LEAQ(operand.Mem{Base: v.index, Index: hits, Scale: 1, Disp: -mixedBatch}, v.index)
	v.Comment("Lanes past the last nonce do not count.")
	v.CMPQ(v.index, n)
	v.JGE(operand.LabelRef("none"))
	returnIndex(v.Context, v.index)

	v.Label("none")
	v.MOVQ(operand.I32(-1), v.index)
	returnIndex(v.Context, v.index)
}

// noteHits looks for hits among four nonces after the last pair of rounds. Its instructions
// belong to the stream of the rounds, so they run beside vectors. It overwrites the chains.
func (v *mixed) noteHits(group int) {
	a := v.chains.gatherA()
	v.VPADDD(v.target, a, a)
	v.set.noteHits(group, v.target.Offset(16), a)
}

// storeHashes stores the hash values of four nonces after the last pair of rounds.
func (v *mixed) storeHashes(group int) {
	for i := range mixedChains {
		abef, cdgh := v.chains.variables(i, 32)
		v.VPADDD(v.hashed, abef, abef)
		v.VPADDD(v.hashed.Offset(16), cdgh, cdgh)
		v.chains.put(i, 32, operand.Mem{Base: v.states, Disp: 32 * (mixedChains*group + i)})
	}
}

// mixedPath returns how often each part runs for a batch.
func mixedPath(vary int, hash bool) map[string]int {
	path := map[string]int{fmt.Sprintf("vary%d", vary): 1, "rest": 1}
	if hash {
		delete(path, "rest")
		path["hash"] = 1
	}
	return path
}

// beginning writes the rounds before sharedPair, and W[16] to W[31], for a varying word.
func (v *mixed) beginning(vary int, digits reg.VecPhysical) {
	v.Commentf("Word %d varies.", vary)
	v.Label(fmt.Sprintf("vary%d", vary))
	rounds := record(v.Context, func() {
		begin := func(chain, nonce int) { v.chains.begin(chain, vary, v.start, v.kw(nonce, vary/2)) }
		v.firstRounds(begin, firstPair(vary), sharedPair, func(nonce, pair int) operand.Mem {
			switch {
			case !constantPair(vary, pair):
				return v.kw(nonce, pair)
			case pair < 8:
				return v.field("sum", 2*pair)
			}
			return v.constants.Offset(8 * (pair - 8))
		})
	})
	schedule := record(v.Context, func() {
		v.firstWords(vary, digits, func(t int) { v.storePair(t, v.next) })
	})
	interleave(v.Context, rounds, v.set.order(schedule))
	v.JMP(operand.LabelRef("begun"))
}

// rest writes the rounds starting at fromPair and the schedule starting at fromWord. finish
// writes what follows the last round of four nonces. The nonces whose working variables
// firstRounds left in the chains come first.
func (v *mixed) rest(fromPair, fromWord int, finish func(group int)) {
	rounds := record(v.Context, func() {
		v.groupRounds(1, fromPair, 32, v.kw)
		finish(1)
		for i := range mixedChains {
			v.chains.get(i, fromPair, v.begun.Offset(32*i))
		}
		v.groupRounds(0, fromPair, 32, v.kw)
		finish(0)
	})
	schedule := record(v.Context, func() {
		v.lastWords(fromWord, func(t int) { v.storePair(t, v.next) })
	})
	interleave(v.Context, rounds, v.set.order(schedule))
}

// firstWords computes W[16] to W[31] for a varying word. It calls store after each word that
// completes a pair, unless the pair is constant.
func (v *mixed) firstWords(vary int, digits reg.VecPhysical, store func(t int)) {
	s := schedule.Varying(vary)
	v.set.plan(func(t int) terms {
		if t < 32 {
			return s[t]
		}
		return s[t] | allTerms&^oldTerms // the rest adds W[t-2] and W[t-7] even if they are constant
	}, func(t int) operand.Mem { return v.field("old", t-32) })
	w := v.draft(vary)
	v.or(v.field("Words", vary), digits, w)
	v.keep(vary)
	v.setConstant(v.field("Words", vary^1), v.draft(vary^1))
	store(vary | 1)
	for t := 16; t < 32; t++ {
		switch {
		case s[t] != 0 || t >= 32-7: // the rest adds W[25] to W[31] to others
			v.schedule(t, s[t])
		case !constantPair(vary, t/2):
			v.setConstant(v.field("sum", t), v.draft(t))
			v.keep(t)
		default:
			v.keep(t)
		}
		if t%2 == 1 && !constantPair(vary, t/2) {
			store(t)
		}
	}
}

// lastWords computes W[from] to W[63], and calls store after each word that completes a pair.
func (v *mixed) lastWords(from int, store func(t int)) {
	v.set.plan(func(int) terms { return allTerms }, nil)
	for t := from; t < 64; t++ {
		v.schedule(t, allTerms)
		if t%2 == 1 {
			store(t)
		}
	}
}

// firstRounds does the pairs of rounds before the rest, first for four nonces, whose working
// variables it stores, and then for the others, whose variables stay in the chains. begin loads
// the variables of a nonce before pair from.
func (v *mixed) firstRounds(begin func(chain, nonce int), from, to int, kw func(nonce, pair int) operand.Mem) {
	for group := range mixedBatch / mixedChains {
		for i := range mixedChains {
			begin(i, mixedChains*group+i)
		}
		v.groupRounds(group, from, to, kw)
		if group == 0 {
			for i := range mixedChains {
				v.chains.put(i, to, v.begun.Offset(32*i))
			}
		}
	}
}

// groupRounds does the pairs of rounds [from, to) of four nonces, pair by pair.
func (v *mixed) groupRounds(group, from, to int, kw func(nonce, pair int) operand.Mem) {
	for pair := from; pair < to; pair++ {
		v.chains.rounds(mixedChains, pair, func(chain int) operand.Mem { return kw(mixedChains*group+chain, pair) })
	}
}

// storePair stores K + W of rounds t-1 and t in each table.
func (v *mixed) storePair(t int, tables ...reg.Register) {
	v.storeHalf(0, t, tables...)
	v.storeHalf(1, t, tables...)
}

// storeHalf does storePair for half of the nonces. See unpack.
func (v *mixed) storeHalf(half, t int, tables ...reg.Register) {
	pairs := v.unpack(half, v.word(t-1).(reg.VecPhysical), v.word(t))
	v.add(pairConstant(t/2), pairs, pairs)
	for _, table := range tables {
		v.put(pairs, pairsAt(table, half, t/2))
	}
}

// unpack interleaves the words of half of the nonces: lanes 0, 1, 4 and 5, or lanes 2, 3, 6 and 7.
func (v *mixed) unpack(half int, even reg.VecPhysical, odd operand.Op) reg.VecPhysical {
	pairs := v.set.spare()
	if half == 0 {
		v.VPUNPCKLDQ(odd, even, pairs)
	} else {
		v.VPUNPCKHDQ(odd, even, pairs)
	}
	return pairs
}

// pairsAt returns the address in a table of K + W of a pair of rounds, for half of the nonces.
func pairsAt(table reg.Register, half, pair int) operand.Mem {
	return operand.Mem{Base: table, Disp: 8*mixedBatch*pair + 32*half}
}

// kw returns the address of K + W of a pair of rounds, for a nonce of the current batch.
func (v *mixed) kw(nonce, pair int) operand.Mem {
	half, side, which := nonce%4/2, nonce/4, nonce%2
	return pairsAt(v.done, half, pair).Offset(16*side + 8*which)
}
