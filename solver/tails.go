package solver

import (
	"sync"

	"github.com/gkpow/gkpow/solver/asm"
)

// A tailTable holds the last block of the message, prepared for kernels, for every value of the
// tail digits.
type tailTable []asm.Tail

// set fills the table for a layout. The message supplies all bytes of the last block except the
// tail digits.
func (t *tailTable) set(l layout, message *[128]byte) {
	if n := int(l.tails()); len(*t) != n {
		*t = make(tailTable, n)
	}
	block := [64]byte(message[64:])
	var digits []byte
	if l.tailDigits > 0 {
		end := l.at + l.width - 64
		digits = block[end-l.tailDigits : end]
	}
	for i := range digits {
		digits[i] = '0'
	}
	for i := range *t {
		words := blockWords(block[:])
		(*t)[i].Set(&words)
		for j := len(digits) - 1; j >= 0; j-- {
			if digits[j]++; digits[j] <= '9' {
				break
			}
			digits[j] = '0'
		}
	}
}

// latestTails holds the most recent shared tables, all for one layout.
var latestTails struct {
	mu     sync.Mutex
	layout layout
	made   []madeTails
}

// madeTails is a table and the block that it was built from.
type madeTails struct {
	last  [64]byte
	table tailTable
}

// sharedTails returns the table for a layout and the outer digits of the message. The table is the
// same for all prefixes of one length, so sharedTails keeps it for later searches, along with the
// tables for other values of the outer digits. Callers must not modify it.
func sharedTails(l layout, message [128]byte) tailTable {
	latest := &latestTails
	latest.mu.Lock()
	defer latest.mu.Unlock()
	if latest.layout != l {
		latest.layout, latest.made = l, nil
	}
	last := [64]byte(message[64:])
	for _, made := range latest.made {
		if made.last == last {
			return made.table
		}
	}
	var table tailTable
	table.set(l, &message)
	if len(latest.made) >= int(pow10[l.keptDigits()]) { // they are for messages of another length
		latest.made = nil
	}
	latest.made = append(latest.made, madeTails{last, table})
	return table
}
