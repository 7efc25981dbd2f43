package main

import (
	"strings"

	"github.com/mmcloughlin/avo/ir"
)

// count returns the operations of a kernel for each word that varies, without
// and with a block that follows: the instructions that a vector unit has to
// execute. Moves, loads and broadcasts of a constant need none.
func count(f *ir.Function, path func(vary int, tail bool) map[string]int) (ops [16][2]int) {
	parts := map[string]int{}
	label := ""
	for _, node := range f.Nodes {
		switch node := node.(type) {
		case ir.Label:
			label = string(node)
		case *ir.Instruction:
			if isOperation(node.Opcode) {
				parts[label]++
			}
		}
	}
	for vary := range ops {
		for i, tail := range []bool{false, true} {
			for label, times := range path(vary, tail) {
				ops[vary][i] += times * parts[label]
			}
		}
	}
	return ops
}

func isOperation(opcode string) bool {
	for _, prefix := range []string{
		"VPADD", "VPXOR", "VPOR", "VPAND", "VPROR", "VPSLL", "VPSRL", "VPTERNLOG", "VPTEST", "VPCMP", // vectors
		"SHA256", "VPSHUF", "VPALIGNR", "VPBLEND", "PSHUF", // shani
	} {
		if strings.HasPrefix(opcode, prefix) {
			return true
		}
	}
	return false
}
