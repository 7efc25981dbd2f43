package main

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A kernel holds the instructions of one assembly file.
type kernel struct {
	name         string
	instructions []instruction
}

// An instruction is one line of an assembly file.
type instruction struct {
	file     string
	line     int
	text     string // the line without indentation
	function string
	word     int    // a varying word for which the instruction runs
	address  uint64 // in this program
	offset   uint64 // in the function
	code     []byte
	erase    []byte // the no-op instruction of the architecture
}

// A mutant is an instruction with changed code.
type mutant struct {
	instruction
	code      []byte
	byte, bit int // the position of the flipped bit; byte is -1 if the instruction was erased
}

func (m mutant) String() string {
	if m.byte < 0 {
		return fmt.Sprintf("%s:%d: %s, erased", m.file, m.line, m.text)
	}
	return fmt.Sprintf("%s:%d: %s, %x for %x", m.file, m.line, m.text, m.code, m.instruction.code)
}

// mutant chooses an instruction at random and, with equal chances, erases it or flips one of
// its bits.
func (k kernel) mutant(rng *rand.Rand) mutant {
	m := mutant{instruction: k.instructions[rng.IntN(len(k.instructions))], byte: -1}
	if rng.IntN(2) == 1 {
		m.byte, m.bit = rng.IntN(len(m.instruction.code)), rng.IntN(8)
	}
	m.code = slices.Clone(m.instruction.code)
	m.change(m.code)
	return m
}

// change turns the original code, in place, into the code of the mutant.
func (m mutant) change(code []byte) {
	if m.byte >= 0 {
		code[m.byte] ^= 1 << m.bit
		return
	}
	for i := range code {
		code[i] = m.erase[i%len(m.erase)]
	}
}

var textLine = regexp.MustCompile(`^TEXT ·(\w+)\(SB\)`)

// A row maps the address of an instruction to the line of its source.
type row struct {
	pc   uint64
	line int
}

// readLines returns the rows of the files whose names have the suffix, sorted by address.
func readLines(file *elf.File, suffix string) ([]row, error) {
	data, err := file.DWARF()
	if err != nil {
		return nil, err
	}
	var rows []row
	for units := data.Reader(); ; units.SkipChildren() {
		unit, err := units.Next()
		if err != nil {
			return nil, err
		}
		if unit == nil {
			break
		}
		lines, err := data.LineReader(unit)
		if err != nil {
			return nil, err
		}
		if lines == nil {
			continue
		}
		for {
			var l dwarf.LineEntry
			if err := lines.Next(&l); err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
			if !l.EndSequence && strings.HasSuffix(l.File.Name, suffix) {
				rows = append(rows, row{l.Address, l.Line})
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.pc, b.pc) })
	return slices.CompactFunc(rows, func(a, b row) bool { return a.pc == b.pc }), nil
}

// mutable reports whether to make mutants of a line, given the line before it. It excludes TEXT,
// RET and PCALIGN, for which the assembler emits several instructions, and a JMP after a label: the
// assembler redirects jumps to such a label past it.
func mutable(line, before string) bool {
	several := strings.HasPrefix(line, "TEXT") || strings.HasPrefix(line, "PCALIGN") || line == "RET"
	bypassed := strings.HasPrefix(line, "JMP") && strings.HasSuffix(before, ":")
	return !several && !bypassed
}

// A program is an executable that contains the kernels.
type program struct {
	file    *elf.File
	text    *elf.Section
	symbols []elf.Symbol
}

func openProgram(path string) (*program, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	p := &program{file: file, text: file.Section(".text")}
	if p.symbols, err = file.Symbols(); err != nil || p.text == nil {
		return nil, fmt.Errorf("%s has no symbols or no code: %w", path, err)
	}
	return p, nil
}

// function returns the symbol of a function of package asm.
func (p *program) function(name string) (elf.Symbol, error) {
	i := slices.IndexFunc(p.symbols, func(s elf.Symbol) bool { return strings.HasSuffix(s.Name, "/asm."+name+".abi0") })
	if i < 0 {
		return elf.Symbol{}, fmt.Errorf("it contains no function %s", name)
	}
	return p.symbols[i], nil
}

// wordLabel matches the labels of parts that run only if a certain word or an earlier one varies.
var wordLabel = regexp.MustCompile(`^(vary|lanes|steps|begin|round)(\d+):$`)

// wordOf returns a varying word for which the part after a label runs.
func wordOf(label string) int {
	part := wordLabel.FindStringSubmatch(label)
	if part == nil {
		return 10
	}
	word, _ := strconv.Atoi(part[2])
	if part[1] == "round" { // this part starts after the round of the word that varies
		word--
	}
	return min(max(word, 0), 15)
}

// readKernels reads the code of all kernels from a program and finds the source line of each
// instruction.
func readKernels(path, source string) ([]kernel, error) {
	p, err := openProgram(path)
	if err != nil {
		return nil, err
	}
	defer p.file.Close()
	arch, erase := "amd64", []byte{0x90}
	if p.file.Machine == elf.EM_AARCH64 {
		arch, erase = "arm64", []byte{0x1f, 0x20, 0x03, 0xd5}
	}
	code, err := p.text.Data()
	if err != nil {
		return nil, err
	}
	rows, err := readLines(p.file, "_"+arch+".s")
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
		words := make([]int, len(source)) // wordOf, for each line
		for i, line := range source {
			if strings.HasSuffix(line, ":") {
				words[i] = wordOf(line)
			} else if i > 0 {
				words[i] = words[i-1]
			}
		}
		for _, line := range source {
			name := textLine.FindStringSubmatch(line)
			if name == nil {
				continue
			}
			s, err := p.function(name[1])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			first, _ := slices.BinarySearchFunc(rows, s.Value, func(r row, pc uint64) int {
				return cmp.Compare(r.pc, pc)
			})
			for i := first; i < len(rows) && rows[i].pc < s.Value+s.Size; i++ {
				from, to, n := rows[i].pc, s.Value+s.Size, rows[i].line
				if i+1 < len(rows) {
					to = min(to, rows[i+1].pc)
				}
				t := strings.TrimSpace(source[n-1])
				if !mutable(t, strings.TrimSpace(source[n-2])) {
					continue
				}
				size := to - from
				if arch == "arm64" {
					size = 4 // a line may be a macro that expands to several instructions
				}
				for ; from < to; from += size {
					k.instructions = append(k.instructions, instruction{
						file: filepath.Base(path), line: n, text: strings.Join(strings.Fields(t), " "),
						function: name[1], word: words[n-1], address: from, offset: from - s.Value,
						code: code[from-p.text.Addr:][:size], erase: erase,
					})
				}
			}
		}
		kernels = append(kernels, k)
	}
	return kernels, nil
}
