package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
)

// An isa is a vector instruction set: the functions of FIPS 180-4, section
// 4.1.2, on a vector of nonces. A register that a function returns is good
// until the function is called again.
type isa interface {
	lanes() int

	working(i int) reg.VecPhysical // the i-th of eight registers for working variables
	word(t int) operand.Op         // where W[t] is, a register or memory
	// draft returns the register in which W[t] is made; keep puts it where word
	// says that it is.
	draft(t int) reg.VecPhysical
	keep(t int)
	// old returns where the sum of the old terms of W[t] is, smallSigma0(W[t-15]) and
	// W[t-16] as far as they vary, or nil if they are added when W[t] is made.
	old(t int) operand.Op

	add(x operand.Op, y, sum reg.VecPhysical)
	addConstant(m operand.Mem, x operand.Op, sum reg.VecPhysical) // one number for all lanes
	setConstant(m operand.Mem, x reg.VecPhysical)
	or(m operand.Mem, x, result reg.VecPhysical)
	temporary() reg.VecPhysical

	bigSigma0(x reg.VecPhysical) reg.VecPhysical
	bigSigma1(x reg.VecPhysical) reg.VecPhysical
	smallSigma0(x operand.Op) reg.VecPhysical
	smallSigma1(x operand.Op) reg.VecPhysical
	choose(x, y, z reg.VecPhysical) reg.VecPhysical
	// majority is called for round after round. An instruction set may keep x^y,
	// which is y^z of the next; enter makes it for the first round t.
	majority(t int, x, y, z reg.VecPhysical) reg.VecPhysical
	enter(t int, y, z reg.VecPhysical)

	// load returns the words of the nonces from index on; if they are less than a
	// vector the rest is anything, and hits will not report it. After whole, all
	// lanes count.
	load(words, index, n reg.GPVirtual) reg.VecPhysical
	whole()
	// hits returns a bit for each lane in which x has all bits of the mask zero.
	hits(mask operand.Mem, x reg.VecPhysical) reg.GPVirtual

	move(x, y reg.VecPhysical)
	// get and put move a vector between a register and memory on no boundary.
	get(m operand.Mem, x reg.VecPhysical)
	put(x reg.VecPhysical, m operand.Mem)
}

// A vector kernel under construction.
type vector struct {
	*build.Context
	isa
	block  gotypes.Component
	index  reg.GPVirtual // of the first nonce
	states reg.GPVirtual // for Hash: where to put the next vector of hash values
}

func (v *vector) field(name string, index int) operand.Mem {
	return fieldOf(v.block, name, index)
}

// variables returns the working variables a to h before round t. A round puts
// its new a in the register of the old h: it is the names that move.
func (v *vector) variables(t int) (a, b, c, d, e, f, g, h reg.VecPhysical) {
	r := func(i int) reg.VecPhysical { return v.working((i - t) & 7) }
	return r(0), r(1), r(2), r(3), r(4), r(5), r(6), r(7)
}

// writeVector writes Scan and Hash of a kernel, which differ in what they do with
// the last round. For each vector of nonces it goes through a
// prologue that is made for the word that varies: it computes that word, the
// working variables after its round, and W[16] to W[31] as far as they vary.
// Then it enters the rounds, which are the same for all, at the next one.
//
// Sharing the rounds keeps the kernel at a sixth of the size of sixteen whole
// ones. It costs an operation for each constant word after W[15], and those of
// the constant terms of words after W[31]: see count_test.go.
func writeVector(c *build.Context, set isa) {
	v := &vector{Context: c, isa: set}
	v.block = v.Dereference(v.Param("b"))
	words, n := wordsOf(c)
	v.states = v.Load(v.Param("s"), v.GP64()).(reg.GPVirtual)
	vary := v.Load(v.block.Field("Vary"), v.GP64()).(reg.GPVirtual)
	v.index = v.GP64()
	v.XORQ(v.index, v.index)

	v.Label("next")
	v.CMPQ(v.index, n)
	v.JGE(operand.LabelRef("none"))
	w := v.load(words, v.index, n)
	dispatch(c, "vary", vary, 0, 16)
	for word := range 16 {
		v.prologue(word, w)
	}
	v.rounds()

	v.Label("test")
	hits := v.hits(scalarOf(v.block, "Mask"), v.working(0))
	v.TESTL(hits.As32(), hits.As32())
	v.JNE(operand.LabelRef("found"))
	v.ADDQ(operand.U8(v.lanes()), v.index)
	v.JMP(operand.LabelRef("next"))

	v.Label("found")
	v.BSFL(hits.As32(), hits.As32())
	v.ADDQ(hits, v.index)
	returnIndex(c, v.index)

	v.Label("none")
	v.MOVQ(operand.I32(-1), v.index)
	returnIndex(c, v.index)
}

// vectorPath says how often each part of the kernel runs for a vector of nonces.
func vectorPath(vary int, hash bool) map[string]int {
	path := map[string]int{fmt.Sprintf("vary%d", vary): 1, "round16": 1}
	for t := vary + 1; t < 16; t++ {
		path[fmt.Sprintf("round%d", t)] = 1
	}
	if hash {
		path["hash"] = 1
	} else {
		path["scan"], path["test"] = 1, 1
	}
	return path
}

// dispatch jumps to the label of this name and number, from first to last-1.
func dispatch(c *build.Context, name string, number reg.GPVirtual, first, last int) {
	if last-first == 1 {
		c.JMP(operand.LabelRef(fmt.Sprintf("%s%d", name, first)))
		return
	}
	middle := (first + last) / 2
	upper := fmt.Sprintf("%s%dto%d", name, middle, last-1)
	c.CMPQ(number, operand.U8(middle))
	c.JGE(operand.LabelRef(upper))
	dispatch(c, name, number, first, middle)
	c.Label(upper)
	dispatch(c, name, number, middle, last)
}

// prologue is for digits in word vary of the message.
func (v *vector) prologue(vary int, digits reg.VecPhysical) {
	v.Commentf("Word %d varies.", vary)
	v.Label(fmt.Sprintf("vary%d", vary))
	w := v.draft(vary)
	v.or(v.field("Words", vary), digits, w)
	v.keep(vary)

	v.firstRound(vary, w)
	_, b, c, _, _, _, _, _ := v.variables(vary + 1)
	v.enter(vary+1, b, c)

	s := schedule.Varying(vary)
	for t := 16; t < 32; t++ {
		v.schedule(t, s[t])
	}
	v.JMP(operand.LabelRef(fmt.Sprintf("round%d", vary+1)))
}

// firstRound adds W[vary] to the working variables after its round, which is done
// but for that: it goes to a and e.
func (v *vector) firstRound(vary int, w reg.VecPhysical) {
	v.Commentf("Round %d is done but for W[%d], which goes to a and e.", vary, vary)
	for i := range 8 {
		x := v.working((i - vary - 1) & 7)
		if i == 0 || i == 4 {
			v.addConstant(v.field("after", i), w, x)
		} else {
			v.setConstant(v.field("after", i), x)
		}
	}
}

// schedule makes W[t], of which some terms vary and the sum of the others, if
// there are any, is at hand.
func (v *vector) schedule(t int, varying terms) {
	v.Commentf("W[%d]: %v.", t, varying)
	if varying == allTerms {
		v.sum(t, varying, nil, nil)
		return
	}
	v.sum(t, varying, []operand.Mem{v.field("sum", t)}, nil)
}

// sum makes the sum of a set of the terms of W[t] and of what is in memory,
// numbers for all lanes and vectors, where W[t] belongs:
//
//	W[t] = smallSigma1(W[t-2]) + W[t-7] + smallSigma0(W[t-15]) + W[t-16]
func (v *vector) sum(t int, set terms, numbers, vectors []operand.Mem) {
	w := v.draft(t)
	var sum operand.Op // of what was added so far; nil if nothing was
	var rest func()    // adds what is in memory, as soon as there is a sum
	add := func(x operand.Op) {
		y, inRegister := sum.(reg.VecPhysical)
		switch {
		case sum == nil:
			sum = x
			rest()
			return
		case !inRegister:
			if y, inRegister = x.(reg.VecPhysical); !inRegister {
				v.get(x.(operand.Mem), w)
				y = w
			}
			x = sum
		}
		v.add(x, y, w)
		sum = w
	}
	rest = func() {
		for _, m := range vectors {
			if sum == nil {
				v.get(m, w)
				sum = w
			} else {
				add(m)
			}
		}
		for _, m := range numbers {
			if sum == nil {
				v.setConstant(m, w)
			} else {
				v.addConstant(m, sum, w)
			}
			sum = w
		}
	}
	if old := v.old(t); old != nil && set&oldTerms != 0 {
		add(old)
		set &^= oldTerms
	}
	if set&term16 != 0 {
		add(v.word(t - 16))
	}
	if set&termSigma0 != 0 {
		add(v.smallSigma0(v.word(t - 15)))
	}
	if set&term7 != 0 {
		add(v.word(t - 7))
	}
	if x, ok := sum.(reg.VecPhysical); ok && set == termSigma0|termSigma1 && x != w {
		v.move(x, w) // smallSigma1 may use the same register
		sum = w
	}
	if set&termSigma1 != 0 {
		add(v.smallSigma1(v.word(t - 2)))
	}
	if sum == nil {
		rest()
	}
	switch x := sum.(type) {
	case reg.VecPhysical:
		if x != w {
			v.move(x, w)
		}
	case operand.Mem:
		v.get(x, w)
	}
	v.keep(t)
}

// rounds is the rest of the hash after the prologue.
func (v *vector) rounds() {
	for t := 1; t < 63; t++ {
		if t <= 16 {
			v.Label(fmt.Sprintf("round%d", t))
		}
		v.Commentf("Round %d.", t)
		_, _, _, _, _, _, _, h := v.variables(t)
		if t < 16 {
			v.addConstant(v.field("sum", t), h, h)
		} else {
			v.addWord(t, constant(t))
		}
		v.round(t)
		if t >= 16 && t < 48 {
			v.schedule(t+16, allTerms)
		}
	}
	v.TESTQ(v.states, v.states)
	v.JNE(operand.LabelRef("hash"))

	v.Label("scan")
	v.makeH0()
	v.JMP(operand.LabelRef("test"))

	v.Comment("Round 63, and the hash values.")
	v.Label("hash")
	v.addWord(63, constant(63))
	v.round(63)
	for i := range 8 {
		v.addConstant(v.field("State", i), v.working(i), v.working(i))
		v.put(v.working(i), v.state(v.states, i))
	}
	v.ADDQ(operand.U32(32*v.lanes()), v.states)
	v.ADDQ(operand.U8(v.lanes()), v.index)
	v.JMP(operand.LabelRef("next"))
}

// state returns where a vector kernel keeps the i-th word of a vector of hash
// values.
func (v *vector) state(at reg.Register, i int) operand.Mem {
	return operand.Mem{Base: at, Disp: 4 * v.lanes() * i}
}

// addWord adds W[t] and the constant to h.
func (v *vector) addWord(t int, k operand.Mem) {
	_, _, _, _, _, _, _, h := v.variables(t)
	kw := v.temporary()
	v.addConstant(k, v.word(t), kw)
	v.add(kw, h, h)
}

// round does round t. K[t] + W[t] has been added to h, and
//
//	T1 = h + bigSigma1(e) + choose(e, f, g)
//	T2 = bigSigma0(a) + majority(a, b, c)
//	e, a = d + T1, T1 + T2
func (v *vector) round(t int) {
	_, _, _, d, e, f, g, h := v.variables(t)
	v.add(v.choose(e, f, g), h, h)
	v.add(v.bigSigma1(e), h, h)
	v.add(h, d, d)
	v.addT2(t)
}

// makeH0 is round 63 without the new e, and with State[0] in the constant: a is H0.
func (v *vector) makeH0() {
	v.Comment("Round 63 without the new e, and with State[0] in the constant: a is H0.")
	v.addWord(63, scalarOf(v.block, "last"))
	v.lastRound(63)
}

// lastRound does the same without e.
func (v *vector) lastRound(t int) {
	_, _, _, _, e, f, g, h := v.variables(t)
	v.add(v.choose(e, f, g), h, h)
	v.add(v.bigSigma1(e), h, h)
	v.addT2(t)
}

func (v *vector) addT2(t int) {
	a, b, c, _, _, _, _, h := v.variables(t)
	v.add(v.majority(t, a, b, c), h, h)
	v.add(v.bigSigma0(a), h, h)
}
