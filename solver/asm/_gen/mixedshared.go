package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A mixedShared is the ScanShared of a mixed kernel, under construction. A batch is eight words.
// Chains hash them after all hash values but the last one, two words at a time. Meanwhile vectors
// compute the message schedule of the next batch, as in Scan, and then hash the current batch after
// the last hash value. So both units take part in the rounds.
type mixedShared struct {
	*mixed
	vectors int // the distance from a table of K + W for chains to one for vectors
}

const (
	chainedStates = sharedStates - 1 // hash values in chains
	chainedWords  = 2                // words in chains at a time

	// vectorTable is the size of K + W of 64 rounds as vectors. The tables for chains have the same
	// size, so both are equally far from those for vectors.
	vectorTable = 64 * 4 * mixedBatch
)

// writeMixedShared writes ScanShared. The Block has the last of the hash values.
func writeMixedShared(c *build.Context) {
	const states = 32 * chainedStates
	block, shared := c.Dereference(c.Param("last")), c.Dereference(c.Param("s"))
	words, n := wordsOf(c)
	set := func(memory operand.Mem) scheduler { return newRingAVX512(c, memory) }
	v := mixedShared{mixed: newMixed(c, block, set, states+2*vectorTable+4*mixedBatch*chainedStates)}
	v.vectors = v.start.Disp + states
	results := v.start.Offset(states + 2*vectorTable) // a of eight words, for each hash value in chains

	v.index = v.GP64()
	v.XORQ(v.index, v.index)
	v.TESTQ(n, n)
	v.JEQ(operand.LabelRef("none"))
	v.VZEROUPPER()
	h0 := func(i int) operand.Mem { return address(shared.Field("States").Index(i).Index(0)) }
	for i := range chainedStates {
		v.chains.pack(h0(i), 0)
		v.chains.put(0, 0, v.start.Offset(32*i))
	}

	digits := v.nextBatch(words, n)
	v.Label("batch")
	rounds := record(c, func() {
		for word := 0; word < mixedBatch; word += chainedWords {
			v.chainRounds(word, results)
		}
	})
	schedule := record(c, func() {
		v.firstWords(0, digits, v.store)
		v.lastWords(32, v.store)
	})
	vectors := record(c, v.vectorRounds)
	interleave(c, rounds, append(v.set.order(schedule), vectors...))

	v.Comment("The batch that was hashed, if any, began at index-8.")
	v.TESTQ(v.index, v.index)
	v.JEQ(operand.LabelRef("swap"))
	v.Label("test")
	v.whole()
	mask := scalarOf(block, "Mask")
	hits := v.hits(mask, v.working(0))
	for i := range chainedStates {
		a := v.set.spare()
		v.get(results.Offset(4*mixedBatch*i), a)
		v.addConstant(h0(i), a, a)
		v.ORL(v.hits(mask, a).As32(), hits.As32())
	}
	v.JNE(operand.LabelRef("found"))
	v.swapBatches(n)

	v.Label("found")
	v.returnHit(hits, n)
}

// mixedSharedPath contains how often each part runs for a batch.
var mixedSharedPath = map[string]int{"batch": 1, "test": 1}

// vector returns the address of K + W of round t as a vector, for the batch of a table.
func (v mixedShared) vector(table reg.Register, t int) operand.Mem {
	return operand.Mem{Base: table, Disp: v.vectors + 4*mixedBatch*t}
}

// store stores K + W of rounds t-1 and t of the next batch for chains and for vectors. Of the first
// sixteen words, vectors need only W[0], without K.
func (v mixedShared) store(t int) {
	if t == 1 {
		v.put(v.draft(0), v.vector(v.next, 0))
		v.storePair(t, v.next)
		return
	}
	var kw [2]reg.VecPhysical
	for i := range kw {
		kw[i] = v.set.spare()
		v.addConstant(constant(t-1+i), v.word(t-1+i), kw[i])
		v.put(kw[i], v.vector(v.next, t-1+i))
	}
	for half := range 2 {
		v.put(v.unpack(half, kw[0], kw[1]), pairsAt(v.next, half, t/2))
	}
}

// chainRounds hashes two words after the hash values of the chains. One load of K + W serves all
// chains of a word.
func (v mixedShared) chainRounds(word int, results operand.Mem) {
	const n = chainedWords * chainedStates
	for i := range n {
		v.chains.get(i, 0, v.start.Offset(32*(i%chainedStates)))
	}
	for pair := range 32 {
		v.chains.rounds(n, pair, func(chain int) operand.Mem {
			if constantPair(0, pair) {
				return v.field("sum", 2*pair)
			}
			return v.kw(word+chain/chainedStates, pair)
		})
	}
	for i := range chainedStates {
		first, _ := v.chains.variables(i, 32)
		second, _ := v.chains.variables(chainedStates+i, 32)
		v.VPUNPCKHDQ(second, first, first)
		v.chains.putA(i, results.Offset(4*(mixedBatch*i+word)))
	}
}

// vectorRounds hashes the current batch after the last hash value.
func (v mixedShared) vectorRounds() {
	w := v.temporary()
	v.get(v.vector(v.done, 0), w)
	v.firstRound(0, w)
	_, b, c, _, _, _, _, _ := v.variables(1)
	v.enter(1, b, c)
	for t := 1; t < 64; t++ {
		_, _, _, _, _, _, _, h := v.variables(t)
		if t < 16 {
			v.addConstant(v.field("sum", t), h, h)
		} else {
			v.add(v.vector(v.done, t), h, h)
		}
		if t < 63 {
			v.round(t)
		}
	}
	v.lastRound(63)
	v.addConstant(v.field("State", 0), v.working(0), v.working(0))
}
