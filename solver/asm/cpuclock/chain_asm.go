//go:build (amd64 || arm64) && !purego

package cpuclock

// chain executes rounds*cyclesPerRound instructions, each of which waits for the one before.
//
//go:noescape
func chain(rounds int)
