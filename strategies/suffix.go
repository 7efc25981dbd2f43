package strategies

import (
	"context"
	"crypto/sha256"
	"encoding"
	"hash"
	"strconv"

	"github.com/gkpow/gkpow/solver"
)

// suffix avoids the conversion to decimal: it increments the digits in place.
var suffix = &loop{
	name:        "suffix",
	description: "increments the decimal digits at the end of the message in place, crypto/sha256",
	message:     wholeMessage,
	start: func(_ context.Context, p solver.Puzzle, first uint64) (scanner, error) {
		return newSuffixScanner(p, first, sha256.Sum256), nil
	},
}

type suffixScanner struct {
	sum    func(message []byte) [sha256.Size]byte
	target target
	odometer
}

func newSuffixScanner(p solver.Puzzle, first uint64, sum func([]byte) [sha256.Size]byte) *suffixScanner {
	return &suffixScanner{sum: sum, target: newTarget(p.Bits), odometer: newOdometer(newMessage(p), first)}
}

func (s *suffixScanner) scan(_ uint64, n int) (tried int, solved bool) {
	for tried = 1; ; tried++ {
		sum := s.sum(s.message)
		s.next()
		if s.target.met(&sum) {
			return tried, true
		}
		if tried == n {
			return tried, false
		}
	}
}

// An odometer is a message that ends with a number.
type odometer struct {
	message []byte
	digits  int // index of the first digit
}

func newOdometer(prefix []byte, first uint64) odometer {
	return odometer{message: strconv.AppendUint(prefix, first, 10), digits: len(prefix)}
}

// next adds one to the number.
func (o *odometer) next() {
	for i := len(o.message) - 1; i >= o.digits; i-- {
		if o.message[i] != '9' {
			o.message[i]++
			return
		}
		o.message[i] = '0'
	}
	o.message = append(o.message, '0')
	o.message[o.digits] = '1'
}

// midstate hashes the prefix once and copies the hash state for each nonce. For a prefix shorter
// than a block, that saves nothing and the copy costs time. It uses the marshalled state because
// hash.Cloner allocates and takes nearly twice as long.
var midstate = &loop{
	name: "midstate",
	description: "a copy of the standard library's hash state after the prefix, for each nonce; " +
		"decimal digits as in suffix",
	message: func(p solver.Puzzle) int { return len(p.Prefix) % sha256.BlockSize },
	start: func(ctx context.Context, p solver.Puzzle, first uint64) (scanner, error) {
		h := sha256.New()
		const piece = 16 << 10 // bytes hashed between two checks of the context
		for rest := p.Prefix; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			if err := ended(ctx); err != nil {
				return nil, err
			}
			h.Write(rest[:min(piece, len(rest))])
		}
		state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			panic(err) // crypto/sha256 never fails here
		}
		return &midstateScanner{
			target: newTarget(p.Bits), state: state,
			hash: h, restore: h.(encoding.BinaryUnmarshaler).UnmarshalBinary,
			odometer: newOdometer(make([]byte, 0, 20), first),
		}, nil
	},
}

type midstateScanner struct {
	target  target
	state   []byte // marshalled hash state after the prefix
	hash    hash.Hash
	restore func(state []byte) error
	odometer
}

func (m *midstateScanner) scan(_ uint64, n int) (tried int, solved bool) {
	var sum [sha256.Size]byte
	for tried = 1; ; tried++ {
		if err := m.restore(m.state); err != nil {
			panic(err) // crypto/sha256 wrote the state
		}
		m.hash.Write(m.message)
		m.hash.Sum(sum[:0])
		m.next()
		if m.target.met(&sum) {
			return tried, true
		}
		if tried == n {
			return tried, false
		}
	}
}
