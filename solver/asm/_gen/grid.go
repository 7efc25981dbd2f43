package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
)

// A class says what a word of the schedule depends on in a Grid, where two words of the
// message vary. The first has a value for each lane, the same in all steps. The second, the
// counter, has a value for each step, the same in all lanes.
type class uint8

const (
	unvarying class = 0
	perLane   class = 1 // computed once for all steps
	perStep   class = 2 // computed for a vector of steps at a time, one in each lane
	perHash         = perLane | perStep
)

// gridClasses returns the class of each word for a given counter. The word before the counter
// has a value for each lane.
func gridClasses(counter int) (of [64]class) {
	of[counter-1], of[counter] = perLane, perStep
	for t := 16; t < 64; t++ {
		of[t] = of[t-2] | of[t-7] | of[t-15] | of[t-16]
	}
	return of
}

// termsOf returns the terms of W[t] whose words are of class c.
func termsOf(classes *[64]class, t int, c class) (set terms) {
	for _, back := range schedule.Back {
		if classes[t-back.Words] == c {
			set |= back.Term
		}
	}
	return set
}

// The words that may be the counter. Words 14 and 15 hold the length.
const firstCounter, lastCounter = 1, 13

// A grid is the part of ScanGrid for one counter.
type grid struct {
	vector
	counter int
	classes [64]class
	shared  int // the first round that is the same for all counters

	// Precomputed vectors in memory. Those in lanes have an element for each lane, and serve
	// all steps. Those in steps have an element for each step; their addresses point to the
	// element of the current step.
	lanes, steps slots
}

// slots allocates vectors in memory, by name.
type slots struct {
	first operand.Mem
	size  int // of a vector, in bytes
	index map[string]int
}

// add allocates a vector and returns its address.
func (s slots) add(name string, t int) operand.Mem {
	s.index[fmt.Sprint(name, t)] = len(s.index)
	m, _ := s.find(name, t)
	if len(s.index) > gridSlots {
		panic("gridSlots is too small")
	}
	return m
}

// find returns the address of a vector, if there is one of that name.
func (s slots) find(name string, t int) (m operand.Mem, ok bool) {
	i, ok := s.index[fmt.Sprint(name, t)]
	return s.first.Offset(s.size * i), ok
}

// at returns the address of a vector and panics if there is none of that name.
func (s slots) at(name string, t int) operand.Mem {
	m, ok := s.find(name, t)
	if !ok {
		panic(fmt.Sprint("there is no vector ", name, t))
	}
	return m
}

// gridSlots is the maximum number of vectors in lanes and in steps.
const gridSlots = 32

func newGrid(v vector, counter int, lanes, steps operand.Mem) *grid {
	size := 4 * v.lanes()
	return &grid{
		vector: v, counter: counter, classes: gridClasses(counter), shared: sharedRounds(counter),
		lanes: slots{lanes, size, map[string]int{}}, steps: slots{steps, size, map[string]int{}},
	}
}

// sharedRounds returns the first round of the code that counters share: all terms of the words
// that this round and later ones compute depend on both varying words.
func sharedRounds(counter int) int {
	classes, t := gridClasses(counter), 48
	for termsOf(&classes, t+15, perHash) == allTerms {
		t--
	}
	return t
}

// writeGrid writes ScanGrid. Each counter has three parts of its own: makeLanes runs once,
// makeSteps runs for every vector of steps, and begin starts each step. The rounds from
// sharedRounds on are shared.
func writeGrid(c *build.Context, set isa) {
	v := vector{Context: c, isa: set}
	v.block = v.Dereference(v.Param("grid"))
	words, n := wordsOf(c)
	vary := v.Load(v.block.Field("Vary"), v.GP64()).(reg.GPVirtual)
	lanes := alignedLocal(c, 2*64*gridSlots, 64)
	steps := lanes.Offset(64 * gridSlots)
	step, left := v.GP64(), v.GP64()
	v.index = v.GP64()
	v.XORQ(v.index, v.index)

	var grids []*grid
	for counter := firstCounter; counter <= lastCounter; counter++ {
		grids = append(grids, newGrid(v, counter, lanes, operand.Mem{Base: step}))
	}
	dispatch(c, "lanes", vary, firstCounter, lastCounter+1)
	for _, g := range grids {
		g.makeLanes()
		v.JMP(operand.LabelRef("next"))
	}

	v.Label("next")
	v.CMPQ(v.index, n)
	v.JGE(operand.LabelRef("none"))
	x := v.load(words, v.index, n)
	v.whole()
	v.LEAQ(steps, step)
	v.MOVQ(operand.U32(v.lanes()), left)
	dispatch(c, "steps", vary, firstCounter, lastCounter+1)
	for _, g := range grids {
		g.makeSteps(x, g.keepKW)
		v.JMP(operand.LabelRef("step"))
	}

	v.Label("step")
	dispatch(c, "begin", vary, firstCounter, lastCounter+1)
	shared := 64
	for _, g := range grids {
		g.begin()
		v.JMP(operand.LabelRef(fmt.Sprintf("round%d", g.shared)))
		shared = min(shared, g.shared)
	}
	for t := shared; t < 63; t++ {
		v.Label(fmt.Sprintf("round%d", t))
		v.Commentf("Round %d.", t)
		v.addWord(t, constant(t))
		v.round(t)
		if t < 48 {
			v.schedule(t+16, allTerms)
		}
	}
	v.makeH0()

	v.Label("test")
	hits := v.hits(scalarOf(v.block, "Mask"), v.working(0))
	v.TESTL(hits.As32(), hits.As32())
	v.JNE(operand.LabelRef("found"))
	v.INCQ(v.index)
	v.CMPQ(v.index, n)
	v.JGE(operand.LabelRef("none"))
	v.ADDQ(operand.U8(4), step)
	v.DECQ(left)
	v.JNE(operand.LabelRef("step"))
	v.JMP(operand.LabelRef("next"))

	v.Label("none")
	v.MOVQ(operand.I32(-1), v.index)
	v.Label("found")
	returnIndex(c, v.index)
}

// gridPath returns how often each part runs for sixteen steps. It leaves out makeLanes, which
// runs once per call.
func gridPath(counter int) map[string]int {
	path := map[string]int{fmt.Sprintf("steps%d", counter): 1, fmt.Sprintf("begin%d", counter): 16, "test": 16}
	for t := sharedRounds(counter); t < 63; t++ {
		path[fmt.Sprintf("round%d", t)] = 16
	}
	return path
}

// makeLanes computes the values that do not depend on the counter:
//
//   - the working variables after the counter's round, without W[counter]
//   - h of the next three rounds, plus K + W
//   - the terms of the schedule that depend on the lane
func (g *grid) makeLanes() {
	lane := g.counter - 1
	g.Commentf("Word %d is the counter; word %d has a value for each lane.", g.counter, lane)
	g.Label(fmt.Sprintf("lanes%d", g.counter))
	w := g.draft(lane)
	g.get(g.field("Lanes", 0), w)
	g.or(g.field("Words", lane), w, w)
	g.keep(lane)
	g.firstRound(lane, w)
	_, _, _, _, _, _, _, h := g.variables(g.counter)
	g.addConstant(constant(g.counter), h, h)
	g.round(g.counter)
	for i := range 7 {
		g.put(g.working((i-g.counter-1)&7), g.lanes.add("variable", i))
	}

	g.makeSums(perLane, g.lanes, g.keepKW)
	for t := g.counter + 1; t <= g.counter+3; t++ {
		_, _, _, _, _, _, _, h := g.variables(t)
		switch g.classes[t] {
		case unvarying:
			g.addConstant(g.field("sum", t), h, h)
		case perLane:
			g.add(g.lanes.at("kw", t), h, h)
		default:
			continue
		}
		g.put(h, g.lanes.add("h", t))
	}
}

// makeSteps computes the values that depend only on the counter, for the next vector of steps.
func (g *grid) makeSteps(counters reg.VecPhysical, keep func(t int, made slots)) {
	g.Label(fmt.Sprintf("steps%d", g.counter))
	w := g.draft(g.counter)
	g.or(g.field("Words", g.counter), counters, w)
	g.keep(g.counter)
	g.put(w, g.steps.add("w", g.counter))
	g.makeSums(perStep, g.steps, keep)
}

// makeSums computes for each word of the schedule the sum of its terms of class c. If that
// completes the word, it calls keep; otherwise it stores the sum.
func (g *grid) makeSums(c class, made slots, keep func(t int, made slots)) {
	for t := 16; t < g.shared+16; t++ {
		set := termsOf(&g.classes, t, c)
		if set == 0 {
			continue
		}
		g.sum(t, set, g.constantTerms(t, c), nil)
		if g.classes[t] == perHash {
			g.put(g.draft(t), made.add("sum", t))
		} else {
			keep(t, made)
		}
	}
}

// keepKW stores K + W.
func (g *grid) keepKW(t int, made slots) {
	kw := g.temporary()
	g.addConstant(constant(t), g.draft(t), kw)
	g.put(kw, made.add("kw", t))
}

// constantTerms returns the address of the sum of W[t]'s constant terms if c is the class that
// adds this sum: the first of perLane, perStep and perHash of which W[t] has terms.
func (g *grid) constantTerms(t int, c class) []operand.Mem {
	if termsOf(&g.classes, t, unvarying) == 0 {
		return nil
	}
	for first := perLane; first < c; first++ {
		if termsOf(&g.classes, t, first) != 0 {
			return nil
		}
	}
	return []operand.Mem{g.field("sum", t)}
}

// begin writes the start of a step: the rounds before the shared ones, and the words of the
// schedule that they need.
func (g *grid) begin() {
	g.Label(fmt.Sprintf("begin%d", g.counter))
	for i := range 7 { // the next round loads h, with K + W added
		x := g.working((i - g.counter - 1) & 7)
		g.get(g.lanes.at("variable", i), x)
		if i == 0 || i == 4 {
			g.addConstant(g.steps.at("w", g.counter), x, x)
		}
	}
	for t := 16; t <= g.counter+16; t++ {
		g.makeWord(t)
	}
	for t := g.counter + 1; t < g.shared; t++ {
		g.Commentf("Round %d.", t)
		_, _, _, _, _, _, _, h := g.variables(t)
		if sum, ok := g.lanes.find("h", t); ok {
			g.get(sum, h)
		} else {
			switch g.classes[t] {
			case unvarying:
				g.addConstant(g.field("sum", t), h, h)
			case perLane:
				g.add(g.lanes.at("kw", t), h, h)
			case perStep:
				g.addConstant(g.steps.at("kw", t), h, h)
			default:
				g.addWord(t, constant(t))
			}
		}
		g.round(t)
		g.makeWord(t + 16)
	}
}

// makeWord computes W[t] if it depends on both varying words.
func (g *grid) makeWord(t int) {
	if g.classes[t] != perHash {
		return
	}
	set := termsOf(&g.classes, t, perHash)
	g.Commentf("W[%d]: %v.", t, set)
	numbers, vectors := g.constantTerms(t, perHash), []operand.Mem(nil)
	if m, ok := g.lanes.find("sum", t); ok {
		vectors = append(vectors, m)
	}
	if m, ok := g.steps.find("sum", t); ok {
		numbers = append(numbers, m)
	}
	g.sum(t, set, numbers, vectors)
}
