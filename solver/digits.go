package solver

import (
	"strconv"
	"sync"
)

// digitWords returns, for every number of count digits (1 to 4, leading zeros
// included), its ASCII digits as they stand in a big-endian message word, the
// last digit shift bits from the right. The tables are made when first needed
// and shared; nobody writes to them.
func digitWords(count, shift int) []uint32 { return digitTables[count-1][shift/8]() }

var digitTables = func() (tables [4][4]func() []uint32) {
	for i := range tables {
		for j := range tables[i] {
			tables[i][j] = sync.OnceValue(func() []uint32 { return newDigitTable(i+1, 8*j) })
		}
	}
	return tables
}()

func newDigitTable(count, shift int) []uint32 {
	table := make([]uint32, pow10[count])
	for i := range table {
		// 10^count + i has a leading 1 before the digits wanted.
		for _, digit := range strconv.Itoa(len(table) + i)[1:] {
			table[i] = table[i]<<8 | uint32(digit)
		}
		table[i] <<= shift
	}
	return table
}
