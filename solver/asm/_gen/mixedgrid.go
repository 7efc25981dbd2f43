package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A mixedGrid is the part of a mixed kernel's ScanGrid for one counter. A batch is a step: eight
// chunks with one value of the counter. In each step, vectors compute only the words that
// depend on the counter.
type mixedGrid struct {
	*grid
	m *mixed
}

// In the schedule, the shared rest begins at mixedGridWord: from this word on, all terms depend on
// both varying words, whatever the counter. In the rounds, it begins at mixedGridPair, so that it
// has about the same share of both streams, which are some 27 pairs and 44 words long.
var (
	mixedGridWord = firstFullWord()
	mixedGridPair = 32 - (64-mixedGridWord)*27/44
)

func firstFullWord() int {
	first := 0
	for counter := firstCounter; counter <= lastCounter; counter++ {
		first = max(first, sharedRounds(counter)+16)
	}
	return first
}

// writeMixedGrid writes ScanGrid for eight chunks, starting at the parameter first.
func writeMixedGrid(c *build.Context, newSet func(memory operand.Mem) scheduler) {
	const states, kept = 32 * mixedBatch, 4 * mixedBatch * gridSlots
	v := newMixed(c, c.Dereference(c.Param("grid")), newSet, states+2*kept)
	words, n := wordsOf(c)
	vary := v.Load(v.block.Field("Vary"), v.GP64()).(reg.GPVirtual)
	lanes := v.start.Offset(states)
	step, left := v.GP64(), v.GP64()
	v.index = v.GP64()
	v.XORQ(v.index, v.index)
	v.XORQ(left, left)
	v.TESTQ(n, n)
	v.JEQ(operand.LabelRef("none"))
	v.VZEROUPPER()
	v.chains.pack(v.field("before", 0), 0)
	v.chains.put(0, 0, v.begun)
	v.chains.keepTarget(v.block, v.target)

	var grids []*mixedGrid
	for counter := firstCounter; counter <= lastCounter; counter++ {
		grids = append(grids, &mixedGrid{newGrid(v.vector, counter, lanes, operand.Mem{Base: step}), v})
	}
	dispatch(c, "lanes", vary, firstCounter, lastCounter+1)
	for _, g := range grids {
		g.makeLanes()
		v.JMP(operand.LabelRef("next"))
	}

	v.Label("next")
	v.TESTQ(left, left)
	v.JNE(operand.LabelRef("step"))
	x := v.load(words, v.index, n)
	v.LEAQ(lanes.Offset(kept), step)
	v.MOVQ(operand.U32(mixedBatch), left)
	dispatch(c, "steps", vary, firstCounter, lastCounter+1)
	for _, g := range grids {
		g.plan(perStep)
		g.makeSteps(x, g.keepW)
		v.JMP(operand.LabelRef("step"))
	}

	v.Comment("Compute the schedule of this step, if any, and the rounds of the step before.")
	v.Label("step")
	dispatch(c, "begin", vary, firstCounter, lastCounter+1)
	for _, g := range grids {
		g.begin()
		v.JMP(operand.LabelRef("rest"))
	}
	v.Label("rest")
	v.rest(mixedGridPair, mixedGridWord, v.noteHits)

	v.TESTQ(v.index, v.index)
	v.JEQ(operand.LabelRef("swap"))
	v.set.testHits()
	v.JNE(operand.LabelRef("found"))
	v.Label("swap")
	v.XCHGQ(v.done, v.next)
	v.CMPQ(v.index, n)
	v.JGE(operand.LabelRef("none"))
	v.INCQ(v.index)
	v.ADDQ(operand.U8(4), step)
	v.DECQ(left)
	v.JMP(operand.LabelRef("next"))

	v.Label("none")
	v.XORQ(v.index, v.index)
	v.Comment("Return the step before, or -1.")
	v.Label("found")
	v.DECQ(v.index)
	returnIndex(c, v.index)
}

// mixedGridPath returns how often each part runs for eight steps. It leaves out makeLanes,
// which runs once per call.
func mixedGridPath(counter int) map[string]int {
	return map[string]int{
		fmt.Sprintf("steps%d", counter): 1,
		fmt.Sprintf("begin%d", counter): mixedBatch,
		"rest":                          mixedBatch,
	}
}

// plan sets the terms of class c as those that vary.
func (g *mixedGrid) plan(c class) {
	g.m.set.plan(func(t int) terms { return termsOf(&g.classes, t, c) }, nil)
}

// keepW stores W[t].
func (g *mixedGrid) keepW(t int, made slots) { g.put(g.draft(t), made.add("w", t)) }

// pairClass returns the class of a pair of words.
func (g *mixedGrid) pairClass(pair int) class { return g.classes[2*pair] | g.classes[2*pair+1] }

// makeLanes computes the values that do not depend on the counter: the terms of the schedule
// that depend on the lane, and the working variables before firstPair, like packStart.
func (g *mixedGrid) makeLanes() {
	lane := g.counter - 1
	g.Commentf("Word %d is the counter; word %d has a value for each lane.", g.counter, lane)
	g.Label(fmt.Sprintf("lanes%d", g.counter))
	w := g.draft(lane)
	values := g.field("Lanes", 0)
	values.Index, values.Scale = g.Load(g.Param("first"), g.GP64()), 4
	g.plan(perLane)
	g.get(values, w)
	g.or(g.field("Words", lane), w, w)
	g.keep(lane)
	g.keepW(lane, g.lanes)
	g.makeSums(perLane, g.lanes, g.keepW)
	for pair := lane / 2; pair < mixedGridWord/2; pair++ {
		switch {
		case g.pairClass(pair) != perLane:
		case pair == lane/2: // its rounds are done here
			g.storePair(pair, g.m.done)
		default:
			g.storePair(pair, g.m.next, g.m.done)
		}
	}
	if g.counter%2 == 1 {
		// The value of W[counter] does not matter, since it is added here and subtracted below.
		g.get(g.lanes.at("w", lane), g.draft(lane))
		g.draft(g.counter)
		g.m.storePair(g.counter, g.m.done)
	}
	for group := range mixedBatch / mixedChains {
		for i := range mixedChains {
			g.m.chains.get(i, lane/2, g.m.begun)
		}
		g.m.groupRounds(group, lane/2, lane/2+1, g.kw)
		for i := range mixedChains {
			g.m.chains.put(i, lane/2+1, g.m.start.Offset(32*(mixedChains*group+i)))
		}
	}
	if g.counter%2 == 1 {
		for i := range mixedBatch {
			start := g.m.start.Offset(32 * i)
			g.VMOVDDUP(g.m.kw(i, lane/2), reg.X0)
			g.VMOVDQU(start, reg.X1)
			g.VPSUBD(reg.X0, reg.X1, reg.X1)
			g.VMOVDQU(reg.X1, start)
		}
	}
}

// begin writes the start of a step, before the shared rest.
func (g *mixedGrid) begin() {
	g.Label(fmt.Sprintf("begin%d", g.counter))
	rounds := record(g.Context, func() {
		begin := func(chain, nonce int) {
			g.m.chains.begin(chain, g.counter, g.m.start.Offset(32*nonce), g.m.kw(nonce, g.counter/2))
		}
		g.m.firstRounds(begin, firstPair(g.counter), mixedGridPair, g.kw)
	})
	schedule := record(g.Context, func() {
		g.plan(perHash)
		for pair := g.counter / 2; pair < mixedGridWord/2; pair++ {
			if g.pairClass(pair)&perStep != 0 {
				g.storePair(pair, g.m.next)
			}
		}
	})
	interleave(g.Context, rounds, g.m.set.order(schedule))
}

// kw returns the address of K + W of a pair of rounds of a chunk.
func (g *mixedGrid) kw(nonce, pair int) operand.Mem {
	switch g.pairClass(pair) {
	case unvarying:
		return g.field("sum", 2*pair)
	case perStep:
		return g.m.kw(0, pair)
	}
	return g.m.kw(nonce, pair)
}

// storePair loads or computes a pair of words and stores K + W.
func (g *mixedGrid) storePair(pair int, tables ...reg.Register) {
	for t := 2 * pair; t <= 2*pair+1; t++ {
		switch g.classes[t] {
		case unvarying:
			g.setConstant(g.field("w", t), g.draft(t))
		case perLane:
			g.get(g.lanes.at("w", t), g.draft(t))
		case perStep:
			g.setConstant(g.steps.at("w", t), g.draft(t))
		default:
			g.makeWord(t)
		}
	}
	if g.pairClass(pair) == perStep { // all lanes are equal, and kw reads only the first
		g.m.storeHalf(0, 2*pair+1, tables...)
		return
	}
	g.m.storePair(2*pair+1, tables...)
}
