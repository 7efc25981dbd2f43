// Package cases tells tests of arithmetic how many of their cases to run.
package cases

import "testing"

// Stride returns n such that a test should run every n-th case. It is 1, for all cases, in ordinary
// runs. It is 7 under the race detector and with -short, which the tests under emulation use:
// arithmetic within one goroutine cannot race, and takes up to twenty times as long there. Being
// odd, 7 still covers every offset in a word and in a block.
func Stride() int {
	if Race || testing.Short() {
		return 7
	}
	return 1
}
