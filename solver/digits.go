package solver

import "sync"

// digitWords returns a table of all numbers of count digits, 1 to 4, leading zeros included. Each
// entry holds the number's ASCII digits as part of a big-endian message word, with the last digit
// shift bits from the right. The table is built on first use and shared; callers must not modify it.
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
	table := []uint32{0}
	for place := range count {
		digit := shift + 8*place
		longer := make([]uint32, 0, pow10[place+1])
		for first := range uint32(10) {
			for _, rest := range table {
				longer = append(longer, ('0'+first)<<digit|rest)
			}
		}
		table = longer
	}
	return table
}
