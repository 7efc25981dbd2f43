package solver

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// Which kernel is the fastest is found in two steps. A first look, before the first
// search of the process, takes each kernel a few microseconds. The fastest begins.
// Those that come near it are then tried by a worker in turn, on pieces that have to
// be searched anyway.

// lookWord is the word that varies in the first look.
const lookWord = 10

const (
	near = 1.5 // kernels that take longer than the fastest by this factor get no trial
	far  = 4   // kernels that take longer than the last one by this factor are hopeless
)

// look takes the first look at a kernel that the CPU can run, if that has not been
// done. The caller holds r.mu.
func (r *registry) look(e *entry) {
	if e.look > 0 {
		return
	}
	last := &r.entries[len(r.entries)-1]
	if e != last {
		r.look(last)
	}
	e.look = math.Inf(1)
	for n := range 5 {
		count := e.kernel.Lanes
		if n >= 2 {
			count = min(8*count, 128)
		}
		e.look = min(e.look, r.time(e.kernel, count))
		if e.look > far*last.look && (n > 0 || e.look > far*far*last.look) { // caches are cold at first
			break
		}
	}
	// A kernel far slower than the one that runs everywhere gets short scans: on some
	// CPUs SHA-NI and AVX2 cost a hundred times as much side by side as each alone.
	if e.slow = e.look > far*last.look; e.slow {
		e.kernel.MaxScan = 8 * e.kernel.Lanes
	}
}

// time returns how long a kernel takes for each of so many hashes, in ns.
func (r *registry) time(k *asm.Kernel, count int) float64 {
	b := &asm.Block{State: asm.IV, Vary: lookWord, Mask: ^uint32(0)}
	for i := range b.Words {
		b.Words[i] = asm.IV[i%8] * uint32(2*i+1) // CPUs may be faster with zeros
	}
	b.Words[lookWord] = 0
	b.Prepare(0)
	words := make([]uint32, count)
	for i := range words {
		words[i] = uint32(i) * 0x01010101
	}
	start := r.now()
	k.Scan(b, words)
	const least = 0.1 // the clock may be coarse
	return max(least, float64(r.now().Sub(start).Nanoseconds())/float64(count))
}

// contenders returns the kernels that may be the fastest, in the order of the first
// look. The caller holds r.mu.
func (r *registry) contenders() (list []*entry) {
	for i := range r.entries {
		if e := &r.entries[i]; e.usable() {
			r.look(e)
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b *entry) int { return cmp.Compare(a.look, b.look) })
	for i, e := range list {
		if e.look > near*list[0].look {
			return list[:i]
		}
	}
	return list
}

// What a trial takes: a slice of time for each kernel in each round.
const (
	trialRounds    = 6
	trialSlice     = 25 * time.Microsecond
	trialMinHashes = 32
	trialMaxHashes = 2048
	trialMinRow    = 900 // smaller rows do not show what a kernel can do

	// trialAfter is how many hashes a worker tries before. A search that ends
	// sooner is not worth the self-tests of more kernels.
	trialAfter = 4096

	// Kernels that are slower than the fastest by this factor after so many rounds
	// take no part in the others.
	trialEarly  = 2
	trialBehind = 1.15
)

// A trial measures kernels in turn on one kind of layout. It belongs to one worker at
// a time.
type trial struct {
	now     func() time.Time
	kind    kind
	kernels []tried
	round   int // rounds that are over
	turn    int // whose turn it is

	began  time.Time // when the turn at hand began; zero if none has
	size   uint64    // how many hashes it has
	hashes uint64    // and how many of them have been tried
}

// A tried is a kernel in a trial.
type tried struct {
	*asm.Kernel
	least float64 // the shortest time for one hash, in ns; at first, that of the first look
}

// next returns the kernel whose turn it is, and the most hashes for its next piece.
func (t *trial) next() (k *asm.Kernel, most uint64) {
	current := t.kernels[t.turn]
	if t.began.IsZero() {
		slice := float64(trialSlice.Nanoseconds()) / current.least
		t.size = uint64(min(max(trialMinHashes, slice), trialMaxHashes))
		t.began, t.hashes = t.now(), 0
	}
	return current.Kernel, min(t.size-t.hashes, uint64(current.MaxScan))
}

// record takes the hashes of a piece. It returns true if the trial is over.
func (t *trial) record(hashes uint64) bool {
	if t.hashes += hashes; t.hashes < t.size {
		return false
	}
	current := &t.kernels[t.turn]
	elapsed := float64(t.now().Sub(t.began).Nanoseconds()) / float64(t.hashes)
	if t.round == 0 || elapsed < current.least {
		current.least = elapsed
	}
	t.interrupt()
	if t.turn++; t.turn == len(t.kernels) {
		t.turn = 0
		if t.round++; t.round >= trialEarly {
			behind := trialBehind * t.fastest().least
			t.kernels = slices.DeleteFunc(t.kernels, func(k tried) bool { return k.least > behind })
		}
	}
	return t.over()
}

// interrupt has the turn at hand begin again.
func (t *trial) interrupt() { t.began = time.Time{} }

func (t *trial) over() bool { return t.round == trialRounds || len(t.kernels) == 1 }

// fastest returns the kernel with the shortest time, the first of several.
func (t *trial) fastest() tried {
	return slices.MinFunc(t.kernels, func(a, b tried) int { return cmp.Compare(a.least, b.least) })
}

// startTrial returns a trial for a kind of layout in which a word varies, or the kernel
// that is chosen for it without one. Both are nil if a trial is under way elsewhere, or
// no kernel works.
func (r *registry) startTrial(kind kind, word int) (*trial, *asm.Kernel) {
	if !r.busy.CompareAndSwap(false, true) {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.trials[kind]
	if t == nil && r.chosen[kind] == nil {
		t = r.newTrial(kind, word)
	}
	if t == nil {
		r.busy.Store(false)
		return nil, r.chosen[kind]
	}
	r.trials[kind] = t
	return t, nil
}

// newTrial returns a trial, or nil if there are not several kernels to try. The caller
// holds r.mu.
func (r *registry) newTrial(kind kind, word int) *trial {
	t := &trial{now: r.now, kind: kind}
	list := r.contenders()
	for _, e := range list {
		r.test(e, kind, word)
	}
	if list = slices.DeleteFunc(list, func(e *entry) bool { return e.fault != nil }); len(list) < 2 {
		if len(list) == 1 {
			r.chosen[kind] = list[0].kernel
		}
		return nil
	}
	for _, e := range list {
		t.kernels = append(t.kernels, tried{e.kernel, e.look})
	}
	return t
}

// endTrial gives up a trial, or ends it if it is over, and remembers the fastest
// kernel then, which it returns unless there was a fault meanwhile.
func (r *registry) endTrial(t *trial) *asm.Kernel {
	t.interrupt()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.busy.Store(false)
	if !t.over() || r.trials[t.kind] != t {
		return nil
	}
	r.trials[t.kind] = nil
	r.chosen[t.kind] = t.fastest().Kernel
	return r.chosen[t.kind]
}

// choose does a worker's part in choosing the kernel for the kind of its segment: it
// takes over what was chosen elsewhere, or starts a trial if nobody else does one.
func (w *worker) choose() {
	s, seg := w.search, w.walk.seg
	if w.trial == nil && seg.size()*seg.together() >= trialMinRow && w.hashes.Load() >= trialAfter {
		var chosen *asm.Kernel
		w.trial, chosen = s.registry.startTrial(seg.kind(), seg.word())
		s.settle(seg.kind(), chosen)
	}
}

// settle makes a kernel the one that all workers use for a kind of layout, unless it
// is nil.
func (s *search) settle(kind kind, k *asm.Kernel) {
	if k != nil {
		s.kernels[kind].Store(k)
		s.open[kind].Store(false)
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
