package main

import (
	"slices"
	"testing"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Instructions that broadcast a constant must get its address from a register.
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
						t.Errorf("%s: %s names the table %s; want an address in a register",
							f.Name, instruction.OpcodeWithSuffixes(), m.Symbol.Name)
					}
				}
			}
		}
	}
	if spread == 0 {
		t.Error("no instruction broadcasts a constant")
	}
}
