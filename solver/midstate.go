package solver

import (
	"context"
	"encoding/binary"

	"github.com/gkpow/gkpow/solver/asm"
)

// A midstate is the hash state after the whole blocks of a prefix.
type midstate struct {
	state  [8]uint32
	rest   []byte // the rest of the prefix, shorter than a block
	length int    // length of the whole prefix in bytes
}

// newMidstate hashes the whole blocks of a prefix. Since a prefix can have any length, newMidstate
// checks the context regularly. The error is the context's.
func newMidstate(ctx context.Context, prefix []byte) (midstate, error) {
	m := midstate{state: asm.IV, rest: prefix, length: len(prefix)}
	const blocksBetweenChecks = 1000 // about 0.3 ms
	for n := 0; len(m.rest) >= 64; n++ {
		if n%blocksBetweenChecks == 0 {
			if err := ended(ctx); err != nil {
				return m, err
			}
		}
		words := blockWords(m.rest)
		m.state = asm.Compress(&m.state, &words)
		m.rest = m.rest[64:]
	}
	return m, nil
}

// blockWords returns the message words of the first 64 bytes of b.
func blockWords(b []byte) (words [16]uint32) {
	for i := range words {
		words[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return words
}
