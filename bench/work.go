package bench

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/gkpow/gkpow/solver"
)

// The fixed work for a salt length has several parts of consecutive nonces: one for each of
// workWidths, and one across a change in the number of digits.
const (
	mostNonces = 2_000
	workBits   = 6 // one nonce in 64 is a solution
)

// workNonces returns the number of nonces in each part of the work. Long salts have fewer,
// since most strategies hash the salt again for every nonce.
func workNonces(length int) uint64 {
	const bytes = 16 << 20 // hashed in each part
	return uint64(min(bytes/(length+1)+1, mostNonces))
}

// workWidths are the numbers of digits that matter in practice.
var workWidths = []int{
	8,  // most nonces of a loop that counts from 0
	10, // the largest nonces that fit in 32 bits
	16, // the largest nonces that a JavaScript number holds exactly
}

// A kernel must also find all solutions among the nonces of one width, for which it scans
// whole chunks.
const (
	wholeWidth = 5
	wholeBits  = 10
)

// A workload holds the puzzle and the fixed work for one salt length.
type workload struct {
	length int
	prefix []byte

	work  Work
	want  [][]uint64 // the solutions in each of work.Ranges, ascending
	whole []uint64   // the solutions with wholeWidth digits, ascending; nil until needed

	rng *rand.Rand // generates the salts of samples
}

// newWorkload creates the workload for a salt length. It depends only on the seed and the
// length, not on the machine.
func newWorkload(seed uint64, length int) *workload {
	g := &workload{
		length: length,
		rng:    rand.New(rand.NewPCG(seed, uint64(length))),
	}
	salt := hexSalt(g.rng, length)
	g.prefix = append([]byte(salt), ':')
	g.work = Work{SaltLength: length, Salt: salt, Bits: workBits}
	n := workNonces(length)
	for _, width := range workWidths {
		w := nonces(width)
		first := w.First + g.rng.Uint64N(w.Last-w.First-mostNonces)
		g.add(first, first+n-1)
	}
	edge := nonces(workWidths[1]).First
	g.add(edge-n/2, edge+n/2-1)
	g.work.Checksum = checksum(g.want...)
	return g
}

// wholeWork returns the solutions that have wholeWidth digits.
func (w *workload) wholeWork() []uint64 {
	if w.whole == nil {
		w.whole = w.solutions(nonces(wholeWidth), wholeBits)
	}
	return w.whole
}

// nonces returns the range of all nonces with the given number of decimal digits.
func nonces(width int) Range {
	last := uint64(10)
	for range width - 1 {
		last *= 10
	}
	if width == 1 {
		return Range{0, 9}
	}
	return Range{last / 10, last - 1}
}

// hexSalt returns random lower-case hex digits.
func hexSalt(rng *rand.Rand, length int) string {
	const digits = "0123456789abcdef"
	salt := make([]byte, length)
	for i := range salt {
		salt[i] = digits[rng.IntN(len(digits))]
	}
	return string(salt)
}

// mainSegment returns the segment in which most searches end.
func mainSegment(p *solver.Plan) *solver.PlanSegment {
	i := 0
	for j := range p.Segments {
		s, best := &p.Segments[j], &p.Segments[i]
		if s.Reached*s.Chance > best.Reached*best.Chance {
			i = j
		}
	}
	return &p.Segments[i]
}

// add adds a range and its solutions to the work.
func (w *workload) add(first, last uint64) {
	r := Range{first, last}
	found := w.solutions(r, workBits)
	w.work.Ranges = append(w.work.Ranges, r)
	w.work.Hashes += last - first + 1
	w.work.Found += len(found)
	w.want = append(w.want, found)
}

// solutions finds the solutions in a range with crypto/sha256.
func (w *workload) solutions(r Range, bits int) (found []uint64) {
	ref := newReference(w.prefix)
	for nonce := r.First; nonce <= r.Last; nonce++ {
		if ref.zeros(nonce) >= bits {
			found = append(found, nonce)
		}
	}
	return found
}

// A reference hashes nonces with crypto/sha256 only, without any code of this module's
// engine. It hashes a long prefix only once.
type reference struct {
	prefix []byte // set only if the prefix is short
	hash   interface {
		hash.Hash
		encoding.BinaryUnmarshaler
	}
	state   []byte // state of hash after the prefix; nil if the prefix is short
	message []byte
}

func newReference(prefix []byte) *reference {
	if len(prefix) < 2*sha256.BlockSize {
		return &reference{prefix: prefix}
	}
	h := sha256.New()
	h.Write(prefix)
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err) // crypto/sha256 has no such error
	}
	r := &reference{state: state}
	r.hash = h.(interface {
		hash.Hash
		encoding.BinaryUnmarshaler
	})
	return r
}

// zeros counts the leading zero bits of a nonce's hash.
func (r *reference) zeros(nonce uint64) int {
	r.message = strconv.AppendUint(append(r.message[:0], r.prefix...), nonce, 10)
	var digest [sha256.Size]byte
	if r.state == nil {
		digest = sha256.Sum256(r.message)
	} else {
		if err := r.hash.UnmarshalBinary(r.state); err != nil {
			panic(err) // crypto/sha256 wrote it
		}
		r.hash.Write(r.message)
		r.hash.Sum(digest[:0])
	}
	n := 0
	for _, b := range digest {
		if b != 0 {
			return n + bits.LeadingZeros8(b)
		}
		n += 8
	}
	return n
}

// checksum returns the first 16 hex digits of the SHA-256 of the numbers, written in
// decimal, one per line.
func checksum(lists ...[]uint64) string {
	h := sha256.New()
	for _, list := range lists {
		for _, n := range list {
			h.Write(strconv.AppendUint(nil, n, 10))
			h.Write([]byte{'\n'})
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// difference describes how the solutions found differ from the correct ones, or returns ""
// if they do not. Both lists must be in ascending order.
func difference(got, want []uint64) string {
	var wrong, missed []uint64
	for _, n := range got {
		if _, ok := slices.BinarySearch(want, n); !ok {
			wrong = append(wrong, n)
		}
	}
	for _, n := range want {
		if _, ok := slices.BinarySearch(got, n); !ok {
			missed = append(missed, n)
		}
	}
	var parts []string
	if len(missed) > 0 {
		parts = append(parts, fmt.Sprintf("missed %d of %d solutions, the first %d", len(missed), len(want), missed[0]))
	}
	if len(wrong) > 0 {
		parts = append(parts, fmt.Sprintf("reported %d wrong solutions, the first %d", len(wrong), wrong[0]))
	}
	if len(parts) == 0 && len(got) != len(want) {
		parts = append(parts, "found a solution twice")
	}
	return strings.Join(parts, " and ")
}
