package solver

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// What it takes to measure a kernel: slices of time in turn with the other
// kernels, so that what disturbs the machine disturbs all of them. They are
// shorter than an operating system's, so that most are not interrupted.
const (
	measureRounds = 31
	measureSlice  = 500 * time.Microsecond
)

// MeasureBackends lists the kernels as Backends does, with the rate of each that
// can be used, on one thread and for a salt of 32 characters, and with the one
// to use by these rates. It takes about 20 ms for each kernel. Errors are the
// context's, and those of a GKPOW_BACKEND that cannot be used.
func MeasureBackends(ctx context.Context) ([]Backend, error) { return kernels.measureBackends(ctx) }

func (r *registry) measureBackends(ctx context.Context) ([]Backend, error) {
	asked, why, err := r.ask("")
	if err != nil {
		return nil, err
	}
	candidates := r.usable()
	rates, err := r.measure(ctx, candidates, Options{}, Puzzle{Prefix: make([]byte, 32+1), Bits: 24})
	if err != nil {
		return nil, err
	}
	list := r.backends()
	if len(candidates) == 0 {
		return list, nil
	}
	chosen := asked
	if chosen == nil {
		chosen, _, why = fastest(candidates, rates)
	}
	for i := range list {
		for j, k := range candidates {
			if list[i].Name == k.Name {
				list[i].HashRate = rates[j]
			}
		}
		if list[i].Name == chosen.Name {
			list[i].Chosen, list[i].Why = true, why
		}
	}
	return list, nil
}

// fastest returns the kernel with the highest rate, the rate, and why it is to
// be used.
func fastest(candidates []*asm.Kernel, rates []float64) (k *asm.Kernel, rate float64, why string) {
	rate, why = slices.Max(rates), "the fastest measured"
	if len(candidates) == 1 {
		why = "the only one usable"
	}
	return candidates[slices.Index(rates, rate)], rate, why
}

// measure returns hashes per second of each kernel, on one thread, for the
// segment that most of the search for a puzzle goes into. The rate is 0 after a
// fault.
func (r *registry) measure(ctx context.Context, candidates []*asm.Kernel, o Options, p Puzzle) ([]float64, error) {
	meters := make([]*meter, len(candidates))
	for i, k := range candidates {
		sp, _ := o.space(p, k)
		meters[i] = r.newMeter(k, newPlan(sp, *k).main(odds{p.Bits}).layout)
	}
	for range measureRounds {
		for _, m := range meters {
			if err := m.run(ctx); err != nil {
				return nil, err
			}
		}
	}
	rates := make([]float64, len(meters))
	for i, m := range meters {
		if slices.Sort(m.rates); m.worker.search.fault == nil {
			rates[i] = m.rates[len(m.rates)/2]
		}
	}
	return rates, nil
}

// A meter runs a kernel on chunks of one layout, and finds nothing.
type meter struct {
	worker   worker
	number   uint64 // of the chunk that the cursor is at
	end      uint64 // of the chunks that are searched together
	value    uint64 // of its inner digits, how many have been searched
	tail     uint64 // the next one for the values that come now
	from, to uint64 // numbers of the chunks
	rates    []float64
}

func (r *registry) newMeter(k *asm.Kernel, l layout) *meter {
	first, last, _ := widthRange(l.width, math.MaxUint64)
	seg := &segment{layout: l, first: first, last: last}
	p := Puzzle{Prefix: make([]byte, l.at), Bits: MaxBits}
	s := &search{puzzle: p, registry: r, mid: midstate{state: asm.IV, rest: p.Prefix, length: len(p.Prefix)}}
	for kind := range s.kernels {
		s.kernels[kind].Store(k)
	}
	s.beyond.Store(math.MaxUint64)

	m := &meter{worker: worker{search: s}}
	m.from, m.to = seg.chunks()
	m.number = m.from
	m.end = seg.part(m.from, m.to, 1)
	m.worker.cursor.enter(&s.mid, seg, p.Bits)
	m.worker.cursor.seek(m.number)
	return m
}

// run takes one slice.
func (m *meter) run(ctx context.Context) error {
	w := &m.worker
	now := w.search.registry.now
	begin, before := now(), w.hashes.Load()
	for looked := before; ; {
		whole, ok := m.search(ctx)
		if !ok {
			return w.search.err
		}
		if whole {
			m.advance()
		}
		if hashes := w.hashes.Load(); hashes-looked >= trialMaxWords/4 {
			looked = hashes
			if elapsed := now().Sub(begin); elapsed >= measureSlice {
				m.rates = append(m.rates, rate(hashes-before, elapsed))
				return nil
			}
		}
	}
}

// advance goes to the next chunk, or to the next ones that are searched together.
func (m *meter) advance() {
	m.value, m.tail = 0, 0
	if m.number = m.end; m.number == m.to {
		m.number = m.from
	}
	c := &m.worker.cursor
	m.end = c.seg.part(m.number, m.to, 1)
	c.walk(m.number)
}

// search searches the chunk, or the chunks that are searched together, or the next
// part of them if they are too large for a slice. It returns whether that was the
// end.
func (m *meter) search(ctx context.Context) (whole, ok bool) {
	seg := m.worker.cursor.seg
	if base, first, last, ok := seg.grid(m.number, m.end); ok {
		const part = 256 // inner values
		if m.value == 0 {
			m.worker.cursor.setGrid()
		}
		first += m.value
		m.value += part
		return first+part >= last, m.worker.searchGrid(ctx, base, first, min(last, first+part))
	}
	if !seg.tail() {
		return true, m.worker.searchChunks(ctx, m.number, m.end)
	}
	const part = 100 // tails
	base, first, last := seg.chunk(m.number)
	if seg.unit() < part {
		return true, m.worker.searchTails(ctx, base, first, last)
	}
	first += m.value
	group := min(last, first+asm.MaxStates)
	to := min(seg.unit(), m.tail+part)
	if !m.worker.searchRun(ctx, base+first*seg.step(), first, group, m.tail, to) {
		return false, false
	}
	if m.tail = to % seg.unit(); m.tail == 0 {
		m.value += group - first
		first = group
	}
	return first >= last, true
}
