package solver

import (
	"context"
	"crypto/sha256"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// A search is one call of Solve or All: the plan, and what its workers share.
type search struct {
	start      time.Time
	puzzle     Puzzle
	mid        midstate
	space      space
	plan       plan
	sequential bool
	registry   *registry
	asked      *asm.Kernel // nil if the choice is free
	workers    []worker

	calls  sync.Mutex          // guards what follows: one call of found at a time
	found  func(Solution) bool // of All; nil if one solution is wanted
	enough bool                // whether found has returned false
	told   []uint64            // the nonces that found has seen
	again  []uint64            // those of them that a search anew will find again, in order

	kernels [kinds]atomic.Pointer[asm.Kernel] // in use, by kind of layout
	open    [kinds]atomic.Bool                // whether the choice is yet to be made
	stop    atomic.Bool                       // everybody is to stop
	beyond  atomic.Uint64                     // in sequential order: larger nonces are not wanted

	mu       sync.Mutex // guards what follows
	segment  int        // being handed out, an index into plan
	chunk    uint64     // next to hand out
	end      uint64     // of the chunks of the segment
	solution *Solution  // the best so far: Nonce, Hash and Backend
	err      error      // of the context, if it ended
	fault    *KernelFault
	void     bool // whether a kernel was caught, so that nothing it did not find counts
}

// equip gives a search its kernels.
func (s *search) equip() error {
	for kind := range s.kernels {
		k, chosen := s.asked, true
		if k == nil || !s.registry.works(k) {
			var err error
			if k, chosen, err = s.registry.pick(kind); err != nil {
				return err
			}
		}
		s.kernels[kind].Store(k)
		s.open[kind].Store(!chosen)
	}
	return nil
}

// begin makes a segment of the plan the one that is handed out.
func (s *search) begin(segment int) {
	s.segment = segment
	if segment < len(s.plan) {
		s.chunk, s.end = s.plan[segment].chunks()
	}
}

// claim hands out the next chunks to search, the last excluded.
func (s *search) claim() (seg *segment, from, to uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.segment < len(s.plan) && s.chunk == s.end {
		s.begin(s.segment + 1)
	}
	if s.segment == len(s.plan) {
		return nil, 0, 0, false
	}
	seg = &s.plan[s.segment]
	const grain = 8192 // nonces at a time, where chunks are smaller
	from = s.chunk
	s.chunk = seg.part(from, s.end, grain)
	return seg, from, s.chunk, true
}

// check hashes a nonce that a kernel found. It returns false if crypto/sha256
// contradicts the kernel: the first word of the digest does not meet the target.
// Then the search stops, to begin anew without that kernel.
func (s *search) check(k *asm.Kernel, nonce uint64) (digest [sha256.Size]byte, ok bool) {
	digest = s.puzzle.Hash(nonce)
	if leadingZeros(digest) >= min(s.puzzle.Bits, 32) {
		return digest, true
	}
	fault := &KernelFault{Backend: k.Name, Nonce: nonce}
	if !s.registry.disable(k, fault) {
		return digest, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = fault
	}
	s.void = true
	s.stop.Store(true)
	return digest, false
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
	if s.sequential {
		s.beyond.Store(s.solution.Nonce)
	} else {
		s.stop.Store(true)
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
func (s *search) hashes() (n uint64) {
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

// stopped returns the error of a context that ended. The runtime's timers are
// late when all processors are busy, so it looks at the clock as well.
func stopped(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// stopped returns the error for a context that ended with err.
func (s *search) stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		// The clock says so; the timer, which brings the cause, is due.
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Microsecond):
		}
	}
	stopped := &StoppedError{Hashes: s.hashes(), Elapsed: time.Since(s.start), Err: err, Cause: err}
	if cause := context.Cause(ctx); cause != nil {
		stopped.Cause = cause
	}
	return stopped
}

// run searches until all workers have stopped. Meanwhile it tells of progress.
// The error is not the context's.
func (s *search) run(ctx context.Context, o Options) (err error) {
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
// kernel that is caught: what it has searched may hold solutions that it missed.
// Each attempt has one kernel less to use, and the last kernel is never caught.
func (s *search) attempts(ctx context.Context) error {
	for {
		var running sync.WaitGroup
		for i := range s.workers {
			w := &s.workers[i]
			running.Go(func() { w.run(ctx) })
		}
		running.Wait()
		solved := s.enough || s.solution != nil && !s.sequential
		if !s.void || solved || s.err != nil {
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
	if err := s.equip(); err != nil {
		return err
	}
	s.void = false
	s.stop.Store(false)
	s.again = slices.Clone(s.told)
	slices.Sort(s.again)
	s.plan = newPlan(s.space, *s.kernels[0].Load())
	s.begin(0)
	for i := range s.workers {
		s.workers[i].reset()
	}
	return nil
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

// A worker searches chunks until none are left or the search stops.
type worker struct {
	search *search
	cursor cursor
	hashes atomic.Uint64 // nonces tried; written by the worker only
	looked uint64        // value of hashes when it last looked at the context
	hit    bool          // whether it has looked at a hit since

	trial  *trial    // not nil while it measures kernels
	began  time.Time // of the piece that is measured; zero if none is
	before uint64    // value of hashes then

	hashed hashed
	_      [64]byte // keeps the counters of two workers out of one cache line
}

// reset forgets what the worker has searched.
func (w *worker) reset() {
	w.hashes.Store(0)
	w.looked, w.hit, w.began = 0, false, time.Time{}
	w.cursor.seg, w.hashed.by = nil, nil
}

func (w *worker) run(ctx context.Context) {
	c := &w.cursor
	defer w.giveUpTrial()
	for {
		seg, from, to, ok := w.search.claim()
		if !ok {
			return
		}
		w.choose(seg)
		if seg != c.seg {
			c.enter(&w.search.mid, seg, w.search.puzzle.Bits)
		}
		c.seek(from)
		if !w.searchChunks(ctx, from, to) {
			return
		}
	}
}

// searchChunks searches the chunks from to to. It returns false if the worker is to
// stop.
func (w *worker) searchChunks(ctx context.Context, from, to uint64) bool {
	c := &w.cursor
	for number := from; number < to; {
		c.walk(number)
		if base, first, last, ok := c.seg.grid(number, to); ok {
			c.setGrid()
			if !w.searchGrid(ctx, base, first, last) {
				return false
			}
			number += asm.GridLanes
			continue
		}
		if !w.searchChunk(ctx, number) {
			return false
		}
		number++
	}
	return true
}

// searchGrid searches the grid that the cursor has set, for inner values first to
// last. It returns false if the worker is to stop.
func (w *worker) searchGrid(ctx context.Context, base, first, last uint64) bool {
	seg := w.cursor.seg
	for first < last {
		if !w.wanted(base + first*seg.step()) {
			return false
		}
		k, hashes := w.piece(gridKind, asm.GridLanes*(last-first))
		first = w.scanGrid(k, base, first, min(last, first+max(1, hashes/asm.GridLanes)))
		if !w.look(ctx, k) {
			return false
		}
	}
	return true
}

// searchChunk searches the chunk that the cursor is at. It returns false if the
// worker is to stop.
func (w *worker) searchChunk(ctx context.Context, number uint64) bool {
	seg := w.cursor.seg
	base, first, last := seg.chunk(number)
	if seg.tail() {
		return w.searchTails(ctx, base, first, last)
	}
	for first < last {
		if !w.wanted(base + first*seg.step()) {
			return false
		}
		k, hashes := w.piece(0, last-first)
		first = w.scan(k, base, first, min(last, first+hashes))
		if !w.look(ctx, k) {
			return false
		}
	}
	return true
}

// wanted reports whether a nonce, and those after it, are still to be searched.
func (w *worker) wanted(nonce uint64) bool {
	return !w.search.stop.Load() && nonce <= w.search.beyond.Load()
}

// look looks at the context now and then, after a piece of a chunk. It returns
// false if the context has ended.
func (w *worker) look(ctx context.Context, k *asm.Kernel) bool {
	w.record()
	hashes := w.hashes.Load()
	if !w.hit && hashes-w.looked < uint64(k.MaxScan)/2 {
		return true
	}
	w.looked, w.hit = hashes, false
	if err := stopped(ctx); err != nil {
		w.search.fail(err)
		return false
	}
	runtime.Gosched() // all processors may be searching; let others run
	return true
}

// scan calls the kernel once, for the inner values first to last, and returns
// the inner value to go on with.
func (w *worker) scan(k *asm.Kernel, base, first, last uint64) uint64 {
	c := &w.cursor
	words := c.words[first:last]
	i := k.Scan(&c.block, words)
	if i < 0 {
		w.hashes.Add(uint64(len(words)))
		return last
	}
	w.hit = true             // which took time
	i = min(i, len(words)-1) // a fault, which check will notice
	nonce := base + (first+uint64(i))*c.seg.step()
	digest, ok := w.search.check(k, nonce)
	if !ok {
		return last // the search stops
	}
	w.hashes.Add(uint64(i) + 1)
	w.search.report(k, nonce, digest)
	return first + uint64(i) + 1
}

// scanGrid calls the kernel once, for the inner values first to last of chunks that
// are searched together, and returns the inner value to go on with.
func (w *worker) scanGrid(k *asm.Kernel, base, first, last uint64) uint64 {
	c := &w.cursor
	words := c.words[first:last]
	i := k.ScanGrid(&c.grid, words)
	if i < 0 {
		w.hashes.Add(asm.GridLanes * uint64(len(words)))
		return last
	}
	i = min(i, len(words)-1) // a fault, which check will notice
	nonce := base + (first+uint64(i))*c.seg.step()
	// The kernel does not say which of the chunks have hits.
	var hits []uint64
	for lane := range c.grid.Lanes {
		if c.gridFirstWord(words[i], lane)&c.grid.Mask == 0 {
			hits = append(hits, nonce+uint64(lane)*c.seg.stride())
		}
	}
	if !w.reportHits(k, nonce, hits, asm.GridLanes*uint64(i+1)) {
		return last // the search stops
	}
	return first + uint64(i) + 1
}

// reportHits counts the nonces tried up to a hit of a kernel that does not say which
// of several nonces it is, and reports those that are. If none is, and the kernel is
// caught, it returns false; nonce is any of them.
func (w *worker) reportHits(k *asm.Kernel, nonce uint64, hits []uint64, tried uint64) bool {
	w.hit = true // which took time
	if len(hits) == 0 {
		if _, ok := w.search.check(k, nonce); !ok {
			return false
		}
	}
	w.hashes.Add(tried)
	for _, hit := range hits {
		if digest, ok := w.search.check(k, hit); ok {
			w.search.report(k, hit, digest)
		}
	}
	return true
}
