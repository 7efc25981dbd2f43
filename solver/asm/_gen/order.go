package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// This file list-schedules a stream of vector instructions. A CPU reorders instructions too, but
// only within its window, half of which the rounds of the chains occupy.
//
// The model is a simplified Zen 4, in which only proportions matter. A cycle starts up to four
// vector instructions, of which at most two are rotations, and up to two loads and one store.

// A unit is a kind of execution unit.
type unit int

const (
	anyUnit    unit = iota // any of the four vector units
	rotateUnit             // one of the two vector units that rotate
	loadUnit
	storeUnit
)

// startsPerCycle is the number of instructions that a kind of unit can start in a cycle.
var startsPerCycle = map[unit]int{anyUnit: 4, rotateUnit: 2, loadUnit: 2, storeUnit: 1}

// costOf returns the unit that executes an instruction, and its latency in cycles. The latency
// of loads and stores counts as 0, since loads wait for nothing and nothing waits for stores.
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

// A task is an instruction to schedule.
type task struct {
	instruction *ir.Instruction
	unit        unit
	latency     int
	after       map[*task]int // earlier tasks, and the minimum of cycles from their start to this one's
	height      int           // cycles from its start to the end of everything that depends on it
	start       int           // the cycle in which it starts, or unstarted
}

const unstarted = -1

// reorderWindow is the number of waiting instructions, in the original order, that compete for
// a cycle.
const reorderWindow = 60

// ordered returns the stream in list-scheduled order. In each cycle it starts the instructions
// whose operands are ready, greatest height first, until no unit is free.
func (s stream) ordered() stream {
	var result stream
	waiting := s.tasks()
	for cycle := 0; len(waiting) > 0; cycle++ {
		started := map[unit]int{}
		for {
			best := -1
			for i, t := range waiting[:min(reorderWindow, len(waiting))] {
				free := started[t.unit] < startsPerCycle[t.unit]
				if free && t.ready(cycle) && (best < 0 || t.height > waiting[best].height) {
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
					t.after[earlier] = max(t.after[earlier], 0) // do not overwrite a place before its last use
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

// placesOf returns the names of the vector registers and memory operands. The names of memory
// must be unique: a stream must not use two of them for the same address.
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
