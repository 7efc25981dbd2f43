package main

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gkpow/gkpow/solver/asm/internal/schedule"
)

// An equivalent is a kind of mutant that behaves like the original.
type equivalent struct {
	reason string
	text   *regexp.Regexp // matches the line of the instruction
	change func(was []byte, byte, bit int) bool
}

// equivalents lists the kinds that passed all tests, with the reasons. Intel's manual, volume 2,
// sections 2.2 to 2.7, defines the bits of prefixes.
var equivalents = []equivalent{
	{"VZEROUPPER affects only the speed", regexp.MustCompile(`^VZEROUPPER`), anyChange},
	{"the changed bits of the mask are above the last lane",
		regexp.MustCompile(`^MOVL \$0x0{0,6}(ff|ffff), `), func(was []byte, byte, _ int) bool {
			return byte >= len(was)-2
		}},
	{"a rotation XORs two shifts that have no bits in common, so VPOR and VPADDSW have the same result",
		regexp.MustCompile(`^VPXOR `), opcode(0xef, 0xeb, 0xed)},
	{"VBROADCASTSS has the same result", regexp.MustCompile(`^VPBROADCASTD `), opcode(0x58, 0x18)},
	{"VMOVDQU8 stores the same without a lane mask", regexp.MustCompile(`^VMOVDQU32 Y\d+, .*\)$`),
		func(was []byte, byte, bit int) bool {
			return was[0] == 0x62 && byte == 2 && bit == 0
		}},
	{"VMOVHPD has the same result",
		regexp.MustCompile(`^VMOVHPS `), func(was []byte, byte, bit int) bool {
			return was[0] == 0xc5 && byte == 1 && bit == 0
		}},
	{"the numbers are too small for signed and unsigned comparisons to differ",
		regexp.MustCompile(`^(JGE|JLT|JGT|JLE) `), func(was []byte, byte, bit int) bool {
			return byte == 0 && was[0] != 0x0f || byte == 1 && was[0] == 0x0f
		}},
	{"the CPU ignores VEX.W here",
		any, func(was []byte, byte, bit int) bool {
			return was[0] == 0xc4 && byte == 2 && bit == 7
		}},
	{"the CPU ignores REX.W here",
		regexp.MustCompile(`^SHA256`), func(was []byte, byte, bit int) bool {
			return byte == 0 && bit == 3
		}},
	{"EVEX.W selects 64-bit lanes, which makes no difference without a lane mask",
		regexp.MustCompile(`^(VPXORD|VPORD|VPANDD|VPTERNLOGD|VMOVDQU32|VMOVDQA32) `),
		func(was []byte, byte, bit int) bool {
			return was[0] == 0x62 && byte == 2 && bit == 7
		}},
	{"X extends the index of an address, and this instruction has no index",
		any, func(was []byte, byte, bit int) bool {
			e := decode(was)
			return byte >= 0 && was[0] != 0xc5 && byte == e.prefix && bit == e.xBit && !e.index()
		}},
	{"R and R' extend a register number, and this instruction has part of its opcode there",
		regexp.MustCompile(`^(VPS[LR]LD|VPRORD|INC|DEC|SH[LR]|ADD|SUB|CMP|AND)`),
		func(was []byte, byte, bit int) bool {
			e := decode(was)
			return byte == e.prefix && (bit == e.xBit+1 || was[0] == 0x62 && bit == 4)
		}},
	{"the count of a 32-bit rotation is taken modulo 32",
		regexp.MustCompile(`^VPRORD `), func(was []byte, byte, bit int) bool {
			return byte == len(was)-1 && bit >= 5
		}},
	{"it selects a shortcut for some words, which saves only time",
		regexp.MustCompile(`^(LSR vary, (added|fixed), |TBNZ \$0, (added|fixed), )`), erased},
	{"Go's wrapper, which calls the function, has left the first argument in the same register",
		regexp.MustCompile(`^MOVD (b\+0\(FP\), block|s\+0\(FP\), states)$`), erased},
	{"v AND v, and half of v + v, are v, as v OR v is", any, sameOfEqualOperands},
	{"whole registers are in memory in the same order, whatever the size of their lanes", any, otherLaneSize},
	{"with two lanes ZIP1, UZP1 and TRN1 have the same result", any, sameOnTwoLanes},
	{"VEX.L selects a longer vector, and nothing reads its upper half",
		regexp.MustCompile(`\bX\d`), func(was []byte, byte, bit int) bool {
			return bit == 2 && (was[0] == 0xc4 && byte == 2 || was[0] == 0xc5 && byte == 1)
		}},
}

// sameOnTwoLanes reports whether the flip turns one of arm64's ZIP1, UZP1 and TRN1, on 64-bit
// lanes, into another.
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

// sameOfEqualOperands reports whether the flip turns arm64's ORR of a register with itself, which
// moves it, into AND or SRHADD.
func sameOfEqualOperands(was []byte, byte, bit int) bool {
	if len(was) != 4 || byte < 0 {
		return false
	}
	x := binary.LittleEndian.Uint32(was)
	and, halve := byte == 2 && bit == 7, byte == 1 && bit == 3
	return x&0xffe0fc00 == 0x4ea01c00 && x>>5&31 == x>>16&31 && (and || halve)
}

// otherLaneSize reports whether the flip changes the lane size of arm64's LD1 or ST1 of 1 to 4
// registers.
func otherLaneSize(was []byte, byte, bit int) bool {
	if len(was) != 4 || byte != 1 || bit != 2 && bit != 3 {
		return false
	}
	x := binary.LittleEndian.Uint32(was)
	operation := x >> 12 & 15
	return x&0xbf200000 == 0x0c000000 && slices.Contains([]uint32{0b0010, 0b0110, 0b0111, 0b1010}, operation)
}

// opcode returns a function that reports whether the flip changes the opcode of a VEX or EVEX
// instruction from the given one to one of the others.
func opcode(from byte, to ...byte) func([]byte, int, int) bool {
	return func(was []byte, i, bit int) bool {
		return i >= 0 && was[i] == from && i == map[byte]int{0xc4: 3, 0xc5: 2, 0x62: 4}[was[0]] && slices.Contains(to, from^1<<bit)
	}
}

var any = regexp.MustCompile(``)

func anyChange([]byte, int, int) bool { return true }

func erased(_ []byte, byte, _ int) bool { return byte < 0 }

// reason returns why the mutant is equivalent to the original, or "" if it is not known to be.
func (m mutant) reason() string {
	for _, e := range equivalents {
		if e.text.MatchString(m.text) && e.change(m.instruction.code, m.byte, m.bit) {
			return e.reason
		}
	}
	if m.loadsConstantPair() {
		return "K + W of these rounds is the same for all nonces, and it is in the register already"
	}
	return ""
}

var loadOfPair = regexp.MustCompile(`^VMOVQ (\d+)\(BX\), X0$`)

// loadsConstantPair reports whether the instruction loads K + W of two rounds in Scan of a mixed
// kernel, where both words are the same for all nonces. Then X0 already holds that value, and so do
// the places for the other nonces.
func (m mutant) loadsConstantPair() bool {
	load := loadOfPair.FindStringSubmatch(m.text)
	if load == nil || !strings.HasPrefix(m.function, "searchMixed") {
		return false
	}
	offset, _ := strconv.Atoi(load[1])
	pair := offset / 64 // eight nonces of 8 bytes
	varying := schedule.Varying(m.word)
	return 8 <= pair && pair < 16 && varying[2*pair] == 0 && varying[2*pair+1] == 0
}

// An encoding describes the parts of an amd64 instruction.
type encoding struct {
	prefix int // the index of the byte whose bits extend register numbers, -1 if there is none
	xBit   int // the bit in it that extends an index; the next higher one extends a register
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
