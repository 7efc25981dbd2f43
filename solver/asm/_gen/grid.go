package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
)

// A class says how a word of the schedule varies in a Grid, where two words of
// the message do: one has a value for each lane, the same in all steps; the
// other, the counter, has a value for each step, the same in all lanes.
type class uint8

const (
	unvarying class = 0
	perLane   class = 1 // made once for all steps
	perStep   class = 2 // made for as many steps at a time as there are lanes
	perHash         = perLane | perStep
)

// gridClasses returns the class of each word where word counter-1 has a value for
// each lane.
func gridClasses(counter int) (of [64]class) {
	of[counter-1], of[counter] = perLane, perStep
	for t := 16; t < 64; t++ {
		of[t] = of[t-2] | of[t-7] | of[t-15] | of[t-16]
	}
	return of
}

// termsOf returns the terms of W[t] whose words are of one class.
func termsOf(classes *[64]class, t int, c class) (set terms) {
	for term, back := range schedule.Back {
		if classes[t-back] == c {
			set |= term
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
	shared  int // the first of the rounds that are the same for all counters

	// What is made once and kept in memory: vectors, and vectors with an element
	// for each of as many steps as there are lanes. Those begin at the element for the next
	// step.
	lanes, steps slots
}

// slots are vectors in memory, by name.
type slots struct {
	first operand.Mem
	size  int // of a vector, in bytes
	index map[string]int
}

// add returns the place for a vector.
func (s slots) add(name string, t int) operand.Mem {
	s.index[fmt.Sprint(name, t)] = len(s.index)
	m, _ := s.find(name, t)
	if len(s.index) > gridSlots {
		panic("gridSlots are too few")
	}
	return m
}

// find returns the place of a vector, if there is one of that name.
func (s slots) find(name string, t int) (m operand.Mem, ok bool) {
	i, ok := s.index[fmt.Sprint(name, t)]
	return s.first.Offset(s.size * i), ok
}

// at returns the place of a vector.
func (s slots) at(name string, t int) operand.Mem {
	m, ok := s.find(name, t)
	if !ok {
		panic(fmt.Sprint("nothing kept as ", name, t))
	}
	return m
}

// gridSlots is how many vectors there may be of each kind.
const gridSlots = 32

func newGrid(v vector, counter int, lanes, steps operand.Mem) *grid {
	size := 4 * v.lanes()
	return &grid{
		vector: v, counter: counter, classes: gridClasses(counter), shared: sharedRounds(counter),
		lanes: slots{lanes, size, map[string]int{}}, steps: slots{steps, size, map[string]int{}},
	}
}

// sharedRounds returns the first round from which on all counters have the same to do:
// all terms of all words that are made from there on vary with both words.
func sharedRounds(counter int) int {
	classes, t := gridClasses(counter), 48
	for termsOf(&classes, t+15, perHash) == allTerms {
		t--
	}
	return t
}

// writeGrid writes ScanGrid. For each word that may be the counter there are three
// parts: what is made once, what is made for sixteen steps at a time, and the
// beginning of a step, up to where all terms of all words to come vary with both.
// From there on the rounds are the same for all counters.
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

// gridPath says how often each part runs for sixteen steps; what is made once does
// not count.
func gridPath(counter int) map[string]int {
	path := map[string]int{fmt.Sprintf("steps%d", counter): 1, fmt.Sprintf("begin%d", counter): 16, "test": 16}
	for t := sharedRounds(counter); t < 63; t++ {
		path[fmt.Sprintf("round%d", t)] = 16
	}
	return path
}

// makeLanes makes what does not depend on the counter: the working variables
// after its round, W[counter] excepted, h of the next three rounds with K + W
// added, and of the schedule what varies with the lanes.
func (g *grid) makeLanes() {
	lane := g.counter - 1
	g.Commentf("Word %d is the counter, word %d has a value for each lane.", g.counter, lane)
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

// makeSteps makes, for as many steps to come as there are lanes, what varies with the
// counter.
func (g *grid) makeSteps(counters reg.VecPhysical, keep func(t int, made slots)) {
	g.Label(fmt.Sprintf("steps%d", g.counter))
	w := g.draft(g.counter)
	g.or(g.field("Words", g.counter), counters, w)
	g.keep(g.counter)
	g.put(w, g.steps.add("w", g.counter))
	g.makeSums(perStep, g.steps, keep)
}

// makeSums makes, of the words of the schedule, the sums of the terms of one class.
// Where that is the whole word it goes to keep.
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

// keepKW keeps K + W.
func (g *grid) keepKW(t int, made slots) {
	kw := g.temporary()
	g.addConstant(constant(t), g.draft(t), kw)
	g.put(kw, made.add("kw", t))
}

// constantTerms returns the sum of the constant terms of W[t] if it belongs to the
// sum of those of class c: the first of perLane, perStep and perHash that there
// are.
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

// begin is the beginning of a step: the rounds that are not shared, and the
// schedule as far ahead as they need it.
func (g *grid) begin() {
	g.Label(fmt.Sprintf("begin%d", g.counter))
	for i := range 7 { // h comes with K + W of the next round, see makeLanes
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

// makeWord makes W[t] if it varies with both.
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
