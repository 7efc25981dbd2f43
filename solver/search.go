package solver

import (
	"context"
	"crypto/sha256"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// A search is one call of Solve or All: the plan, and what its workers share.
type search struct {
	start    time.Time
	puzzle   Puzzle
	mid      midstate
	plan     plan
	registry *registry
	asked    *asm.Kernel // nil if the choice is free
	workers  []worker
	easy     uint64 // nonces that were tried before the workers began

	processors int64 // how many there are
	endless    bool  // whether to begin again at the end of the plan

	calls  sync.Mutex          // guards what follows: one call of found at a time
	found  func(Solution) bool // of All; nil if one solution is wanted
	enough bool                // whether found has returned false
	told   []uint64            // the nonces that found has seen
	again  []uint64            // those of them that this attempt will find again, in order

	kernels [kinds]atomic.Pointer[asm.Kernel] // in use, by kind of layout
	open    [kinds]atomic.Bool                // whether the choice is yet to be made
	faults  atomic.Int64                      // of the registry, when this search last inspected its kernels
	stop    atomic.Bool                       // everybody is to stop
	beyond  atomic.Uint64                     // larger nonces are not wanted

	mu       sync.Mutex    // guards what follows
	segment  int           // being handed out, an index into plan.segments
	row, end uint64        // the rows of it that come next
	used     []*asm.Kernel // kernels of this attempt
	solution *Solution     // the best so far: Nonce, Hash and Backend
	err      error         // of the context, if it ended
	fault    *KernelFault  // the first
	void     bool          // whether a kernel that was used has been disabled
}

// begin makes a segment of the plan the one that is handed out.
func (s *search) begin(segment int) {
	if s.segment = segment; segment < len(s.plan.segments) {
		s.row, s.end = s.plan.segments[segment].rows()
	}
}

// claim hands out the next rows to search, the last excluded.
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
		return nil, 0, 0, false // nor are any that come later
	}
	const grain = 8192 // nonces at a time, where rows are smaller
	from = s.row
	s.row += min(s.end-from, max(1, grain/seg.rowSize()))
	return seg, from, s.row, true
}

// check hashes a nonce that a kernel found. It returns false if crypto/sha256
// contradicts the kernel: the first word of the digest does not meet the target.
// Then the search stops, to begin anew without that kernel.
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

// use notes that a worker is about to use a kernel. It returns false if the kernel
// has been disabled.
func (s *search) use(k *asm.Kernel) bool {
	s.mu.Lock()
	if !slices.Contains(s.used, k) {
		s.used = append(s.used, k)
	}
	s.mu.Unlock()
	return s.inspect()
}

// inspect stops the search if one of its kernels has been disabled, by this search
// or by another. It returns false then.
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

// report takes a nonce that a kernel found, and its digest.
func (s *search) report(k *asm.Kernel, nonce uint64, digest [sha256.Size]byte) {
	if leadingZeros(digest) < s.puzzle.Bits {
		return // a kernel looks at 32 bits only
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

// deliver hands a solution to the caller of All, who may have had enough.
func (s *search) deliver(solution Solution) {
	s.mu.Lock()
	solution.Fault = s.fault
	s.mu.Unlock()
	s.calls.Lock()
	defer s.calls.Unlock()
	if _, told := slices.BinarySearch(s.again, solution.Nonce); told || s.enough {
		return
	}
	s.told = append(s.told, solution.Nonce)
	solution.Hashes, solution.Workers = s.hashes(), len(s.workers)
	solution.Elapsed = time.Since(s.start)
	if !s.found(solution) {
		s.enough = true
		s.stop.Store(true)
	}
}

// hashes counts the nonces tried so far.
func (s *search) hashes() uint64 {
	n := s.easy
	for i := range s.workers {
		n += s.workers[i].hashes.Load()
	}
	return n
}

// fail stops the search because the context ended.
func (s *search) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.stop.Store(true)
}

// run searches until all workers have stopped. Meanwhile it tells of progress.
// The error is not the context's.
func (s *search) run(ctx context.Context, o Options) (err error) {
	s.processors = int64(runtime.GOMAXPROCS(0))
	s.workers = make([]worker, o.workers())
	for i := range s.workers {
		s.workers[i].search = s
	}
	if o.Progress == nil {
		return s.attempts(ctx)
	}
	all := s.plan.nonces()
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = s.attempts(ctx)
	}()
	ticker := time.NewTicker(o.ProgressInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			o.Progress(s.progress(all))
		case <-done:
			return err
		}
	}
}

// attempts has the workers search, and search everything again without each
// kernel that is disabled: what it has searched may hold solutions that it missed.
// Each attempt has one kernel less to use, and the last kernel is never caught.
func (s *search) attempts(ctx context.Context) error {
	for {
		s.begin(0)
		var running sync.WaitGroup
		for i := range s.workers {
			w := &s.workers[i]
			running.Go(func() { w.run(ctx) })
		}
		running.Wait()
		solved := s.enough || s.solution != nil && s.plan.space.order == cheapestFirst
		if solved || s.err != nil || s.inspect() {
			return nil
		}
		if err := s.restart(); err != nil {
			return err
		}
	}
}

// restart prepares for another attempt. Nothing of the last one counts but the
// solutions: crypto/sha256 has confirmed them.
func (s *search) restart() error {
	kernels, err := s.equip()
	if err != nil {
		return err
	}
	s.plan.segments = newPlan(s.plan.space, kernels).segments
	s.void, s.used = false, nil
	s.stop.Store(false)
	s.again = slices.Clone(s.told)
	slices.Sort(s.again)
	for i := range s.workers {
		s.workers[i].reset()
	}
	return nil
}

// equip gives the search its kernels.
func (s *search) equip() (kernels lineup, err error) {
	for i := range kernels {
		k, chosen := s.asked, true
		if k == nil || s.registry.fault(k) != nil {
			if k, chosen, err = s.registry.pick(kind(i)); err != nil {
				return kernels, err
			}
		}
		kernels[i] = s.registry.contender(k)
		s.kernels[i].Store(k)
		s.open[i].Store(!chosen)
	}
	return kernels, nil
}

// settle makes a kernel the one that all workers use for a kind of layout, unless it
// is nil.
func (s *search) settle(kind kind, k *asm.Kernel) {
	if k != nil {
		s.kernels[kind].Store(k)
		s.open[kind].Store(false)
	}
}

// progress says how far a search of so many nonces has got.
func (s *search) progress(all float64) Progress {
	hashes := s.hashes()
	left := all - float64(hashes)
	p := newProgress(odds{s.puzzle.Bits}, hashes, time.Since(s.start), left)
	if s.found != nil && p.HashRate > 0 {
		p.Remaining = duration(left / p.HashRate)
	}
	return p
}
