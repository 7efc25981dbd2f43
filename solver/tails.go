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
	if n := int(l.tailCount()); len(*t) != n {
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

// sharedTails holds the tables of a layout for messages of one length: one for each value of the
// outer digits in the last block, built on first use. The tables are the same for all prefixes of
// one length, so searches share them.
type sharedTails struct {
	layout layout
	length int // of the message, in bytes
	tables []lazyTable
}

// A lazyTable is a table that the first cursor to use it builds.
type lazyTable struct {
	once  sync.Once
	table tailTable
}

// table returns the table for a value of the outer digits in the last block. The message contains
// that value. Callers must not modify the table.
func (s *sharedTails) table(outer uint64, message *[128]byte) tailTable {
	t := &s.tables[outer]
	t.once.Do(func() { t.table.set(s.layout, message) })
	return t.table
}

// latestTails holds the tables of the latest layout and length, for later searches.
var latestTails struct {
	mu     sync.Mutex
	tables *sharedTails
}

// shareTails returns the tables for a layout and a length of the message in bytes.
func shareTails(l layout, length int) *sharedTails {
	latest := &latestTails
	latest.mu.Lock()
	defer latest.mu.Unlock()
	if s := latest.tables; s == nil || s.layout != l || s.length != length {
		latest.tables = &sharedTails{layout: l, length: length, tables: make([]lazyTable, pow10[l.outerFrom(64)])}
	}
	return latest.tables
}
