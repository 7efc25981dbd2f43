package main

import (
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/ir"
)

// operations counts the operations of a kernel, like Ops of package asm.
type operations struct {
	scan, hash, grid [16]int
	tail, shared     int
}

// counts holds the counts of a kernel's operations, of its SHA256RNDS2, and of all instructions.
type counts struct{ all, rounds, instructions operations }

func (k kernel) count(file *ir.File) counts {
	isRound := func(opcode string) bool { return opcode == "SHA256RNDS2" }
	isAny := func(opcode string) bool { return opcode != pcAlign }
	return counts{k.countIf(file, isOperation), k.countIf(file, isRound), k.countIf(file, isAny)}
}

func (k kernel) countIf(file *ir.File, counts func(opcode string) bool) (o operations) {
	search := parts(file, "search"+k.in, counts)
	for vary := range 16 {
		o.scan[vary] = search.sum(k.scanPath(vary))
		o.hash[vary] = search.sum(k.hashPath(vary)) * maxStates / k.lanes
	}
	if k.tails != nil {
		o.tail = parts(file, "tails"+k.in, counts).sum(k.tailPath)
	}
	if k.shared != nil {
		o.shared = parts(file, "shared"+k.in, counts).sum(k.sharedPath) * maxStates / (k.sharedStep * sharedStates)
	}
	if k.grid != nil {
		grid := parts(file, "grid"+k.in, counts)
		for counter := firstCounter; counter <= lastCounter; counter++ {
			// The path covers as many steps as there are lanes.
			hashes := k.lanes * k.lanes
			o.grid[counter] = (grid.sum(k.gridPath(counter))*16 + hashes - 1) / hashes
		}
	}
	return o
}

// A partCount holds the number of counted instructions after each label of a function.
type partCount map[string]int

func parts(file *ir.File, function string, counts func(opcode string) bool) partCount {
	p := partCount{}
	label := ""
	i := slices.IndexFunc(file.Functions(), func(f *ir.Function) bool { return f.Name == function })
	for _, node := range file.Functions()[i].Nodes {
		switch node := node.(type) {
		case ir.Label:
			label = string(node)
			p[label] = 0
		case *ir.Instruction:
			if counts(node.Opcode) {
				p[label]++
			}
		}
	}
	return p
}

// sum adds up the counts of the parts in times, each multiplied by how often it runs.
func (p partCount) sum(times map[string]int) (n int) {
	for label, times := range times {
		count, ok := p[label]
		if !ok {
			panic("no label " + label)
		}
		n += times * count
	}
	return n
}

// isOperation reports whether an instruction needs a vector unit. Moves, loads and broadcasts of
// a constant do not.
func isOperation(opcode string) bool {
	for _, prefix := range []string{
		"VPADD", "VPMUL", "VPXOR", "VPOR", "VPAND", "VPROR", "VPSLL", "VPSRL", // vectors
		"VPTERNLOG", "VPTEST", "VPCMP",
		"SHA256", "VPUNPCK", "VPSHUF", "VPALIGNR", "VPBLEND", "PSHUF", // shani
	} {
		if strings.HasPrefix(opcode, prefix) {
			return true
		}
	}
	return false
}
