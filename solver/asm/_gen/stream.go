package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
)

// A stream is instructions that depend on each other, but not on those of other
// streams: a CPU that sees several of them mixed has always something to do.
type stream []ir.Node

// record returns what emit writes, instead of writing it.
func record(c *build.Context, emit func()) stream {
	f := current(c)
	n := len(f.Nodes)
	emit()
	s := append(stream(nil), f.Nodes[n:]...)
	f.Nodes = f.Nodes[:n]
	return s
}

// interleave writes two streams in proportion: whenever a part of the first is
// written, so is the same part of the second.
func interleave(c *build.Context, a, b stream) {
	f := current(c)
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if j == len(b) || i < len(a) && i*len(b) <= j*len(a) {
			f.Nodes = append(f.Nodes, a[i])
			i++
		} else {
			f.Nodes = append(f.Nodes, b[j])
			j++
		}
	}
}

// current returns the function that is being written.
func current(c *build.Context) *ir.Function {
	file, err := c.Result()
	if err != nil {
		panic(err)
	}
	functions := file.Functions()
	return functions[len(functions)-1]
}
