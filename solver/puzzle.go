package solver

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"strconv"
)

// MaxBits is the largest number of leading zero bits that a Puzzle can ask for: all bits of a
// SHA-256 digest.
const MaxBits = 8 * sha256.Size

// A Puzzle asks for a nonce such that SHA-256(Prefix || nonce) begins with Bits zero bits. The
// nonce is hashed as a canonical decimal integer: no sign, no leading zeros, "0" allowed. Searches
// read Prefix but neither modify nor keep it.
type Puzzle struct {
	Prefix []byte // hashed before the nonce; any bytes, any length
	Bits   int    // leading zero bits wanted, 0 to MaxBits
}

// NewPuzzle returns the puzzle of a gkCAPTCHA challenge. Its prefix is the salt, as received (not
// hex-decoded), and a colon. The difficulty is the number of leading zero hex digits, 0 to 64; any
// other value is a *PuzzleError.
func NewPuzzle(salt string, difficulty int) (Puzzle, error) {
	if difficulty < 0 || difficulty > MaxBits/4 {
		return Puzzle{}, &PuzzleError{
			Field: "difficulty",
			Reason: fmt.Sprintf("%d is out of range: a SHA-256 digest has 0 to %d leading zero hex digits",
				difficulty, MaxBits/4),
		}
	}
	return Puzzle{Prefix: append([]byte(salt), ':'), Bits: 4 * difficulty}, nil
}

// Hash returns SHA-256(Prefix || nonce). It uses only crypto/sha256, so it can verify the kernels.
func (p Puzzle) Hash(nonce uint64) [sha256.Size]byte {
	h := sha256.New()
	h.Write(p.Prefix)
	h.Write(strconv.AppendUint(nil, nonce, 10))
	return [sha256.Size]byte(h.Sum(nil))
}

// Solves reports whether the nonce solves the puzzle.
func (p Puzzle) Solves(nonce uint64) bool {
	return leadingZeros(p.Hash(nonce)) >= p.Bits
}

func (p Puzzle) validate() error {
	if p.Bits < 0 || p.Bits > MaxBits {
		return &PuzzleError{
			Field:  "bits",
			Reason: fmt.Sprintf("%d is out of range: a SHA-256 digest has 0 to %d leading zero bits", p.Bits, MaxBits),
		}
	}
	return nil
}

// leadingZeros returns the number of leading zero bits of a digest.
func leadingZeros(digest [sha256.Size]byte) int {
	for i, b := range digest {
		if b != 0 {
			return 8*i + bits.LeadingZeros8(b)
		}
	}
	return MaxBits
}

// mask returns a mask of the bits that must be zero in the first word of the digest.
func mask(bits int) uint32 { return ^(^uint32(0) >> min(bits, 32)) }
