//go:build purego || !(amd64 || arm64)

package cpuclock

import "sync/atomic"

// operand keeps the compiler from removing the loop or computing it in advance.
var operand atomic.Uint64

// chain executes rounds*cyclesPerRound instructions, each of which waits for the one before,
// provided that the compiler keeps x, a and b in registers.
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
