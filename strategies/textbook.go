package strategies

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/gkpow/gkpow/solver"
)

// textbook is the loop of the service's samples (gkCAPTCHA M2M API, "Code Examples"), in Go.
var textbook = &loop{
	name:        "textbook",
	description: "fmt.Sprintf, crypto/sha256, and a comparison of the hex digest, as in the service's samples",
	message:     wholeMessage,
	start: func(_ context.Context, p solver.Puzzle, _ uint64) (scanner, error) {
		t := &textbookScanner{prefix: string(p.Prefix), zeros: strings.Repeat("0", p.Bits/4)}
		if rest := p.Bits % 4; rest > 0 {
			t.below = '0' + 16>>rest
		}
		return t, nil
	},
}

type textbookScanner struct {
	prefix string
	zeros  string // the required start of the hex digest
	below  byte   // exclusive upper bound of the next hex digit, at most '8'; 0 means any digit
}

func (t *textbookScanner) scan(nonce uint64, n int) (tried int, solved bool) {
	for tried = 1; ; tried++ {
		sum := sha256.Sum256([]byte(fmt.Sprintf("%s%d", t.prefix, nonce)))
		digest := hex.EncodeToString(sum[:])
		if strings.HasPrefix(digest, t.zeros) && (t.below == 0 || digest[len(t.zeros)] < t.below) {
			return tried, true
		}
		if tried == n {
			return tried, false
		}
		nonce++
	}
}

// appending is textbook without its formatting and garbage.
var appending = &loop{
	name:        "append",
	description: "strconv.AppendUint into one buffer, crypto/sha256, and a comparison of the first 64 bits",
	message:     wholeMessage,
	start: func(_ context.Context, p solver.Puzzle, _ uint64) (scanner, error) {
		return &appendScanner{target: newTarget(p.Bits), prefix: len(p.Prefix), message: newMessage(p)}, nil
	},
}

type appendScanner struct {
	target  target
	prefix  int
	message []byte
}

func (a *appendScanner) scan(nonce uint64, n int) (tried int, solved bool) {
	for tried = 1; ; tried++ {
		a.message = strconv.AppendUint(a.message[:a.prefix], nonce, 10)
		sum := sha256.Sum256(a.message)
		if a.target.met(&sum) {
			return tried, true
		}
		if tried == n {
			return tried, false
		}
		nonce++
	}
}

// newMessage returns the puzzle's prefix with spare capacity for a nonce.
func newMessage(p solver.Puzzle) []byte {
	const longest = 20 // digits of a uint64
	return append(make([]byte, 0, len(p.Prefix)+longest), p.Prefix...)
}
