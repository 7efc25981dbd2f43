package solver

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gkpow/gkpow/solver/asm"
)

// Which kernel is the fastest is found in two steps. A first look, before the first
// search of the process, takes each kernel a few microseconds. The fastest begins.
// Those that come near it are then tried by a worker in turn, on pieces that have to
// be searched anyway.

// A lineup is the kernel for each kind of layout.
type lineup [kinds]contender

// A contender is a kernel and the time that it takes for an operation, in ns or in
// any unit that all kernels share. It serves to compare layouts of different kinds
// that have different kernels.
type contender struct {
	*asm.Kernel
	pace float64
}

// allKinds returns the lineup in which one kernel does all.
func allKinds(k *asm.Kernel) (l lineup) {
	for kind := range l {
		l[kind] = contender{k, 1}
	}
	return l
}

// contender returns a kernel of the table with the time that it takes for an
// operation, by the first look.
func (r *registry) contender(k *asm.Kernel) contender {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(k)
	r.look(e)
	hash := float64(k.Ops.Scan[lookWord]) / float64(k.Lanes)
	return contender{k, e.look / hash}
}

// near is how many times as long as the fastest kernel one may take in the first look to
// get a trial.
const near = 1.5

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

// pick returns the kernel to begin with for a kind of layout, and whether it was
// chosen for that. If not, it is the one chosen for another kind, or else the one
// that the first look found to be the fastest.
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
