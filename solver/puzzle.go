package solver

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"strconv"
)

// MaxBits is the largest number of leading zero bits a Puzzle can ask for: all
// of a SHA-256 digest.
const MaxBits = 8 * sha256.Size

// A Puzzle asks for a nonce, a canonical decimal integer (no sign, no leading
// zero, "0" allowed), such that SHA-256(Prefix || nonce) begins with Bits zero
// bits. It is a value: Solve does not change it, nor keep it.
type Puzzle struct {
	Prefix []byte // hashed before the nonce; any bytes, any length
	Bits   int    // leading zero bits wanted, 0 to MaxBits
}

// NewPuzzle returns the puzzle of a gkCAPTCHA challenge: the prefix is the salt
// as it stands (it is not hex-decoded) and a colon, the difficulty counts
// leading zero hex digits, 0 to 64. An impossible difficulty is a *PuzzleError.
func NewPuzzle(salt string, difficulty int) (Puzzle, error) {
	if difficulty < 0 || difficulty > MaxBits/4 {
		return Puzzle{}, &PuzzleError{
			Field:  "difficulty",
			Reason: fmt.Sprintf("%d is not a number of hex digits of a SHA-256 digest (0 to %d)", difficulty, MaxBits/4),
		}
	}
	return Puzzle{Prefix: append([]byte(salt), ':'), Bits: 4 * difficulty}, nil
}

// Hash returns SHA-256(Prefix || nonce), computed by crypto/sha256 and by
// nothing of this package's own.
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
			Reason: fmt.Sprintf("%d is not a number of bits of a SHA-256 digest (0 to %d)", p.Bits, MaxBits),
		}
	}
	return nil
}

// leadingZeros counts the zero bits at the start of a digest.
func leadingZeros(digest [sha256.Size]byte) int {
	for i, b := range digest {
		if b != 0 {
			return 8*i + bits.LeadingZeros8(b)
		}
	}
	return MaxBits
}
