package main

import (
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
)

// scalarOf returns the address of a field of the Block.
func scalarOf(block gotypes.Component, name string) operand.Mem {
	return address(block.Field(name))
}

// fieldOf returns the address of an element of a field of the Block.
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
