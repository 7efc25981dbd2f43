package main

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A kernel is the instructions of one assembly file.
type kernel struct {
	name         string
	instructions []instruction
}

// An instruction is one line of an assembly file.
type instruction struct {
	file   string
	line   int
	text   string // the line
	parts  string // the self-tests that run it, a regular expression
	offset int64  // in the file of the tests
	code   []byte
	erase  []byte // an instruction without effect
}

// A mutant is an instruction with other code.
type mutant struct {
	instruction
	code      []byte
	byte, bit int // what was flipped; -1 if the instruction was erased
}

func (m mutant) String() string {
	if m.byte < 0 {
		return fmt.Sprintf("%s:%d: %s, erased", m.file, m.line, m.text)
	}
	return fmt.Sprintf("%s:%d: %s, %x for %x", m.file, m.line, m.text, m.code, m.instruction.code)
}

// mutant makes one of an instruction chosen at random: half of them erase it, half
// flip a bit.
func (k kernel) mutant(rng *rand.Rand) mutant {
	m := mutant{instruction: k.instructions[rng.IntN(len(k.instructions))]}
	if rng.IntN(2) == 0 {
		m.byte, m.bit = -1, -1
		m.code = bytes.Repeat(m.erase, len(m.instruction.code)/len(m.erase))
		return m
	}
	m.byte, m.bit = rng.IntN(len(m.instruction.code)), rng.IntN(8)
	m.code = slices.Clone(m.instruction.code)
	m.code[m.byte] ^= 1 << m.bit
	return m
}

var textLine = regexp.MustCompile(`^TEXT ·(\w+)\(SB\)`)

// mutable reports whether a line is worth mutants, by what it is and what the line before
// is. The assembler makes several instructions of the first line and of RET, and lets
// jumps to a jump go where that goes.
func mutable(line, before string) bool {
	first := strings.HasPrefix(line, "TEXT") || line == "RET"
	bypassed := strings.HasPrefix(line, "JMP") && strings.HasSuffix(before, ":")
	return !first && !bypassed
}

// readKernels reads the code of all kernels from the tests, and says which line each
// instruction is.
func readKernels(binary, source string) ([]kernel, error) {
	file, err := elf.Open(binary)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	arch, erase := "amd64", []byte{0x90}
	if file.Machine == elf.EM_AARCH64 {
		arch, erase = "arm64", []byte{0x1f, 0x20, 0x03, 0xd5}
	}
	text, table := file.Section(".text"), file.Section(".gopclntab")
	symbols, err := file.Symbols()
	if err != nil || text == nil || table == nil {
		return nil, fmt.Errorf("%s has no symbols: build it with go test -c: %w", binary, err)
	}
	code, err := text.Data()
	if err != nil {
		return nil, err
	}
	lineData, err := table.Data()
	if err != nil {
		return nil, err
	}
	pcs := gosym.NewLineTable(lineData, text.Addr)
	lines, err := gosym.NewTable(nil, pcs)
	if err != nil {
		return nil, err
	}

	paths, err := filepath.Glob(filepath.Join(source, "*_"+arch+".s"))
	if err != nil {
		return nil, err
	}
	var kernels []kernel
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		k := kernel{name: strings.TrimSuffix(filepath.Base(path), "_"+arch+".s")}
		source := strings.Split(string(content), "\n")
		for _, line := range source {
			name := textLine.FindStringSubmatch(line)
			if name == nil {
				continue
			}
			i := slices.IndexFunc(symbols, func(s elf.Symbol) bool {
				return strings.HasSuffix(s.Name, "/asm."+name[1]+".abi0")
			})
			if i < 0 {
				return nil, fmt.Errorf("%s has no function %s", binary, name[1])
			}
			s := symbols[i]
			parts := map[string]string{"sea": "scan|tails", "gri": "grid", "tai": "tails"}[name[1][:3]]
			at := func(pc uint64) int {
				if arch == "arm64" {
					pc &^= 3
				}
				_, n, _ := lines.PCToLine(pc)
				return n
			}
			for from := s.Value; from < s.Value+s.Size; {
				to := from + 1
				for to < s.Value+s.Size && at(to) == at(from) && (arch == "amd64" || to-from < 4) {
					to++
				}
				n := at(from)
				if t := strings.TrimSpace(source[n-1]); mutable(t, strings.TrimSpace(source[n-2])) {
					k.instructions = append(k.instructions, instruction{
						file: filepath.Base(path), line: n, text: strings.Join(strings.Fields(t), " "), parts: parts,
						offset: int64(from - text.Addr + text.Offset), code: code[from-text.Addr : to-text.Addr], erase: erase,
					})
				}
				from = to
			}
		}
		kernels = append(kernels, k)
	}
	return kernels, nil
}
