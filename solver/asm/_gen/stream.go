package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
)

// A stream is a list of instructions that depend on each other but not on those of other
// streams: a CPU that sees two of them interleaved always finds something to execute.
type stream []*ir.Instruction

// record returns the instructions that emit writes, instead of writing them. Comments are
// dropped: they would end up beside the wrong instructions.
func record(c *build.Context, emit func()) (s stream) {
	f := current(c)
	n := len(f.Nodes)
	emit()
	for _, node := range f.Nodes[n:] {
		if instruction, ok := node.(*ir.Instruction); ok {
			s = append(s, instruction)
		}
	}
	f.Nodes = f.Nodes[:n]
	return s
}

// write appends the stream to the function that is being written.
func (s stream) write(c *build.Context) {
	f := current(c)
	for _, instruction := range s {
		f.Nodes = append(f.Nodes, instruction)
	}
}

// roundsInBlock is the number of SHA256RNDS2 in each block of rounds.
const roundsInBlock = 2

// interleave writes the rounds of chains and another stream in proportion, so that they end
// together. Blocks of rounds alternate with runs of other instructions, and each run has an odd
// length. On Zen 4, a loop with even runs takes up to a third longer, depending on the phase in
// which it enters the pipeline; odd runs cannot lock into the bad phase. Even runs would make
// these kernels a seventh slower.
func interleave(c *build.Context, rounds, others stream) {
	blocks := rounds.blocks()
	written := 0
	for i, block := range blocks {
		block.write(c)
		due := len(others)
		if i < len(blocks)-1 {
			due = (due*(i+1) + len(blocks) - 1) / len(blocks)
			if run := due - written; run > 0 && run%2 == 0 {
				due = min(due+1, len(others))
			}
		}
		if due > written {
			others[written:due].write(c)
			written = due
		}
	}
}

// blocks cuts a stream after every roundsInBlock-th SHA256RNDS2, and at its end.
func (s stream) blocks() (blocks []stream) {
	begin, rounds := 0, 0
	for i, instruction := range s {
		if instruction.Opcode == "SHA256RNDS2" {
			rounds++
		}
		if rounds == roundsInBlock || i == len(s)-1 {
			blocks = append(blocks, s[begin:i+1])
			begin, rounds = i+1, 0
		}
	}
	return blocks
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
