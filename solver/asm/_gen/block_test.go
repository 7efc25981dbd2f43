package main

import (
	"slices"
	"testing"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// What spreads a constant over the lanes has it where a register says.
func TestSpreadFromRegisters(t *testing.T) {
	spread := 0
	for _, k := range kernels {
		functions, _ := built(t, k)
		for _, f := range functions {
			for _, instruction := range f.Instructions() {
				if !slices.Contains(instruction.Suffixes, "BCST") {
					continue
				}
				spread++
				for _, op := range instruction.Operands {
					if m, ok := op.(operand.Mem); ok && m.Base == reg.StaticBase {
						t.Errorf("%s: %s names %s", f.Name, instruction.OpcodeWithSuffixes(), m.Symbol.Name)
					}
				}
			}
		}
	}
	if spread == 0 {
		t.Error("nothing is spread")
	}
}
