package solver

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// run searches until all workers have stopped, and reports progress meanwhile. A context error goes
// to s.err instead of the result.
func (s *search) run(ctx context.Context, o Options) (err error) {
	s.processors = int64(runtime.GOMAXPROCS(0))
	s.workers = make([]*worker, o.workers())
	for i := range s.workers {
		s.workers[i] = idleWorkers.Get().(*worker)
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
	defer func() { // also if Progress panics
		s.stop.Store(true)
		<-done
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

// attempts runs the workers over the whole plan. Each time a kernel is disabled, attempts starts
// over without it, since that kernel may have missed solutions. The last kernel is never disabled,
// so the loop ends.
func (s *search) attempts(ctx context.Context) error {
	for {
		s.begin(0)
		var running sync.WaitGroup
		for _, w := range s.workers {
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

// restart prepares another attempt. It keeps the solutions, which crypto/sha256 has verified, and
// discards everything else.
func (s *search) restart() error {
	kernels, err := s.equip()
	if err != nil {
		return err
	}
	s.plan.segments = newPlan(s.plan.space, kernels).segments
	s.void, s.used = false, nil
	s.stop.Store(false)
	s.deliveredBefore = slices.Clone(s.delivered)
	slices.Sort(s.deliveredBefore)
	for _, w := range s.workers {
		w.reset()
	}
	return nil
}

// equip sets the kernel for each kind of layout, and returns them with their speeds.
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
		s.undecided[i].Store(!chosen)
	}
	return kernels, nil
}

// progress returns the progress of a search of all nonces of the plan.
func (s *search) progress(all float64) Progress {
	hashes := s.hashes()
	left := all - float64(hashes)
	p := newProgress(odds{s.puzzle.Bits}, hashes, time.Since(s.start), left)
	if s.found != nil && p.HashRate > 0 {
		p.Remaining = duration(left / p.HashRate)
	}
	return p
}

// release hands the workers back when the search is over and its hashes are counted.
func (s *search) release() {
	for _, w := range s.workers {
		*w = worker{}
		idleWorkers.Put(w)
	}
	s.workers = nil
}
