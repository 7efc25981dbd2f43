package solver

import (
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// A search is one call of Solve or All: its plan and the state that its workers share.
type search struct {
	start    time.Time
	puzzle   Puzzle
	mid      midstate
	plan     plan
	registry *registry
	asked    *asm.Kernel // the kernel that the caller named; nil if none
	workers  []*worker
	easy     uint64 // nonces tried before the workers started

	processors int64 // GOMAXPROCS when the search started
	endless    bool  // whether to start over at the end of the plan

	calls           sync.Mutex          // serializes calls of found; guards the fields below
	found           func(Solution) bool // the callback of All; nil for Solve
	enough          bool                // whether found has returned false
	delivered       []uint64            // the nonces passed to found
	deliveredBefore []uint64            // those that earlier attempts passed to found, sorted

	kernels   [kinds]atomic.Pointer[asm.Kernel] // the kernel in use for each kind of layout
	undecided [kinds]atomic.Bool                // whether the kernel for that kind has yet to be chosen
	faults    atomic.Int64                      // registry.faults at the last inspection
	stop      atomic.Bool                       // tells all workers to stop
	beyond    atomic.Uint64                     // nonces above it need not be searched

	mu       sync.Mutex    // guards the fields below
	segment  int           // index in plan.segments of the segment being handed out
	row, end uint64        // its rows yet to be handed out, [row, end)
	used     []*asm.Kernel // kernels that this attempt has used
	solution *Solution     // the best so far, with Nonce, Hash and Backend set
	err      error         // the context's, if it ended
	fault    *KernelFault  // the first fault
	void     bool          // whether a kernel in used has been disabled
}

// begin starts handing out rows of a segment of the plan.
func (s *search) begin(segment int) {
	if s.segment = segment; segment < len(s.plan.segments) {
		s.row, s.end = s.plan.segments[segment].rows()
	}
}

// claim hands out the next rows to search: [from, to) of seg. ok is false if there are none.
func (s *search) claim() (seg *segment, from, to uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.segment < len(s.plan.segments) && s.row == s.end {
		s.begin(s.segment + 1)
		if s.endless && s.segment == len(s.plan.segments) {
			s.begin(0)
		}
	}
	if s.stop.Load() || s.segment == len(s.plan.segments) {
		return nil, 0, 0, false
	}
	seg = &s.plan.segments[s.segment]
	if s.plan.space.order != cheapestFirst && seg.least(s.row) > s.beyond.Load() {
		return nil, 0, 0, false // so are all later rows
	}
	const grain = 8192 // nonces to hand out at a time if rows are smaller
	from = s.row
	s.row += min(s.end-from, max(1, grain/seg.rowSize()))
	return seg, from, s.row, true
}

// check verifies with crypto/sha256 a nonce that a kernel found. If the first word of the digest
// misses the target, ok is false: check has disabled the kernel and stopped the attempt, so that the
// search can start over without it.
func (s *search) check(k *asm.Kernel, nonce uint64) (digest [sha256.Size]byte, ok bool) {
	digest = s.puzzle.Hash(nonce)
	if leadingZeros(digest) >= min(s.puzzle.Bits, 32) {
		return digest, true
	}
	if !s.registry.disable(k, &KernelFault{Backend: k.Name, Nonce: nonce}) {
		return digest, true
	}
	s.inspect()
	return digest, false
}

// use records that a worker is about to use a kernel. It returns false if the attempt is void
// because one of its kernels has been disabled.
func (s *search) use(k *asm.Kernel) bool {
	s.mu.Lock()
	if !slices.Contains(s.used, k) {
		s.used = append(s.used, k)
	}
	s.mu.Unlock()
	return s.inspect()
}

// inspect reports whether all kernels used by this attempt are still enabled. If this search or
// another one has disabled one of them, inspect stops the attempt.
func (s *search) inspect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.Store(s.registry.faults.Load())
	for _, k := range s.used {
		if err := s.registry.fault(k); err != nil {
			if s.fault == nil {
				errors.As(err, &s.fault)
			}
			s.void = true
			s.stop.Store(true)
		}
	}
	return !s.void
}

// report records a nonce that check has accepted, if the nonce solves the puzzle.
func (s *search) report(k *asm.Kernel, nonce uint64, digest [sha256.Size]byte) {
	if leadingZeros(digest) < s.puzzle.Bits {
		return // kernels test the first 32 bits only
	}
	if s.found != nil {
		s.deliver(Solution{Nonce: nonce, Hash: digest, Backend: k.Name})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.solution == nil || nonce < s.solution.Nonce {
		s.solution = &Solution{Nonce: nonce, Hash: digest, Backend: k.Name}
	}
	if s.plan.space.order == cheapestFirst {
		s.stop.Store(true)
	} else {
		s.beyond.Store(s.solution.Nonce)
	}
}

// deliver passes a solution to the callback of All, and stops the search if that returns false.
func (s *search) deliver(solution Solution) {
	s.mu.Lock()
	solution.Fault = s.fault
	s.mu.Unlock()
	s.calls.Lock()
	defer s.calls.Unlock()
	if _, known := slices.BinarySearch(s.deliveredBefore, solution.Nonce); known || s.enough {
		return
	}
	s.delivered = append(s.delivered, solution.Nonce)
	solution.Hashes, solution.Workers = s.hashes(), len(s.workers)
	solution.Elapsed = time.Since(s.start)
	if !s.found(solution) {
		s.enough = true
		s.stop.Store(true)
	}
}

// hashes returns the number of nonces tried so far.
func (s *search) hashes() uint64 {
	n := s.easy
	for _, w := range s.workers {
		n += w.hashes.Load()
	}
	return n
}

// fail stops the search because the context ended with err.
func (s *search) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.stop.Store(true)
}

// settle makes all workers use k for a kind of layout. It does nothing if k is nil.
func (s *search) settle(kind kind, k *asm.Kernel) {
	if k != nil {
		s.kernels[kind].Store(k)
		s.undecided[kind].Store(false)
	}
}
