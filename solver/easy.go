package solver

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
)

// crypto/sha256 tries the first nonces of an easy puzzle on the calling goroutine: planning,
// self-tests and starting workers would take longer than that.
const (
	// easyHashes is the maximum number of nonces that tryFirst tries if each hash takes one block.
	// If a hash takes more blocks, tryFirst tries fewer nonces.
	easyHashes = 4096
	// easyBits is the maximum of Puzzle.Bits in an easy puzzle: 1024 hashes solve it on average.
	easyBits = 10
	// easyColdBits is easyBits for a process that has not used a kernel yet. The first use costs a
	// millisecond.
	easyColdBits = 13
	// easyBackend is Solution.Backend for solutions found by the standard library.
	easyBackend = "std"
)

// isEasy reports whether to try the first nonces of a puzzle on the calling goroutine.
func isEasy(p Puzzle, r *registry) bool {
	return p.Bits <= easyBits || p.Bits <= easyColdBits && r.cold()
}

// tryFirst tries the first nonces of the space in numeric order, and removes them from the space.
// It returns the first solution among them, if any, and the number of nonces tried. The error is
// the context's.
func tryFirst(ctx context.Context, p Puzzle, sp *space) (solution hit, tried uint64, err error) {
	var short [128]byte
	message := short[:]
	if longest := len(p.Prefix) + maxWidth; longest > len(short) {
		message = make([]byte, longest)
	}
	copy(message, p.Prefix)
	digits := message[len(p.Prefix):]
	blocks := len(p.Prefix)/64 + 1
	left := uint64(max(1, easyHashes/blocks))
	between := uint64(max(1, 512/blocks)) // nonces between context checks

	target := mask(p.Bits)

	limit := sp.limit
	switch { // the default limit is at least this
	case limit == 0 && sp.least <= MaxInt32:
		limit = MaxInt32
	case limit == 0:
		limit = MaxSafeInteger
	}
	for width := 1; width <= maxWidth && left > 0; width++ {
		first, last, ok := sp.width(width, limit)
		if !ok {
			continue
		}
		nonce := first
		place := len(p.Prefix) + width
		for i, rest := width-1, nonce; i >= 0; i, rest = i-1, rest/10 {
			digits[i] = '0' + byte(rest%10)
		}
		for n := min(left-1, last-nonce) + 1; n > 0; n-- {
			digest := sha256.Sum256(message[:place])
			tried++
			if binary.BigEndian.Uint32(digest[:])&target == 0 && (p.Bits <= 32 || leadingZeros(digest) >= p.Bits) {
				return hit{nonce: nonce, digest: digest, ok: true}, tried, nil
			}
			if tried%between == 0 {
				if err := ended(ctx); err != nil {
					return hit{}, tried, err
				}
			}
			nonce++
			left--
			for i := place - 1; ; i-- {
				if message[i]++; message[i] <= '9' || i == len(p.Prefix) {
					break
				}
				message[i] = '0'
			}
		}
		sp.tried = nonce
	}
	return hit{}, tried, nil
}

// A hit is a nonce that solves a puzzle, and its hash. It is valid only if ok is true.
type hit struct {
	nonce  uint64
	digest [sha256.Size]byte
	ok     bool
}
