package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// This file puts a stream of vector instructions into the order in which a CPU could execute
// it alone, by list scheduling. A CPU reorders by itself, but only what its window holds, and
// beside the rounds of the chains half of that is theirs.
//
// The model is a rough Zen 4, of which only the proportions matter: each cycle starts up
// to four vector instructions, no more than two of them rotations, two loads and a store.

// A unit is what executes an instruction.
type unit int

const (
	anyUnit    unit = iota // any of the four vector units
	rotateUnit             // one of the two vector units that rotate
	loadUnit
	storeUnit
)

// startsPerCycle is how many instructions a kind of unit can start in a cycle.
var startsPerCycle = map[unit]int{anyUnit: 4, rotateUnit: 2, loadUnit: 2, storeUnit: 1}

// costOf returns the unit that executes an instruction, and the cycles until its result can
// be used. Loads and stores count as immediate: they wait for nothing, or nothing for them.
func costOf(i *ir.Instruction) (u unit, latency int) {
	switch {
	case len(memoryOf(i.Outputs)) > 0:
		return storeUnit, 0
	case strings.HasPrefix(i.Opcode, "VMOV"), strings.HasPrefix(i.Opcode, "VPBROADCAST"):
		return loadUnit, 0
	case strings.HasPrefix(i.Opcode, "VPROR"):
		return rotateUnit, 2
	}
	return anyUnit, 1
}

// A task is an instruction to be ordered.
type task struct {
	instruction *ir.Instruction
	unit        unit
	latency     int
	after       map[*task]int // cycles from the start of each of these tasks to the earliest start of this
	height      int           // cycles from the start to the end of everything that depends on it
	start       int           // the cycle in which it starts, or unstarted
}

const unstarted = -1

// reorderWindow is how many instructions, in the original order, may compete for a cycle.
const reorderWindow = 60

// ordered returns the stream in list-scheduled order. In each cycle it starts the
// instructions that have their operands, those of the greatest height first, until the units
// are taken.
func (s stream) ordered() stream {
	var result stream
	waiting := s.tasks()
	for cycle := 0; len(waiting) > 0; cycle++ {
		started := map[unit]int{}
		for {
			best := -1
			for i, t := range waiting[:min(reorderWindow, len(waiting))] {
				if started[t.unit] < startsPerCycle[t.unit] && t.ready(cycle) && (best < 0 || t.height > waiting[best].height) {
					best = i
				}
			}
			if best < 0 || started[anyUnit] == startsPerCycle[anyUnit] {
				break
			}
			t := waiting[best]
			t.start = cycle
			started[t.unit]++
			if t.unit == rotateUnit {
				started[anyUnit]++
			}
			result = append(result, t.instruction)
			waiting = append(waiting[:best:best], waiting[best+1:]...)
		}
	}
	return result
}

// tasks returns the instructions of a stream with their dependencies and heights.
func (s stream) tasks() []*task {
	var tasks []*task
	writer, readers := map[string]*task{}, map[string][]*task{} // since the last write, by place
	for _, instruction := range s {
		t := &task{instruction: instruction, after: map[*task]int{}, start: unstarted}
		t.unit, t.latency = costOf(instruction)
		for _, place := range placesOf(instruction.Inputs) {
			if w := writer[place]; w != nil {
				t.after[w] = w.latency
			}
			readers[place] = append(readers[place], t)
		}
		for _, place := range placesOf(instruction.Outputs) {
			for _, earlier := range append(readers[place], writer[place]) {
				if earlier != nil && earlier != t {
					t.after[earlier] = max(t.after[earlier], 0) // what it overwrites must have been read and written
				}
			}
			writer[place], readers[place] = t, nil
		}
		tasks = append(tasks, t)
	}
	for i := len(tasks) - 1; i >= 0; i-- {
		t := tasks[i]
		t.height = max(t.height, t.latency)
		for earlier, cycles := range t.after {
			earlier.height = max(earlier.height, cycles+t.height)
		}
	}
	return tasks
}

// ready reports whether a task can start in a cycle.
func (t *task) ready(cycle int) bool {
	for earlier, cycles := range t.after {
		if earlier.start == unstarted || earlier.start+cycles > cycle {
			return false
		}
	}
	return true
}

// placesOf names the vector registers and the memory among operands. Memory is compared by
// name: a stream must not write to one place under two.
func placesOf(operands []operand.Op) (places []string) {
	for _, m := range memoryOf(operands) {
		places = append(places, m.Asm())
	}
	for _, op := range operands {
		if r, ok := op.(reg.VecPhysical); ok {
			places = append(places, fmt.Sprint("register ", r.ID()))
		}
	}
	return places
}

func memoryOf(operands []operand.Op) (memory []operand.Mem) {
	for _, op := range operands {
		if m, ok := op.(operand.Mem); ok {
			memory = append(memory, m)
		}
	}
	return memory
}
