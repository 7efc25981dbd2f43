package solver

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// A search is one call of Solve: the plan, and what its workers share.
type search struct {
	puzzle     Puzzle
	mid        midstate
	plan       plan
	sequential bool
	registry   *registry

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
	s.chunk = from + min(max(1, grain/pow10[seg.count]), s.end-from)
	return seg, from, s.chunk, true
}

// report takes a nonce that a kernel found. It returns false if the kernel was
// wrong that the first word of the digest meets the target. Then another one has
// taken its place, until the choice is made again among those that are left.
func (s *search) report(k *asm.Kernel, nonce uint64) bool {
	digest := s.puzzle.Hash(nonce)
	zeros := leadingZeros(digest)
	if zeros < min(s.puzzle.Bits, 32) {
		fault := &KernelFault{Backend: k.Name, Nonce: nonce}
		if other := s.registry.replace(k, fault); other != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.fault == nil {
				s.fault = fault
			}
			for kind := range s.kernels {
				if s.kernels[kind].CompareAndSwap(k, other) {
					s.open[kind].Store(true)
				}
			}
			return false
		}
	}
	if zeros < s.puzzle.Bits {
		return true // a kernel looks at 32 bits only
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
	return true
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

// run searches with so many workers until they have stopped, and returns the
// number of nonces tried. Meanwhile it calls progress, unless that is nil, with
// the number so far.
func (s *search) run(ctx context.Context, workers int, interval time.Duration, progress func(hashes uint64)) uint64 {
	all := make([]worker, workers)
	var running sync.WaitGroup
	for i := range all {
		all[i].search = s
		running.Go(func() { all[i].run(ctx) })
	}
	total := func() (hashes uint64) {
		for i := range all {
			hashes += all[i].hashes.Load()
		}
		return hashes
	}
	if progress != nil {
		done := make(chan struct{})
		go func() {
			running.Wait()
			close(done)
		}()
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for searching := true; searching; {
			select {
			case <-ticker.C:
				progress(total())
			case <-done:
				searching = false
			}
		}
	}
	running.Wait()
	return total()
}

// A worker searches chunks until none are left or the search stops.
type worker struct {
	search *search
	cursor cursor
	hashes atomic.Uint64 // nonces tried; written by the worker only
	looked uint64        // value of hashes when it last looked at the context
	trial  *trial        // not nil while it measures kernels
	_      [64]byte      // keeps the counters of two workers out of one cache line
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
		for number := from; number < to; number++ {
			if number > from {
				c.next()
			}
			if !w.searchChunk(ctx, number) {
				return
			}
		}
	}
}

// searchChunk searches the chunk that the cursor is at. It returns false if the
// worker is to stop.
func (w *worker) searchChunk(ctx context.Context, number uint64) bool {
	s, seg := w.search, w.cursor.seg
	base, first, last := seg.chunk(number)
	for first < last {
		if s.stop.Load() || base+first*seg.step() > s.beyond.Load() {
			return false
		}
		k := s.kernels[seg.kind()].Load()
		if w.trial != nil && last-first >= trialMinWords {
			first = w.measure(base, first, last)
		} else {
			first = w.scan(k, base, first, min(last, first+uint64(k.MaxScan)))
		}

		if hashes := w.hashes.Load(); hashes-w.looked >= uint64(k.MaxScan)/2 {
			w.looked = hashes
			if err := stopped(ctx); err != nil {
				s.fail(err)
				return false
			}
			runtime.Gosched() // all processors may be searching; let others run
		}
	}
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
	i = min(i, len(words)-1) // a fault, which report will notice
	if !w.search.report(k, base+(first+uint64(i))*c.seg.step()) {
		return first // to be searched again, by another kernel
	}
	w.hashes.Add(uint64(i) + 1)
	return first + uint64(i) + 1
}
