package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
)

// An isa is a vector instruction set that implements the functions of FIPS 180-4, section
// 4.1.2, on a vector of nonces. A register that a method returns keeps its value until the
// next call of the same method.
type isa interface {
	lanes() int
	// compact reports whether the code that a step executes must be small to fit into the CPU's
	// cache of decoded instructions. Rounds 16 to 47 are then a loop of sixteen rounds, and the
	// parts between which a step jumps are aligned.
	compact() bool

	working(i int) reg.VecPhysical // the i-th of eight registers for working variables
	word(t int) operand.Op         // the register or memory that holds W[t]
	// draft returns the register in which to compute W[t]; keep then moves W[t] from there
	// to word(t).
	draft(t int) reg.VecPhysical
	keep(t int)
	// old returns the operand that holds the sum of the varying old terms of W[t], which are
	// smallSigma0(W[t-15]) and W[t-16]. It returns nil if nothing adds them up in advance.
	old(t int) operand.Op

	add(x operand.Op, y, sum reg.VecPhysical)
	addConstant(m operand.Mem, x operand.Op, sum reg.VecPhysical) // adds one number to all lanes
	setConstant(m operand.Mem, x reg.VecPhysical)
	or(m operand.Mem, x, result reg.VecPhysical)
	temporary() reg.VecPhysical

	bigSigma0(x reg.VecPhysical) reg.VecPhysical
	bigSigma1(x reg.VecPhysical) reg.VecPhysical
	smallSigma0(x operand.Op) reg.VecPhysical
	smallSigma1(x operand.Op) reg.VecPhysical
	choose(x, y, z reg.VecPhysical) reg.VecPhysical
	// majority must be called for consecutive rounds t: an instruction set may keep x^y,
	// which is y^z of the next round. enter computes the y^z of the first round, t.
	majority(t int, x, y, z reg.VecPhysical) reg.VecPhysical
	enter(t int, y, z reg.VecPhysical)

	// load returns a vector of the n words, starting at index. If fewer are left than there are
	// lanes, the other lanes are undefined and hits ignores them until whole is called.
	load(words, index, n reg.GPVirtual) reg.VecPhysical
	whole()
	// hits returns a bit for each lane in which x has all bits of the mask zero.
	hits(mask operand.Mem, x reg.VecPhysical) reg.GPVirtual

	move(x, y reg.VecPhysical)
	// get and put move a vector between a register and unaligned memory.
	get(m operand.Mem, x reg.VecPhysical)
	put(x reg.VecPhysical, m operand.Mem)
}

// A vector is a vector kernel under construction.
type vector struct {
	*build.Context
	isa
	block  gotypes.Component
	index  reg.GPVirtual // of the first nonce
	states reg.GPVirtual // for Hash: the address for the next vector of hash values
}

func (v *vector) field(name string, index int) operand.Mem {
	return fieldOf(v.block, name, index)
}

// variables returns the registers of the working variables a to h before round t. A round
// writes its new a to the register of the old h, so the names rotate instead of the values.
func (v *vector) variables(t int) (a, b, c, d, e, f, g, h reg.VecPhysical) {
	r := func(i int) reg.VecPhysical { return v.working((i - t) & 7) }
	return r(0), r(1), r(2), r(3), r(4), r(5), r(6), r(7)
}

// writeVector writes Scan and Hash of a kernel, which differ only after the last round. For
// each vector of nonces the code runs the prologue for the word that varies. The prologue
// computes that word, the working variables after its round, and the words among W[16] to
// W[31] that vary. Then it enters the shared rounds at the next round.
//
// Sharing the rounds makes the kernel a sixth as large as sixteen separate ones would be. It
// costs one operation for each constant word after W[15], and the operations for constant
// terms of words after W[31]. count_test.go limits these costs.
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
	v.endStep(v.hits(scalarOf(v.block, "Mask"), v.working(0)))
}

// endStep ends a step, in which a search has tested a vector of nonces. It returns the index
// of the first hit, given a bit for each lane, or goes to "next". At "none" it returns -1.
func (v *vector) endStep(hits reg.GPVirtual) {
	v.TESTL(hits.As32(), hits.As32())
	v.JNE(operand.LabelRef("found"))
	v.ADDQ(operand.U8(v.lanes()), v.index)
	v.JMP(operand.LabelRef("next"))

	v.Label("found")
	v.BSFL(hits.As32(), hits.As32())
	v.ADDQ(hits, v.index)
	returnIndex(v.Context, v.index)

	v.Label("none")
	v.MOVQ(operand.I32(-1), v.index)
	returnIndex(v.Context, v.index)
}

// vectorPath returns how often each part of the kernel runs for a vector of nonces.
func vectorPath(vary int, hash, compact bool) map[string]int {
	path := map[string]int{fmt.Sprintf("vary%d", vary): 1, "round16": 1, "round48": 1}
	if compact {
		path["sixteen"] = 2
	}
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

// dispatch jumps to the label that consists of name and number, which is in [first, last).
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

// alignPart aligns a part of compact code. Otherwise the linker, which aligns functions to 32 bytes
// only, would decide how many lines of the cache of decoded instructions the part takes.
func (v *vector) alignPart(boundary uint8) {
	if v.compact() {
		v.Instruction(&ir.Instruction{Opcode: pcAlign, Operands: []operand.Op{operand.U8(boundary)}})
	}
}

// pcAlign is the directive that aligns the next instruction, and with it the function. The
// assembler fills the gap with instructions that do nothing.
const pcAlign = "PCALIGN"

// prologue writes the prologue for chunks in which word vary of the message varies.
func (v *vector) prologue(vary int, digits reg.VecPhysical) {
	v.Commentf("Word %d varies.", vary)
	v.alignPart(64)
	v.Label(fmt.Sprintf("vary%d", vary))
	w := v.draft(vary)
	v.or(v.field("Words", vary), digits, w)
	v.keep(vary)

	v.firstRound(vary, w)
	s := schedule.Varying(vary)
	for t := 16; t < 32; t++ {
		v.schedule(t, s[t])
	}
	_, b, c, _, _, _, _, _ := v.variables(vary + 1)
	v.enter(vary+1, b, c)
	v.JMP(operand.LabelRef(fmt.Sprintf("round%d", vary+1)))
}

// firstRound loads the working variables after round vary, which Prepare computed with
// W[vary] = 0, and completes the round by adding W[vary] to a and e.
func (v *vector) firstRound(vary int, w reg.VecPhysical) {
	v.Commentf("Complete round %d by adding W[%d] to a and e.", vary, vary)
	for i := range 8 {
		x := v.working((i - vary - 1) & 7)
		if i == 0 || i == 4 {
			v.addConstant(v.field("after", i), w, x)
		} else {
			v.setConstant(v.field("after", i), x)
		}
	}
}

// schedule computes W[t] from its varying terms and, if there are others, their sum, which
// Prepare computed.
func (v *vector) schedule(t int, varying terms) {
	v.Commentf("W[%d]: %v.", t, varying)
	if varying == allTerms {
		v.sum(t, varying, nil, nil)
		return
	}
	v.sum(t, varying, []operand.Mem{v.field("sum", t)}, nil)
}

// sum adds up the terms of W[t] in set and the operands in memory: numbers, which it adds to
// all lanes, and vectors. It stores the sum in place of W[t].
//
//	W[t] = smallSigma1(W[t-2]) + W[t-7] + smallSigma0(W[t-15]) + W[t-16]
func (v *vector) sum(t int, set terms, numbers, vectors []operand.Mem) {
	v.draftSum(t, set, numbers, vectors)
	v.keep(t)
}

// draftSum is sum, except that it leaves the sum in the register that draft returns.
func (v *vector) draftSum(t int, set terms, numbers, vectors []operand.Mem) {
	w := v.draft(t)
	var sum operand.Op // the sum so far; nil at first
	var rest func()    // adds vectors and numbers, as soon as there is a sum
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
}

// rounds writes the shared rounds after the prologues, and the end of Hash.
func (v *vector) rounds() {
	// At an odd multiple of 64, these rounds would compete with the prologue of word 7 for places
	// in Zen 3's cache of decoded instructions, which would make it 8 % slower.
	v.alignPart(128)
	for t := 1; t < 16; t++ {
		v.Label(fmt.Sprintf("round%d", t))
		v.Commentf("Round %d.", t)
		_, _, _, _, _, _, _, h := v.variables(t)
		v.addConstant(v.field("sum", t), h, h)
		v.round(t)
	}
	v.Label("round16")
	if v.compact() {
		v.twiceSixteenRounds()
	} else {
		for t := 16; t < 48; t++ {
			v.scheduledRound(t, constant(t))
		}
	}
	v.Label("round48")
	for t := 48; t < 63; t++ {
		v.Commentf("Round %d.", t)
		v.addWord(t, constant(t))
		v.round(t)
	}
	v.TESTQ(v.states, v.states)
	v.JNE(operand.LabelRef("hash"))

	v.Label("scan")
	v.makeH0()
	v.JMP(operand.LabelRef("test"))

	v.Comment("Round 63; then store the hash values.")
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

// twiceSixteenRounds writes rounds 16 to 47 as a loop. After sixteen rounds, all names of working
// variables and words repeat.
func (v *vector) twiceSixteenRounds() {
	k, end := v.GP64(), v.GP64()
	v.LEAQ(constant(16), k)
	v.LEAQ(constant(48), end)
	v.Label("sixteen")
	for t := 16; t < 32; t++ {
		v.scheduledRound(t, operand.Mem{Base: k, Disp: 4 * (t - 16)})
	}
	v.ADDQ(operand.U8(4*16), k)
	v.CMPQ(k, end)
	v.JNE(operand.LabelRef("sixteen"))
}

// scheduledRound does round t and computes W[t+16].
func (v *vector) scheduledRound(t int, k operand.Mem) {
	v.Commentf("Round %d.", t)
	v.addWord(t, k)
	v.round(t)
	v.schedule(t+16, allTerms)
}

// state returns the address of the i-th words of a vector of hash values.
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

// round does round t, after K[t] + W[t] has been added to h:
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

// makeH0 does round 63 without computing e. Its constant includes State[0], so a is H0.
func (v *vector) makeH0() {
	v.Comment("Round 63 without e. Its constant includes State[0], so a is H0.")
	v.addWord(63, scalarOf(v.block, "last"))
	v.lastRound(63)
}

// lastRound does round t without computing the new e.
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
