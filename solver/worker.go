package solver

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// A worker runs the search loop in one goroutine: claim rows, walk through them piece
// by piece, have a kernel search each piece, and check what it finds.
type worker struct {
	search *search
	walk   walk
	hashes atomic.Uint64 // nonces tried; written by the worker only

	admitted [kinds]*asm.Kernel // kernels that may search the segment at hand
	trial    *trial             // not nil while it measures kernels
	until    time.Time          // when to leave the loop, by the registry's clock; zero for never

	candidates uint64                              // hits of kernels
	looked     struct{ hashes, candidates uint64 } // those when it last looked at the context
	yielded    time.Time                           // when it last let other goroutines run

	states   [asm.MaxHash / asm.MaxStates]asm.States // hash values of a run
	hashed   uint64                                  // the run's serial number
	hashedBy *asm.Kernel                             // nil if nothing is hashed
	padded   [asm.MaxHash]uint32                     // the run, for the kernel

	_ [64]byte // keeps the counters of two workers out of one cache line
}

// reset forgets what the worker has searched.
func (w *worker) reset() {
	w.hashes.Store(0)
	w.looked.hashes, w.hashedBy = 0, nil
	w.admitted = [kinds]*asm.Kernel{}
	w.walk = walk{}
}

// run is the search loop. It ends when nothing is left to search, the search stops,
// or it is time to leave; in the last case the next call goes on.
func (w *worker) run(ctx context.Context) {
	working.Add(1)
	defer working.Add(-1)
	defer w.leaveTrial()
	for {
		for w.walk.more() {
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

// kernel returns the kernel for what the walk has come to, and how many hashes to ask
// of it at once. It is not ok if the kernel has been disabled.
func (w *worker) kernel() (k *asm.Kernel, most uint64, ok bool) {
	kind := w.walk.kind
	if kind == w.walk.seg.kind() && w.search.open[kind].Load() {
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

// choose does a worker's part in choosing the kernel for the kind of its segment: it
// takes over what was chosen elsewhere, or starts a trial if nobody else does one.
func (w *worker) choose() {
	s, seg := w.search, w.walk.seg
	if w.trial == nil && seg.rowSize() >= trialMinRow && w.hashes.Load() >= trialAfter {
		var chosen *asm.Kernel
		w.trial, chosen = s.registry.startTrial(seg.kind(), seg.word())
		s.settle(seg.kind(), chosen)
	}
}

// leaveTrial leaves a trial to others.
func (w *worker) leaveTrial() {
	if t := w.trial; t != nil {
		w.trial = nil
		w.search.settle(t.kind, w.search.registry.endTrial(t))
	}
}

// timed tells the trial of a piece that was searched: its kind, how many hashes it had,
// and whether there were candidates among them, which take time of their own.
func (w *worker) timed(kind kind, hashes uint64, candidates bool) {
	switch t := w.trial; {
	case t == nil || t.began.IsZero():
	case kind != t.kind || candidates:
		t.interrupt()
	case t.record(hashes):
		w.leaveTrial()
	}
}

// admit sees to it that a kernel has passed its self-test for a kind of piece of the
// segment at hand. It returns false, and the search stops, if it has not.
func (w *worker) admit(k *asm.Kernel, kind kind) bool {
	s := w.search
	s.registry.ready(k, kind, w.walk.seg.word())
	if !s.use(k) {
		return false
	}
	w.admitted[kind] = k
	return true
}

// try has a kernel search a piece. It returns false if the worker is to stop.
func (w *worker) try(ctx context.Context, k *asm.Kernel, p piece) bool {
	for p.hashes() > 0 && p.base <= w.search.beyond.Load() {
		if w.search.stop.Load() {
			return false
		}
		w.scan(k, &p)
		if !w.look(ctx, k) {
			return false
		}
	}
	return true
}

// scan calls the kernel once, and takes from the piece what has been searched.
func (w *worker) scan(k *asm.Kernel, p *piece) {
	found := -1
	switch p.kind {
	case oneBlock:
		found = k.Scan(&w.walk.block, p.values)
	case grid:
		found = k.ScanGrid(&w.walk.grid, p.values)
	default:
		found = k.ScanTails(w.hash(k, p), p.tails, w.walk.block.Mask)
	}
	if found < 0 {
		w.hashes.Add(p.hashes())
		*p = piece{}
		return
	}
	w.candidates++
	at := min(found, p.steps()-1) // beyond is a fault, which check will notice
	hits := make([]uint64, 0, asm.MaxStates)
	for lane := range p.lanes() {
		// The kernel does not say which of several lanes have hits.
		if p.lanes() == 1 || w.walk.meets(p, at, lane) {
			hits = append(hits, p.nonce(at, lane))
		}
	}
	if len(hits) == 0 { // a fault as well
		hits = append(hits, p.nonce(at, 0))
	}
	tried := uint64(p.lanes()) * uint64(at+1)
	p.skip(at + 1)
	w.verify(k, hits, tried)
}

// verify counts the nonces tried up to a hit of a kernel, and reports those of the
// hits that solve the puzzle.
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

// hash returns the hash values that the tails of a piece follow. The kernel hashes
// them for a whole run of values at once.
func (w *worker) hash(k *asm.Kernel, p *piece) *asm.States {
	if w.hashedBy != k || w.hashed != p.serial {
		w.hashedBy, w.hashed = k, p.serial
		words := &w.padded
		n := copy(words[:], p.run)
		groups := (n + asm.MaxStates - 1) / asm.MaxStates
		for i := n; i < groups*asm.MaxStates; i++ {
			words[i] = words[n-1] // what is found for it is found twice
		}
		k.Hash(&w.walk.block, words[:groups*asm.MaxStates], w.states[:groups])
	}
	return &w.states[p.group]
}

// look looks at the context now and then, and lets other goroutines run. It returns
// false if the context has ended or it is time to leave the loop.
func (w *worker) look(ctx context.Context, k *asm.Kernel) bool {
	hashes := w.hashes.Load()
	if hashes-w.looked.hashes < uint64(k.MaxScan)/2 && w.candidates == w.looked.candidates {
		return true
	}
	w.looked.hashes, w.looked.candidates = hashes, w.candidates // which take time too
	if err := ended(ctx); err != nil {
		w.search.fail(err)
		return false
	}
	w.yield(monotonic())
	return w.until.IsZero() || w.search.registry.now().Before(w.until)
}

// working counts the workers of this process that run.
var working atomic.Int64

// yieldEvery is how often a worker lets other goroutines run. It is the most that
// they have to wait for a processor, besides the time of a piece.
const yieldEvery = 250 * time.Microsecond

// yield lets other goroutines run if that is due and the workers of this process have
// all processors. Where one is left, others run there: yielding would only wake it,
// which takes as long as hundreds of hashes.
func (w *worker) yield(now time.Time) {
	if now.Sub(w.yielded) < yieldEvery {
		return
	}
	w.yielded = now
	if working.Load() >= w.search.processors {
		w.search.registry.yield()
	}
}
