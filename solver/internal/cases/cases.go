// Package cases decides how many of their cases arithmetic tests run.
package cases

import "testing"

// Stride returns n if a test should run every n-th case. It is 1 in ordinary runs. Under the race
// detector and with -short, which tests under an emulator use, it is 7: there arithmetic takes up
// to twenty times as long, and arithmetic within one goroutine cannot race. Since 7 is odd, every
// offset in a word and in a block is still covered.
func Stride() int {
	if Race || testing.Short() {
		return 7
	}
	return 1
}
