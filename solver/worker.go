package solver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// A worker runs the search loop in one goroutine: it claims rows, walks through them piece by
// piece, has a kernel search each piece, and verifies the kernel's hits.
type worker struct {
	search *search
	walk   walk
	hashes atomic.Uint64 // nonces tried; only the worker writes it

	admitted [kinds]*asm.Kernel // kernels that have passed their self-test for the current segment
	trial    *trial             // the trial that the worker is running, or nil
	until    time.Time          // when to leave the loop, by the registry's clock; zero means never

	candidates uint64                              // candidates that kernels have reported
	checked    struct{ hashes, candidates uint64 } // the two counts at the last context check
	yielded    time.Time                           // when the worker last yielded

	states   [asm.MaxHash / asm.MaxStates]asm.States // hash states of the current run
	hashed   uint64                                  // the serial number of that run
	hashedBy *asm.Kernel                             // the kernel that hashed it; nil if there is none
	padded   [asm.MaxHash]uint32                     // the run's values, padded to whole groups
}

// idleWorkers holds the workers of finished searches for later ones.
var idleWorkers = sync.Pool{New: func() any { return new(worker) }}

// reset discards the worker's counts and position, before another attempt.
func (w *worker) reset() {
	w.hashes.Store(0)
	w.checked.hashes, w.hashedBy = 0, nil
	w.admitted = [kinds]*asm.Kernel{}
	w.walk = walk{}
}

// run is the search loop. It returns when nothing is left to search, when the search stops, or at
// the time w.until; in the last case another call resumes the search.
func (w *worker) run(ctx context.Context) {
	working.Add(1)
	defer working.Add(-1)
	defer w.leaveTrial()
	for {
		for w.walk.more(w.search.beyond.Load()) {
			k, most, ok := w.kernel()
			if !ok {
				return
			}
			p := w.walk.piece(most)
			tried, candidates := w.hashes.Load(), w.candidates
			if !w.try(ctx, k, p) {
				return
			}
			w.timed(p.kind, w.hashes.Load()-tried, w.candidates > candidates)
		}
		if !w.claim() {
			return
		}
	}
}

// claim takes the next rows of the search. It returns false if there are none.
func (w *worker) claim() bool {
	s := w.search
	if s.faults.Load() != s.registry.faults.Load() && !s.inspect() {
		return false
	}
	seg, from, to, ok := s.claim()
	if !ok {
		return false
	}
	if seg != w.walk.seg {
		w.admitted = [kinds]*asm.Kernel{}
		w.leaveTrial()
	}
	w.walk.begin(&s.mid, seg, mask(s.puzzle.Bits), from, to)
	return true
}

// kernel returns the kernel for the next piece, and the maximum number of hashes in one call. ok is
// false if the kernel has been disabled.
func (w *worker) kernel() (k *asm.Kernel, most uint64, ok bool) {
	kind := w.walk.kind
	if kind == w.walk.seg.kind() && w.search.undecided[kind].Load() {
		w.choose()
	}
	if w.trial != nil && w.trial.kind == kind {
		k, most = w.trial.next()
	} else {
		k = w.search.kernels[kind].Load()
		most = uint64(k.MaxScan)
	}
	return k, most, k == w.admitted[kind] || w.admit(k, kind)
}

// choose takes part in choosing the kernel for the current kind of layout: it adopts a choice made
// elsewhere, or starts a trial if no other worker is running one.
func (w *worker) choose() {
	s, seg := w.search, w.walk.seg
	if w.trial == nil && seg.rowSize() >= trialMinRow && w.hashes.Load() >= trialAfter {
		var chosen *asm.Kernel
		w.trial, chosen = s.registry.startTrial(seg.kind(), seg.word())
		s.settle(seg.kind(), chosen)
	}
}

// leaveTrial ends the worker's part in its trial. If the trial is complete, the search adopts the
// result; otherwise another worker can resume the trial.
func (w *worker) leaveTrial() {
	if t := w.trial; t != nil {
		w.trial = nil
		w.search.settle(t.kind, w.search.registry.endTrial(t))
	}
}

// timed reports a searched piece to the trial: its kind, its number of hashes, and whether it
// contained candidates, whose verification takes extra time.
func (w *worker) timed(kind kind, hashes uint64, candidates bool) {
	switch t := w.trial; {
	case t == nil || t.began.IsZero():
	case kind != t.kind || candidates:
		t.interrupt()
	case t.record(hashes):
		w.leaveTrial()
	}
}

// admit runs the kernel's self-test for a kind of piece of the current segment, unless it has
// passed already. admit returns false, and the search stops, if the kernel has been disabled.
func (w *worker) admit(k *asm.Kernel, kind kind) bool {
	s := w.search
	s.registry.selfTest(k, kind, w.walk.seg.word())
	if !s.use(k) {
		return false
	}
	w.admitted[kind] = k
	return true
}

// try has a kernel search a piece. It returns false if the worker must stop.
func (w *worker) try(ctx context.Context, k *asm.Kernel, p piece) bool {
	for p.hashes() > 0 && p.base <= w.search.beyond.Load() {
		if w.search.stop.Load() {
			return false
		}
		w.scan(k, &p)
		if !w.checkContext(ctx, k) {
			return false
		}
	}
	return true
}

// scan calls the kernel once, and removes the searched steps from the piece.
func (w *worker) scan(k *asm.Kernel, p *piece) {
	found := -1
	switch p.kind {
	case oneBlock:
		found = k.Scan(&w.walk.block, p.values)
	case grid:
		found = k.ScanGrid(&w.walk.grid, p.values)
	case sharedBlock:
		found = k.ScanShared(&w.walk.shared, p.values)
	default:
		found = k.ScanTails(w.hash(k, p), p.tails, w.walk.block.Mask)
	}
	if found < 0 {
		w.hashes.Add(p.hashes())
		*p = piece{}
		return
	}
	w.candidates++
	at := min(found, p.steps()-1) // a larger index is a fault, which check will detect
	hits := make([]uint64, 0, asm.MaxStates)
	for lane := range p.lanes() {
		// The kernel reports the step, but not which of its lanes have hits.
		if p.lanes() == 1 || w.walk.meets(p, at, lane) {
			hits = append(hits, p.nonce(at, lane))
		}
	}
	if len(hits) == 0 { // a fault too: let check detect it
		hits = append(hits, p.nonce(at, 0))
	}
	tried := uint64(p.lanes()) * uint64(at+1)
	p.skip(at + 1)
	w.verify(k, hits, tried)
}

// verify checks the hits of a kernel, counts the nonces tried up to them, and reports the hits that
// solve the puzzle.
func (w *worker) verify(k *asm.Kernel, hits []uint64, tried uint64) {
	for i, nonce := range hits {
		digest, ok := w.search.check(k, nonce)
		if !ok {
			return
		}
		if i == 0 {
			w.hashes.Add(tried)
		}
		w.search.report(k, nonce, digest)
	}
}

// hash returns the hash states for the piece's tails to continue from. The kernel computes them for
// a whole run of values at once.
func (w *worker) hash(k *asm.Kernel, p *piece) *asm.States {
	if w.hashedBy != k || w.hashed != p.serial {
		w.hashedBy, w.hashed = k, p.serial
		words := &w.padded
		n := copy(words[:], p.run)
		groups := (n + asm.MaxStates - 1) / asm.MaxStates
		for i := n; i < groups*asm.MaxStates; i++ {
			words[i] = words[n-1] // pad with the last value, whose copies have the same hits
		}
		k.Hash(&w.walk.block, words[:groups*asm.MaxStates], w.states[:groups])
	}
	return &w.states[p.group]
}

// checkContext checks the context from time to time, and yields to other goroutines. It returns
// false if the context has ended or the worker must leave the loop.
func (w *worker) checkContext(ctx context.Context, k *asm.Kernel) bool {
	hashes := w.hashes.Load()
	if hashes-w.checked.hashes < uint64(k.MaxScan)/2 && w.candidates == w.checked.candidates {
		return true
	}
	w.checked.hashes, w.checked.candidates = hashes, w.candidates // verifying candidates takes time too
	if err := ended(ctx); err != nil {
		w.search.fail(err)
		return false
	}
	w.yield(monotonic())
	return w.until.IsZero() || w.search.registry.now().Before(w.until)
}

// working is the number of workers of this process that are running.
var working atomic.Int64

// yieldEvery is the interval at which a worker yields. Other goroutines wait at most this long for
// a processor, plus the time for one piece.
const yieldEvery = 250 * time.Microsecond

// yield yields the processor if that is due and the workers of this process occupy all processors.
// If a processor is free, other goroutines run there; yielding would only wake it, which takes as
// long as hundreds of hashes.
func (w *worker) yield(now time.Time) {
	if now.Sub(w.yielded) < yieldEvery {
		return
	}
	w.yielded = now
	if working.Load() >= w.search.processors {
		w.search.registry.yield()
	}
}
