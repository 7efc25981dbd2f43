package solver

import (
	"math"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// The kinds of layout for which a kernel is chosen: kernels differ in what a
// block that follows costs them.
const kinds = 4

// gridKind is the kind of layout whose chunks are searched together.
const gridKind = 3

// kind is 0 if no block follows the one that varies, 1 if one does that is the
// same for all nonces, 2 if it has digits of them, and gridKind.
func (l layout) kind() int {
	switch {
	case l.lanes > 0:
		return gridKind
	case !l.tail():
		return 0
	case l.tails == 0:
		return 1
	}
	return 2
}

// What a trial takes: a slice of time for each kernel in each round, which is a
// millisecond or two in total. The first round is for getting to know how many
// words make a slice.
const (
	trialRounds   = 6
	trialSlice    = 50 * time.Microsecond
	trialMinWords = 64 // or asm.MaxStates, where a block follows
	trialMaxWords = 4096
	trialMinChunk = 900 // smaller chunks do not show what a kernel can do

	// trialAfter is how many hashes a worker tries before. A search that ends
	// sooner is not worth the self-tests of all kernels, which take milliseconds.
	trialAfter = 4096
)

// A trial measures kernels in turn, on pieces of chunks that one worker has to
// search anyway. It belongs to that worker.
type trial struct {
	now     func() time.Time
	kind    int
	kernels []*asm.Kernel
	best    []float64 // the shortest time for one hash, in ns, by kernel
	turn    int       // pieces so far
}

// next returns the kernel for the next piece, and how many words that has.
func (t *trial) next() (k *asm.Kernel, words int) {
	i := t.turn % len(t.kernels)
	words = trialMaxWords
	switch n := float64(trialSlice.Nanoseconds()) / t.best[i]; {
	case n < trialMinWords: // not known yet, or slow
		words = trialMinWords
	case n < trialMaxWords:
		words = int(n)
	}
	return t.kernels[i], min(words, t.kernels[i].MaxScan)
}

// record takes the time for a piece. It returns true if it was the last one.
func (t *trial) record(hashes uint64, elapsed time.Duration) bool {
	i := t.turn % len(t.kernels)
	t.best[i] = min(t.best[i], float64(elapsed.Nanoseconds())/float64(hashes))
	t.turn++
	return t.turn == trialRounds*len(t.kernels)
}

// startTrial returns a trial for a kind of layout, or the kernel that is chosen
// for it without one. Both are nil if a trial is under way elsewhere.
func (r *registry) startTrial(kind int) (*trial, *asm.Kernel) {
	r.mu.Lock()
	chosen, busy := r.chosen[kind], r.measuring
	r.measuring = busy || chosen == nil
	r.mu.Unlock()
	if chosen != nil || busy {
		return nil, chosen
	}
	t := &trial{now: r.now, kind: kind, kernels: r.contenders()}
	for range t.kernels {
		t.best = append(t.best, math.Inf(1))
	}
	switch len(t.kernels) {
	case 0: // after a fault, if the kernel that is left fails its self-test
		r.endTrial()
		return nil, nil
	case 1:
		return nil, r.finish(t)
	}
	return t, nil
}

// endTrial gives up a trial. Another one may start.
func (r *registry) endTrial() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measuring = false
}

// finish ends a trial and remembers the fastest kernel, the first of the table
// if several are. It returns nil if there was a fault meanwhile.
func (r *registry) finish(t *trial) *asm.Kernel {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measuring = false
	best := t.kernels[slices.Index(t.best, slices.Min(t.best))]
	if r.entry(best).fault != nil {
		return nil
	}
	r.chosen[t.kind] = best
	return best
}

// choose does a worker's part in choosing the kernel for the segment it is at:
// it takes over what was chosen elsewhere, or starts a trial if nobody else
// does one.
func (w *worker) choose(seg *segment) {
	s, kind := w.search, seg.kind()
	suits := s.open[kind].Load() && seg.size()*seg.together() >= trialMinChunk && w.hashes.Load() >= trialAfter
	if suits && w.trial != nil && w.trial.kind == kind {
		return
	}
	w.giveUpTrial()
	if !suits {
		return
	}
	t, chosen := s.registry.startTrial(kind)
	w.trial = t
	s.settle(kind, chosen)
}

// settle makes a kernel the one that all workers use for a kind of layout,
// unless it is nil.
func (s *search) settle(kind int, k *asm.Kernel) {
	if k != nil {
		s.kernels[kind].Store(k)
		s.open[kind].Store(false)
	}
}

func (w *worker) giveUpTrial() {
	if w.trial != nil {
		w.trial = nil
		w.search.registry.endTrial()
	}
}

// piece returns the kernel for the next piece of a chunk, of which so many hashes
// are left, and how many hashes the piece may have. If the piece is measured, the
// kernel is the one whose turn it is.
func (w *worker) piece(kind int, left uint64) (k *asm.Kernel, hashes uint64) {
	least := uint64(trialMinWords)
	if kind == 1 || kind == 2 {
		least = asm.MaxStates
	}
	if w.trial == nil || w.trial.kind != kind || left < least {
		k = w.search.kernels[kind].Load()
		return k, uint64(k.MaxScan)
	}
	k, words := w.trial.next()
	w.hashed.by = nil // all kernels begin alike
	w.before, w.began = w.hashes.Load(), w.trial.now()
	return k, uint64(words)
}

// record has the trial record the time for a piece, if it was measured.
func (w *worker) record() {
	if w.began.IsZero() {
		return
	}
	t := w.trial
	elapsed, hashes := t.now().Sub(w.began), w.hashes.Load()-w.before
	w.began = time.Time{}
	switch {
	case hashes == 0: // a fault
		w.giveUpTrial()
	case w.hit: // which takes time of its own
	case t.record(hashes, elapsed):
		w.trial = nil
		w.search.settle(t.kind, w.search.registry.finish(t))
	}
}
