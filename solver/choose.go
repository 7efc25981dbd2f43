package solver

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gkpow/gkpow/solver/asm"
)

// A process chooses the fastest kernel in two steps. Before its first search, it estimates each
// kernel's speed in a few microseconds, and starts with the fastest. In a trial, a worker then
// measures the kernels that come close to that one, in turn, on pieces that have to be searched
// anyway.

// A lineup holds the kernel for each kind of layout.
type lineup [kinds]contender

// A contender is a kernel with its time per operation, by which layouts can be compared even if
// different kernels search them.
type contender struct {
	*asm.Kernel
	opTime float64 // in ns or any unit that all kernels share
}

// allKinds returns a lineup that uses one kernel for all kinds.
func allKinds(k *asm.Kernel) (l lineup) {
	for kind := range l {
		l[kind] = contender{k, 1}
	}
	return l
}

// contender returns a kernel of the table with its estimated time per operation.
func (r *registry) contender(k *asm.Kernel) contender {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(k)
	r.estimate(e)
	hash := float64(k.Ops.Scan[estimateWord]) / float64(k.Lanes)
	return contender{k, e.estimate / hash}
}

// nearFactor decides which kernels get a trial: those with an estimate of up to nearFactor times
// the fastest kernel's.
const nearFactor = 1.5

// contenders returns the kernels that may be the fastest, sorted by estimate. The caller holds
// r.mu.
func (r *registry) contenders() (list []*entry) {
	for i := range r.entries {
		if e := &r.entries[i]; e.usable() {
			r.estimate(e)
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b *entry) int { return cmp.Compare(a.estimate, b.estimate) })
	for i, e := range list {
		if e.estimate > nearFactor*list[0].estimate {
			return list[:i]
		}
	}
	return list
}

// pick returns the kernel to start with for a kind of layout, and whether it was chosen for that
// kind. If none was, pick returns the kernel chosen for another kind, or else the one with the
// lowest estimate. It returns an error if no kernel works.
func (r *registry) pick(kind kind) (k *asm.Kernel, chosen bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.chosen[kind]; k != nil {
		return k, true, nil
	}
	for _, k := range r.chosen {
		if k != nil {
			return k, false, nil
		}
	}
	if list := r.contenders(); len(list) > 0 {
		return list[0].kernel, false, nil
	}
	return nil, false, fmt.Errorf("solver: no kernel works on this machine: %w", r.entries[len(r.entries)-1].fault)
}

// startTrial starts or resumes the trial for a kind of layout whose given word varies. If a kernel
// has already been chosen for the kind, startTrial returns that instead. Both results are nil if
// another worker is running a trial, or if no kernel works.
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

// newTrial returns a new trial, or nil if fewer than two kernels qualify. The caller holds r.mu.
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
		t.kernels = append(t.kernels, trialKernel{e.kernel, e.estimate})
	}
	return t
}

// endTrial ends a worker's part in a trial. If the trial is complete, endTrial records and returns
// the fastest kernel, unless a kernel was disabled meanwhile.
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
