package bench

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/gkpow/gkpow/solver"
)

// The fixed work for a salt length: consecutive nonces of each of workWidths, and as
// many where the number of digits changes.
const (
	mostNonces = 2_000
	workBits   = 6 // one nonce of 64 is found
)

// workNonces returns how many nonces each part of the work has: fewer for long
// salts, which most strategies hash anew for each nonce.
func workNonces(length int) uint64 {
	const bytes = 16 << 20 // hashed in each part
	return uint64(min(bytes/(length+1)+1, mostNonces))
}

// workWidths are the numbers of digits that searches meet: those of a loop that counts
// from 0, the widest that fit in 32 bits, and the widest that JavaScript's numbers hold.
var workWidths = []int{8, 10, 16}

// Kernels also have to find all solutions among the nonces of one width, which makes
// them scan whole chunks.
const (
	wholeWidth = 5
	wholeBits  = 10
)

// A ground is the puzzle, work and plans for one salt length.
type ground struct {
	length int
	prefix []byte

	work  Work
	want  [][]uint64 // the solutions in each of work.Ranges, ascending
	whole []uint64   // and those among nonces(wholeWidth); nil until needed

	rng   *rand.Rand              // for the salts of samples
	plans map[string]*solver.Plan // of searches by kernels of the engine, nil for those that are too slow for that
}

// newGround makes the ground for a salt length. It depends on the seed and the
// length only, not on the machine.
func newGround(seed uint64, length int) *ground {
	g := &ground{
		length: length,
		rng:    rand.New(rand.NewPCG(seed, uint64(length))),
		plans:  map[string]*solver.Plan{},
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

// wholeWork returns the solutions among nonces(wholeWidth).
func (g *ground) wholeWork() []uint64 {
	if g.whole == nil {
		g.whole = g.solutions(nonces(wholeWidth), wholeBits)
	}
	return g.whole
}

// nonces returns all nonces with that many decimal digits.
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

// anyPlan returns the plan of the first kernel that has one, by name, or nil.
func (g *ground) anyPlan() *solver.Plan {
	for _, name := range slices.Sorted(maps.Keys(g.plans)) {
		if g.plans[name] != nil {
			return g.plans[name]
		}
	}
	return nil
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
func (g *ground) add(first, last uint64) {
	r := Range{first, last}
	found := g.solutions(r, workBits)
	g.work.Ranges = append(g.work.Ranges, r)
	g.work.Hashes += last - first + 1
	g.work.Found += len(found)
	g.want = append(g.want, found)
}

// solutions returns the solutions in a range by crypto/sha256.
func (g *ground) solutions(r Range, bits int) (found []uint64) {
	ref := newReference(g.prefix)
	for nonce := r.First; nonce <= r.Last; nonce++ {
		if ref.zeros(nonce) >= bits {
			found = append(found, nonce)
		}
	}
	return found
}

// A reference hashes nonces with crypto/sha256, and with nothing of this module. It
// hashes a long prefix once.
type reference struct {
	prefix []byte // if it is short
	hash   interface {
		hash.Hash
		encoding.BinaryUnmarshaler
	}
	state   []byte // of hash, after the prefix; nil if it is short
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

// checksum returns 16 hex digits of the SHA-256 of numbers in decimal, one in a
// line.
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

// difference describes how the solutions found differ from the correct ones, both
// ascending, or returns "".
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
		parts = append(parts, fmt.Sprintf("found %d that are none, the first %d", len(wrong), wrong[0]))
	}
	if len(parts) == 0 && len(got) != len(want) {
		parts = append(parts, "found a solution twice")
	}
	return strings.Join(parts, " and ")
}
