package solver

import (
	"sync"

	"github.com/gkpow/gkpow/solver/asm"
)

// A tailTable holds the last block of the message for every value of the digits
// of the nonce that vary in it.
type tailTable []asm.Tail

// set makes the table for a layout, of the message whose digits in the last block
// are those given where they do not vary.
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

// latestTails is the table that was made last and that others may use.
var latestTails struct {
	mu      sync.Mutex
	layout  layout
	message [64]byte
	table   tailTable
}

// sharedTails returns the table for a layout that has all digits of the last block
// vary. It is the same for all prefixes of one length, so it is kept for the next
// search. Nobody may change it.
func sharedTails(l layout, message [128]byte) tailTable {
	latest := &latestTails
	latest.mu.Lock()
	defer latest.mu.Unlock()
	last := [64]byte(message[64:])
	if latest.table == nil || latest.layout != l || latest.message != last {
		var table tailTable
		table.set(l, &message)
		latest.layout, latest.message, latest.table = l, last, table
	}
	return latest.table
}
