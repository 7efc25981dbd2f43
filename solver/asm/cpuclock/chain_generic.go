//go:build purego || !(amd64 || arm64)

package cpuclock

import "sync/atomic"

// operand keeps the compiler from knowing the numbers, and from leaving out the loop.
var operand atomic.Uint64

// chain executes a chain of rounds times cyclesPerRound instructions, if the compiler keeps
// the working value in a register.
func chain(rounds int) {
	x := operand.Load()
	a, b := x|1, x|2
	for range rounds {
		x = (x + a) ^ b
		x = (x + a) ^ b
		x = (x + a) ^ b
		x = (x + a) ^ b
		x = (x + a) ^ b
		x = (x + a) ^ b
		x = (x + a) ^ b
		x = (x + a) ^ b
		x = (x + a) ^ b
		x = (x + a) ^ b
	}
	operand.Store(x)
}
