// Package cases tells tests of arithmetic how many of their cases to run.
package cases

import "testing"

// Stride returns the distance from one case of a test to the next that it runs.
// It is 1, all cases, in ordinary runs. Under the race detector and with -short,
// which the tests under emulation use, it is 7: repeating arithmetic that one
// goroutine does for itself shows no race, and takes up to twenty times as long.
// Being odd, 7 still meets every offset in a word and in a block.
func Stride() int {
	if Race || testing.Short() {
		return 7
	}
	return 1
}
