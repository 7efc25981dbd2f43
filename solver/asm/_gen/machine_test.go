package main

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A machine interprets the functions that the generator writes, on any computer. It knows the
// instructions that the kernels use, including AVX-512 and SHA-NI, and panics at any other. It also
// panics at errors that may go unnoticed on a CPU: an access outside the memory that the function
// was given, a misaligned operand of an instruction that needs an aligned one, and a signed
// condition that no comparison has set.
type machine struct {
	general [16]uint64
	vectors [32]vector512
	masks   [8]uint16
	memory  []*region

	zero, less, compared bool // the flags; less is valid only if compared is set

	// upperDirty is set if the upper half of any of the first sixteen vector registers may be in
	// use. transitions counts the SHA instructions executed in that state, each of which takes
	// hundreds of cycles on Intel CPUs and on AMD CPUs before Zen 4.
	upperDirty  bool
	transitions int

	uses *uses // records the uses of results, unless nil
}

// A vector512 is a vector register, the lowest word first.
type vector512 [16]uint32

// A region is the memory of one value. Each region has 4 GiB of addresses to itself, so an access
// beyond its end does not reach another region.
type region struct {
	name  string
	first uint64
	bytes []byte
}

// add adds memory to the machine and returns its address, which is offset bytes above a multiple of
// 64.
func (m *machine) add(name string, bytes []byte, offset uint64) uint64 {
	r := &region{name, uint64(len(m.memory)+1)<<32 + offset, bytes}
	m.memory = append(m.memory, r)
	return r.first
}

// at returns n bytes of memory, and panics unless a single region has all of them.
func (m *machine) at(address uint64, n int) []byte {
	for _, r := range m.memory {
		if r.first <= address && address+uint64(n) <= r.first+uint64(len(r.bytes)) {
			return r.bytes[address-r.first:][:n]
		}
	}
	panic(fmt.Sprintf("no region has the %d bytes at %#x", n, address))
}

// call executes a function with arguments of eight bytes each and returns its result. As in Go, the
// stack is aligned to eight bytes only.
func (m *machine) call(f *ir.Function, arguments ...uint64) int {
	frame := m.add("arguments", make([]byte, 8*len(arguments)+8), 8)
	for i, x := range arguments {
		binary.LittleEndian.PutUint64(m.at(frame+uint64(8*i), 8), x)
	}
	stack := m.add("stack", make([]byte, f.FrameBytes()), 8)
	defer func(memory []*region) { m.memory = memory }(m.memory[:len(m.memory)-2])

	labels := map[string]int{}
	for i, node := range f.Nodes {
		if label, ok := node.(ir.Label); ok {
			labels[string(label)] = i
		}
	}
	for at := 0; ; at++ {
		i, ok := f.Nodes[at].(*ir.Instruction)
		if !ok || i.Opcode == pcAlign {
			continue
		}
		if i.Opcode == "RET" {
			return int(int64(binary.LittleEndian.Uint64(m.at(frame+uint64(8*len(arguments)), 8))))
		}
		if m.uses != nil {
			m.uses.note(step{m, i, frame, stack})
		}
		if i.IsBranch {
			if m.holds(i.Opcode) {
				at = labels[string(i.Operands[0].(operand.LabelRef))]
			}
			continue
		}
		m.execute(step{m, i, frame, stack})
	}
}

// holds reports whether the condition of a branch or a conditional move is true.
func (m *machine) holds(opcode string) bool {
	switch opcode {
	case "JMP":
		return true
	case "JEQ":
		return m.zero
	case "JNE":
		return !m.zero
	}
	if !m.compared {
		panic(opcode + " without a comparison")
	}
	switch opcode {
	case "JGE", "CMOVQGE":
		return !m.less
	case "CMOVQGT":
		return !m.less && !m.zero
	}
	panic("unknown condition " + opcode)
}

// A step is the execution of an instruction.
type step struct {
	*machine
	*ir.Instruction
	frame, stack uint64
}

// execute executes an instruction. Operands are in the order of Go's assembler, with the result
// last.
func (m *machine) execute(s step) {
	switch opcode := s.Opcode; opcode {
	// General registers.
	case "MOVQ", "MOVL":
		s.setInteger(1, s.integer(0))
	case "LEAQ":
		s.setInteger(1, s.address(s.Operands[0].(operand.Mem)))
	case "XCHGQ":
		x, y := s.integer(0), s.integer(1)
		s.setInteger(0, y)
		s.setInteger(1, x)
	case "CMOVQGE", "CMOVQGT":
		if m.holds(opcode) {
			s.setInteger(1, s.integer(0))
		}
	case "CMPQ":
		x, y := int64(s.integer(0)), int64(s.integer(1))
		m.zero, m.less, m.compared = x == y, x < y, true
	case "TESTQ", "TESTL":
		m.zero, m.compared = s.integer(0)&s.integer(1) == 0, false
	case "ADDQ", "ADDL":
		s.setResult(1, s.integer(1)+s.integer(0))
	case "SUBQ":
		s.setResult(1, s.integer(1)-s.integer(0))
	case "ANDQ", "ANDL":
		s.setResult(1, s.integer(1)&s.integer(0))
	case "ORL":
		s.setResult(1, s.integer(1)|s.integer(0))
	case "XORQ":
		s.setResult(1, s.integer(1)^s.integer(0))
	case "SHLQ", "SHLL":
		s.setResult(1, s.integer(1)<<(s.integer(0)&31))
	case "INCQ":
		s.setResult(0, s.integer(0)+1)
	case "DECQ", "DECL":
		s.setResult(0, s.integer(0)-1)
	case "BSFL":
		s.setInteger(1, uint64(bits.TrailingZeros32(uint32(s.integer(0)))))

	// Moves of vectors.
	case "VMOVDQU", "VMOVDQA", "VMOVDQA32":
		if m, ok := s.memory(); ok && opcode != "VMOVDQU" && s.address(m)%uint64(4*s.width()) != 0 {
			panic("misaligned operand of " + opcode)
		}
		s.setVector(1, s.vector(0))
	case "VMOVDQU32":
		if len(s.Operands) == 2 {
			s.setVector(1, s.vector(0))
			break
		}
		s.setVector(2, s.loadLanes(0, func(lane int) bool { return s.mask(1)>>lane&1 == 1 }))
	case "VPMASKMOVD":
		s.setVector(2, s.loadLanes(0, func(lane int) bool { return s.vector(1)[lane]>>31 == 1 }))
	case "VPBROADCASTD", "VBROADCASTSS":
		s.setVector(1, s.spread(0))
	case "VMOVD":
		s.setVector(1, vector512{s.spread(0)[0]})
	case "VMOVQ":
		x := s.load(0, 8)
		s.setVector(1, vector512{word(x, 0), word(x, 1)})
	case "VMOVDDUP":
		x := s.load(0, 8)
		s.setVector(1, vector512{word(x, 0), word(x, 1), word(x, 0), word(x, 1)})
	case "VMOVHPS":
		x, to := s.vector(0), s.load(1, 8)
		binary.LittleEndian.PutUint32(to, x[2])
		binary.LittleEndian.PutUint32(to[4:], x[3])
	case "VMOVMSKPS":
		x, hits := s.vector(0), uint64(0)
		for lane := range s.width() {
			hits |= uint64(x[lane]>>31) << lane
		}
		s.setInteger(1, hits)
	case "KMOVW":
		if r := s.Operands[1].(reg.Physical); r.Kind() == reg.KindOpmask {
			m.masks[r.PhysicalIndex()] = uint16(s.integer(0))
		} else {
			s.setInteger(1, uint64(s.mask(0)))
		}
	case "VZEROUPPER":
		for i := range 16 {
			clear(m.vectors[i][4:])
		}
		m.upperDirty = false

	// Arithmetic and logic, lane by lane.
	case "VPADDD":
		s.lanes(func(x, y uint32) uint32 { return y + x })
	case "VPSUBD":
		s.lanes(func(x, y uint32) uint32 { return y - x })
	case "VPMULLD":
		s.lanes(func(x, y uint32) uint32 { return y * x })
	case "VPXOR", "VPXORD":
		s.lanes(func(x, y uint32) uint32 { return y ^ x })
	case "VPOR", "VPORD":
		s.lanes(func(x, y uint32) uint32 { return y | x })
	case "VPAND", "VPANDD":
		s.lanes(func(x, y uint32) uint32 { return y & x })
	case "VPCMPEQD":
		s.lanes(func(x, y uint32) uint32 {
			if x == y {
				return ^uint32(0)
			}
			return 0
		})
	case "VPSLLD":
		s.shift(func(x uint32, n int) uint32 { return x << n })
	case "VPSRLD":
		s.shift(func(x uint32, n int) uint32 { return x >> n })
	case "VPRORD":
		s.shift(func(x uint32, n int) uint32 { return bits.RotateLeft32(x, -n) })
	case "VPTERNLOGD":
		table, x, y, z := s.integer(0), s.vector(1), s.vector(2), s.vector(3)
		for lane := range z {
			result := uint32(0)
			for bit := range 32 {
				index := z[lane]>>bit&1<<2 | y[lane]>>bit&1<<1 | x[lane]>>bit&1
				result |= uint32(table>>index&1) << bit
			}
			z[lane] = result
		}
		s.setVector(3, z)
	case "VPTESTNMD":
		x, y := s.vector(0), s.vector(1)
		hits := uint16(0)
		for lane := range s.width() {
			if x[lane]&y[lane] == 0 {
				hits |= 1 << lane
			}
		}
		if len(s.Operands) == 4 {
			hits &= s.mask(2)
		}
		m.masks[s.Operands[len(s.Operands)-1].(reg.Physical).PhysicalIndex()] = hits
	case "KORTESTW":
		m.zero, m.compared = s.mask(0)|s.mask(1) == 0, false

	// Moves of words between lanes, the same in each quarter of a register.
	case "VPUNPCKLDQ":
		s.quarters(func(x, y []uint32) [4]uint32 { return [4]uint32{y[0], x[0], y[1], x[1]} })
	case "VPUNPCKHDQ":
		s.quarters(func(x, y []uint32) [4]uint32 { return [4]uint32{y[2], x[2], y[3], x[3]} })
	case "VPUNPCKHQDQ":
		s.quarters(func(x, y []uint32) [4]uint32 { return [4]uint32{y[2], y[3], x[2], x[3]} })
	case "VPALIGNR":
		if s.integer(0) != 4 {
			panic("VPALIGNR by other than one word")
		}
		s.quarters(func(x, y []uint32) [4]uint32 { return [4]uint32{x[1], x[2], x[3], y[0]} })
	case "VSHUFPS":
		n := s.integer(0)
		s.quarters(func(x, y []uint32) [4]uint32 {
			return [4]uint32{y[n&3], y[n>>2&3], x[n>>4&3], x[n>>6&3]}
		})
	case "VPSHUFB":
		s.quarters(func(x, y []uint32) (result [4]uint32) {
			for i := range 16 {
				if from := x[i/4] >> (i % 4 * 8) & 0xff; from < 0x80 {
					from &= 15
					result[i/4] |= y[from/4] >> (from % 4 * 8) & 0xff << (i % 4 * 8)
				}
			}
			return result
		})

	// SHA-NI. These instructions change only the lowest quarter of a register.
	case "SHA256RNDS2":
		kw, abef, cdgh := s.vector(0), s.vector(1), s.vector(2)
		a, b, e, f := abef[3], abef[2], abef[1], abef[0]
		c, d, g, h := cdgh[3], cdgh[2], cdgh[1], cdgh[0]
		for i := range 2 {
			t1 := h + kw[i] + rotations(e, 6, 11, 25) + (e&f ^ ^e&g)
			t2 := rotations(a, 2, 13, 22) + (a&b ^ a&c ^ b&c)
			a, b, c, d, e, f, g, h = t1+t2, a, b, c, d+t1, e, f, g
		}
		s.setSHA(2, [4]uint32{f, e, b, a})
	case "SHA256MSG1":
		x, y := s.shaSource(0), s.vector(1)
		s.setSHA(1, [4]uint32{
			y[0] + smallSigma0(y[1]), y[1] + smallSigma0(y[2]),
			y[2] + smallSigma0(y[3]), y[3] + smallSigma0(x[0]),
		})
	case "SHA256MSG2":
		x, y := s.shaSource(0), s.vector(1)
		w16, w17 := y[0]+smallSigma1(x[2]), y[1]+smallSigma1(x[3])
		s.setSHA(1, [4]uint32{w16, w17, y[2] + smallSigma1(w16), y[3] + smallSigma1(w17)})
	default:
		panic("unknown instruction " + opcode)
	}
}

func rotations(x uint32, r ...int) (result uint32) {
	for _, n := range r {
		result ^= bits.RotateLeft32(x, -n)
	}
	return result
}

func smallSigma0(x uint32) uint32 { return rotations(x, 7, 18) ^ x>>3 }
func smallSigma1(x uint32) uint32 { return rotations(x, 17, 19) ^ x>>10 }

// address returns the address of a memory operand.
func (s step) address(m operand.Mem) uint64 {
	address := uint64(m.Disp)
	switch m.Base {
	case reg.FramePointer:
		address += s.frame
	case reg.StackPointer:
		address += s.stack
	case reg.StaticBase:
		i := slices.IndexFunc(s.machine.memory, func(r *region) bool { return r.name == m.Symbol.Name })
		if i < 0 {
			panic("no table " + m.Symbol.Name)
		}
		address += s.machine.memory[i].first
	default:
		address += s.general[m.Base.(reg.Physical).PhysicalIndex()]
	}
	if m.Index != nil {
		address += s.general[m.Index.(reg.Physical).PhysicalIndex()] * uint64(m.Scale)
	}
	return address
}

// memory returns the memory operand, if there is one.
func (s step) memory() (m operand.Mem, ok bool) {
	for _, op := range s.Operands {
		if m, ok := op.(operand.Mem); ok {
			return m, true
		}
	}
	return m, false
}

// load returns n bytes at the address of a memory operand. Writing to them writes to memory.
func (s step) load(i, n int) []byte { return s.at(s.address(s.Operands[i].(operand.Mem)), n) }

func word(bytes []byte, i int) uint32 { return binary.LittleEndian.Uint32(bytes[4*i:]) }

// integer returns the value of an operand, which has four bytes if the opcode ends in L and eight
// otherwise.
func (s step) integer(i int) uint64 {
	size := 8
	if s.Opcode[len(s.Opcode)-1] == 'L' {
		size = 4
	}
	switch op := s.Operands[i].(type) {
	case operand.Mem:
		if size == 4 {
			return uint64(word(s.load(i, 4), 0))
		}
		return binary.LittleEndian.Uint64(s.load(i, 8))
	case reg.Physical:
		x := s.general[op.PhysicalIndex()]
		if op.Size() < 8 {
			x &= 1<<(8*op.Size()) - 1
		}
		return x
	case operand.U8:
		return uint64(op)
	case operand.U32:
		return uint64(op)
	case operand.I8:
		return uint64(int64(op))
	case operand.I32:
		return uint64(int64(op))
	}
	panic(fmt.Sprintf("unknown operand %T", s.Operands[i]))
}

// setInteger sets an operand. Writing four bytes to a register clears its upper four.
func (s step) setInteger(i int, x uint64) {
	switch op := s.Operands[i].(type) {
	case operand.Mem:
		if s.Opcode[len(s.Opcode)-1] == 'L' {
			binary.LittleEndian.PutUint32(s.load(i, 4), uint32(x))
		} else {
			binary.LittleEndian.PutUint64(s.load(i, 8), x)
		}
	case reg.Physical:
		if op.Size() == 4 {
			x = uint64(uint32(x))
		}
		s.general[op.PhysicalIndex()] = x
	}
}

// setResult sets an operand and the zero flag.
func (s step) setResult(i int, x uint64) {
	s.setInteger(i, x)
	s.zero, s.compared = s.integer(i) == 0, false
}

func (s step) mask(i int) uint16 { return s.masks[s.Operands[i].(reg.Physical).PhysicalIndex()] }

// width returns the number of words in a vector of the instruction.
func (s step) width() int {
	for _, op := range slices.Backward(s.Operands) {
		if r, ok := op.(reg.VecPhysical); ok {
			return int(r.Size()) / 4
		}
	}
	panic("no vector in " + s.Opcode)
}

// vector returns the words of an operand: a register, memory, or a word in memory that is broadcast
// to all lanes.
func (s step) vector(i int) (v vector512) {
	switch op := s.Operands[i].(type) {
	case reg.VecPhysical:
		return s.vectors[op.PhysicalIndex()]
	case operand.Mem:
		if slices.Contains(s.Suffixes, "BCST") {
			return s.spread(i)
		}
		return s.loadLanes(i, func(int) bool { return true })
	}
	panic(fmt.Sprintf("operand %T is not a vector", s.Operands[i]))
}

// spread returns a vector with a word of memory in every lane.
func (s step) spread(i int) (v vector512) {
	x := word(s.load(i, 4), 0)
	for lane := range v {
		v[lane] = x
	}
	return v
}

// loadLanes loads the lanes for which counts returns true. It does not access the memory of the
// others.
func (s step) loadLanes(i int, counts func(lane int) bool) (v vector512) {
	address := s.address(s.Operands[i].(operand.Mem))
	for lane := range s.width() {
		if counts(lane) {
			v[lane] = word(s.at(address+uint64(4*lane), 4), 0)
		}
	}
	return v
}

// setVector sets an operand, and clears the rest of a register.
func (s step) setVector(i int, v vector512) {
	n := s.width()
	switch op := s.Operands[i].(type) {
	case reg.VecPhysical:
		clear(v[n:])
		s.vectors[op.PhysicalIndex()] = v
		s.upperDirty = s.upperDirty || n > 4 && op.PhysicalIndex() < 16
	case operand.Mem:
		to := s.load(i, 4*n)
		for lane, x := range v[:n] {
			binary.LittleEndian.PutUint32(to[4*lane:], x)
		}
	}
}

func (s step) lanes(f func(x, y uint32) uint32) {
	x, y := s.vector(0), s.vector(1)
	for lane := range y {
		y[lane] = f(x[lane], y[lane])
	}
	s.setVector(2, y)
}

func (s step) shift(f func(x uint32, n int) uint32) {
	n, x := int(s.integer(0)), s.vector(1)
	for lane := range x {
		x[lane] = f(x[lane], n)
	}
	s.setVector(2, x)
}

// quarters computes each quarter of the last operand from the same quarter of the two before it.
func (s step) quarters(f func(x, y []uint32) [4]uint32) {
	last := len(s.Operands) - 1
	x, y := s.vector(last-2), s.vector(last-1)
	for i := 0; i < len(y); i += 4 {
		result := f(x[i:i+4], y[i:i+4])
		copy(y[i:], result[:])
	}
	s.setVector(last, y)
}

// shaSource is like vector for instructions without VEX encoding, whose memory operands must be
// aligned.
func (s step) shaSource(i int) vector512 {
	if m, ok := s.memory(); ok && s.address(m)%16 != 0 {
		panic("misaligned operand of " + s.Opcode)
	}
	return s.vector(i)
}

func (s step) setSHA(i int, x [4]uint32) {
	copy(s.vectors[s.Operands[i].(reg.VecPhysical).PhysicalIndex()][:], x[:])
	if s.upperDirty {
		s.transitions++
	}
}
