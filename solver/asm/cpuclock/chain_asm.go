//go:build (amd64 || arm64) && !purego

package cpuclock

// chain executes a chain of rounds times cyclesPerRound instructions.
//
//go:noescape
func chain(rounds int)
