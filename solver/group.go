package solver

import (
	"context"

	"github.com/gkpow/gkpow/solver/asm"
)

// This is the search of layouts whose last block is a tail: a kernel keeps the hash
// values of a group of inner values, asm.MaxStates of them, and goes through the tails.

// hashed is what a kernel has hashed of a chunk, for the tails.
type hashed struct {
	by       *asm.Kernel // nil if nothing is hashed
	from, to uint64      // inner values
	groups   [asm.MaxHash / asm.MaxStates]asm.States
	padded   [asm.MaxHash]uint32 // see pad
}

// pad returns the words of inner values so that they fill groups: the last word stands in
// for the missing ones, so that a hit among those is a hit of the last word.
func (h *hashed) pad(words []uint32) []uint32 {
	n := len(words)
	if n%asm.MaxStates == 0 {
		return words
	}
	copy(h.padded[:], words)
	for ; n%asm.MaxStates > 0; n++ {
		h.padded[n] = words[len(words)-1]
	}
	return h.padded[:n]
}

// searchTails searches the chunk for inner values first to last.
func (w *worker) searchTails(ctx context.Context, base, first, last uint64) bool {
	seg := w.cursor.seg
	for first < last {
		nonce := base + first*seg.step()
		tail, end := seg.tailRange(nonce)
		run := uint64(1)
		if tail == 0 && end == seg.unit() {
			run = min(last-first, asm.MaxHash)
			if _, whole := seg.tailRange(nonce + (run-1)*seg.step()); whole != end {
				run-- // the last value has fewer nonces: it comes alone
			}
		}
		if !w.searchRun(ctx, nonce, first, first+run, tail, end) {
			return false
		}
		first += run
	}
	return true
}

// searchRun searches the tails from to to of inner values first to last, group by
// group. nonce is that of the first value and the tail 0.
func (w *worker) searchRun(ctx context.Context, nonce, first, last, from, to uint64) bool {
	w.hashed.by = nil
	for tail := from; first < last; {
		if !w.wanted(nonce) {
			return false
		}
		k, hashes := w.piece(w.cursor.seg.kind(), (last-first)*(to-from))
		end := last
		if !w.began.IsZero() { // no other groups than those that are measured
			end = min(last, first+max(hashes/(to-from)&^(asm.MaxStates-1), asm.MaxStates))
		}
		for left := int64(hashes); first < end && left > 0 && !w.hit; {
			next := w.scanTails(k, nonce, first, end, tail, min(to, tail+max(1, uint64(left)/asm.MaxStates)))
			left -= int64(asm.MaxStates * (next - tail))
			if tail = next; tail == to {
				first, tail = first+asm.MaxStates, from
				nonce += asm.MaxStates * w.cursor.seg.step()
			}
		}
		if !w.look(ctx, k) {
			return false
		}
	}
	return true
}

// states returns the hash values of the first group of the inner values first to
// last, of which the kernel hashes as many as it can at once.
func (w *worker) states(k *asm.Kernel, first, last uint64) *asm.States {
	h := &w.hashed
	if h.by != k || first >= h.to {
		most := min(asm.MaxHash, uint64(k.MaxScan)) &^ (asm.MaxStates - 1)
		h.by, h.from, h.to = k, first, min(last, first+max(most, asm.MaxStates))
		words := h.pad(w.cursor.words[h.from:h.to])
		k.Hash(&w.cursor.block, words, h.groups[:len(words)/asm.MaxStates])
	}
	return &h.groups[(first-h.from)/asm.MaxStates]
}

// scanTails calls the kernel once, for the tails from to to of the first group, and
// returns the tail to go on with. See searchRun.
func (w *worker) scanTails(k *asm.Kernel, nonce, first, last, from, to uint64) uint64 {
	c := &w.cursor
	group := min(last-first, asm.MaxStates)
	words, tails := c.words[first:first+group], c.tails[from:to]
	i := k.ScanTails(w.states(k, first, last), tails, c.block.Mask)
	if i < 0 {
		w.hashes.Add(group * uint64(len(tails)))
		return to
	}
	i = min(i, len(tails)-1) // a fault, which check will notice
	nonce += from + uint64(i)

	// The kernel does not say which of the values make hits.
	var hits []uint64
	for value, word := range words {
		if c.firstWord(word, &tails[i])&c.block.Mask == 0 {
			hits = append(hits, nonce+uint64(value)*c.seg.step())
		}
	}
	if !w.reportHits(k, nonce, hits, group*uint64(i+1)) {
		return to // the search stops
	}
	return from + uint64(i) + 1
}
