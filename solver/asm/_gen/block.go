package main

import (
	"slices"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// scalarOf returns the address of a field of the Block or Grid.
func scalarOf(block gotypes.Component, name string) operand.Mem {
	return address(block.Field(name))
}

// fieldOf returns the address of an element of an array in the Block or Grid.
func fieldOf(block gotypes.Component, name string, index int) operand.Mem {
	return address(block.Field(name).Index(index))
}

func address(c gotypes.Component) operand.Mem {
	basic, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return basic.Addr
}

// constant returns the address of K[t].
func constant(t int) operand.Mem {
	return operand.NewDataAddr(operand.Symbol{Name: "·k"}, 4*t)
}

// pairConstant returns the address of four copies of the constants of a pair of rounds.
func pairConstant(pair int) operand.Mem {
	return operand.NewDataAddr(operand.Symbol{Name: "·pairs"}, 32*pair)
}

// power returns the address of eight copies of 2^n.
func power(n uint8) operand.Mem {
	return operand.NewDataAddr(operand.Symbol{Name: "·powers"}, 32*int(n))
}

// spreadFromRegisters changes the instructions of the current function that broadcast a
// constant from one of Go's tables. They get the address of the table from a register, which
// the function loads first. With -buildmode=plugin the assembler splits an instruction that
// names a table in two and loses the broadcast.
func spreadFromRegisters(c *build.Context) {
	f := current(c)
	loads := record(c, func() {
		registers := map[string]reg.GPVirtual{}
		for _, node := range f.Nodes {
			instruction, ok := node.(*ir.Instruction)
			if !ok || !slices.Contains(instruction.Suffixes, "BCST") {
				continue
			}
			for _, operands := range [][]operand.Op{instruction.Operands, instruction.Inputs} {
				for i, op := range operands {
					m, ok := op.(operand.Mem)
					if !ok || m.Base != reg.StaticBase {
						continue
					}
					if registers[m.Symbol.Name] == nil {
						at := c.GP64()
						registers[m.Symbol.Name] = at
						c.LEAQ(operand.NewDataAddr(m.Symbol, 0), at)
					}
					operands[i] = operand.Mem{Base: registers[m.Symbol.Name], Disp: m.Disp}
				}
			}
		}
	})
	body := f.Nodes
	f.Nodes = nil
	loads.write(c)
	f.Nodes = append(f.Nodes, body...)
}

// wordsOf loads the address and length of the parameter words.
func wordsOf(c *build.Context) (at, n reg.GPVirtual) {
	words := c.Param("words")
	return c.Load(words.Base(), c.GP64()).(reg.GPVirtual), c.Load(words.Len(), c.GP64()).(reg.GPVirtual)
}

// returnIndex returns index from a function that used vectors.
func returnIndex(c *build.Context, index reg.Register) {
	c.VZEROUPPER()
	c.Store(index, c.ReturnIndex(0))
	c.RET()
}

// alignedLocal returns memory on the stack, aligned to boundary, a power of two up to 64.
func alignedLocal(c *build.Context, size, boundary int) operand.Mem {
	local := c.AllocLocal(size + boundary)
	base := c.GP64()
	c.LEAQ(local.Offset(boundary-1), base)
	c.ANDQ(operand.I8(-boundary), base)
	return operand.Mem{Base: base}
}
