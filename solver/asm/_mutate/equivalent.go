package main

import (
	"encoding/binary"
	"regexp"
	"slices"
)

// An equivalent is a kind of mutant that does the same as the original.
type equivalent struct {
	reason string
	text   *regexp.Regexp // what the line is like
	change func(was []byte, byte, bit int) bool
}

// equivalents lists the kinds that passed all tests, with the reasons. Intel's manual,
// volume 2, sections 2.2 to 2.7, says what the bits of prefixes mean.
var equivalents = []equivalent{
	{"it saves time only", regexp.MustCompile(`^VZEROUPPER`), anyChange},
	{"there are no more lanes than the bits below", regexp.MustCompile(`^MOVL \$0x0{0,6}(ff|ffff), `), func(was []byte, byte, _ int) bool {
		return byte >= len(was)-2
	}},
	{"a rotation XORs two shifts, which have no bits in common, so VPOR and VPADDSW do the same", regexp.MustCompile(`^VPXOR `), opcode(0xef, 0xeb, 0xed)},
	{"VBROADCASTSS does the same", regexp.MustCompile(`^VPBROADCASTD `), opcode(0x58, 0x18)},
	{"VMOVHPD does the same", regexp.MustCompile(`^VMOVHPS `), func(was []byte, byte, bit int) bool {
		return was[0] == 0xc5 && byte == 1 && bit == 0
	}},
	{"no number is so large that signed and unsigned comparisons differ", regexp.MustCompile(`^(JGE|JLT|JGT|JLE) `), func(was []byte, byte, bit int) bool {
		return byte == 0 && was[0] != 0x0f || byte == 1 && was[0] == 0x0f
	}},
	{"VEX.W is ignored", any, func(was []byte, byte, bit int) bool {
		return was[0] == 0xc4 && byte == 2 && bit == 7
	}},
	{"REX.W is ignored", regexp.MustCompile(`^SHA256`), func(was []byte, byte, bit int) bool {
		return byte == 0 && bit == 3
	}},
	{"EVEX.W makes lanes of 64 bits, which is the same without a mask of lanes", regexp.MustCompile(`^(VPXORD|VPORD|VPANDD|VPTERNLOGD|VMOVDQU32|VMOVDQA32) `), func(was []byte, byte, bit int) bool {
		return was[0] == 0x62 && byte == 2 && bit == 7
	}},
	{"X extends the index of an address, and there is none", any, func(was []byte, byte, bit int) bool {
		e := decode(was)
		return was[0] != 0xc5 && byte == e.prefix && bit == e.xBit && !e.index()
	}},
	{"R and R' extend a register, in whose place the instruction has part of its opcode", regexp.MustCompile(`^(VPS[LR]LD|VPRORD|INC|DEC|SH[LR]|ADD|SUB|CMP|AND)`), func(was []byte, byte, bit int) bool {
		e := decode(was)
		return byte == e.prefix && (bit == e.xBit+1 || was[0] == 0x62 && bit == 4)
	}},
	{"a rotation of a 32-bit lane counts modulo 32", regexp.MustCompile(`^VPRORD `), func(was []byte, byte, bit int) bool {
		return byte == len(was)-1 && bit >= 5
	}},
	{"on two lanes ZIP1, UZP1 and TRN1 do the same", any, sameOnTwoLanes},
	{"VEX.L makes the vector longer, and the upper half does not count", regexp.MustCompile(`\bX\d`), func(was []byte, byte, bit int) bool {
		return bit == 2 && (was[0] == 0xc4 && byte == 2 || was[0] == 0xc5 && byte == 1)
	}},
}

// sameOnTwoLanes reports a change among ZIP1, UZP1 and TRN1 of arm64 on lanes of 64 bits.
func sameOnTwoLanes(was []byte, byte, bit int) bool {
	permutes := func(x uint32) bool {
		which := x >> 12 & 7
		return x&0xffe08c00 == 0x4ec00800 && 1 <= which && which <= 3
	}
	if len(was) != 4 || byte < 0 {
		return false
	}
	x := binary.LittleEndian.Uint32(was)
	return permutes(x) && permutes(x^1<<(8*byte+bit))
}

// opcode returns a change of the opcode of a VEX instruction from one to others.
func opcode(from byte, to ...byte) func([]byte, int, int) bool {
	return func(was []byte, i, bit int) bool {
		return was[i] == from && i == map[byte]int{0xc4: 3, 0xc5: 2}[was[0]] && slices.Contains(to, from^1<<bit)
	}
}

var any = regexp.MustCompile(``)

func anyChange([]byte, int, int) bool { return true }

// reason says why the mutant does the same as the original, or returns "".
func (m mutant) reason() string {
	for _, e := range equivalents {
		if e.text.MatchString(m.text) && e.change(m.instruction.code, m.byte, m.bit) {
			return e.reason
		}
	}
	return ""
}

// An encoding says where things are in an instruction for amd64.
type encoding struct {
	prefix int // the byte with the bits that extend registers, -1 if there is none
	xBit   int // the bit of it that extends an index; the one above extends a register
	modRM  byte
}

// decode finds the prefix and the ModRM byte.
func decode(code []byte) encoding {
	at := func(i int) byte {
		if i < len(code) {
			return code[i]
		}
		return 0
	}
	switch code[0] {
	case 0xc4:
		return encoding{1, 6, at(4)}
	case 0xc5:
		return encoding{1, 6, at(3)}
	case 0x62:
		return encoding{1, 6, at(5)}
	}
	i := 0
	for at(i) == 0x66 || at(i) == 0xf2 || at(i) == 0xf3 {
		i++
	}
	e := encoding{prefix: -1}
	if at(i)&0xf0 == 0x40 {
		e.prefix, e.xBit = i, 1
		i++
	}
	switch {
	case at(i) != 0x0f:
		e.modRM = at(i + 1)
	case at(i+1) == 0x38 || at(i+1) == 0x3a:
		e.modRM = at(i + 3)
	default:
		e.modRM = at(i + 2)
	}
	return e
}

// index reports whether the instruction has a memory operand that may have an index.
func (e encoding) index() bool { return e.modRM>>6 != 3 && e.modRM&7 == 4 }
