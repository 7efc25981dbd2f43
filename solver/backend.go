package solver

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// backendVariable is the environment variable that Options.Backend speaks of.
const backendVariable = "GKPOW_BACKEND"

// A Backend describes a kernel.
type Backend struct {
	Name    string // for Options.Backend
	Lanes   int    // nonces hashed at a time
	Usable  bool   // whether this CPU can run it and nothing is known against it
	Missing string // the CPU feature that is missing, if any
	Fault   error  // why the kernel is not used in this process although the CPU can run it

	// The rest is known to MeasureBackends only.

	HashRate float64 // hashes per second of one thread
	Chosen   bool    // whether it is the one to use
	Why      string  // why it is chosen
}

// Backends lists the kernels of this architecture and what is known of them. It
// runs none of them; see MeasureBackends.
func Backends() []Backend { return kernels.backends() }

// kernels is what this process knows of the kernels.
var kernels = newRegistry(asm.Kernels())

// A registry is a table of kernels and what has been learned of them: which ones
// do not work, and which one is the fastest. It is safe for concurrent use.
type registry struct {
	now func() time.Time // the clock that kernels are measured by

	mu        sync.Mutex // guards what follows
	entries   []entry    // as in the table; the last one runs everywhere
	chosen    [kinds]*asm.Kernel
	measuring bool // whether a trial is under way
}

type entry struct {
	kernel *asm.Kernel
	probed bool  // whether slow is known
	slow   bool  // far slower than the last one, which runs everywhere
	tested bool  // whether the self-test was run
	fault  error // of the self-test or of a search
}

func newRegistry(table []asm.Kernel) *registry {
	r := &registry{now: time.Now}
	for i := range table {
		r.entries = append(r.entries, entry{kernel: &table[i]})
	}
	return r
}

// ready reports whether the kernel can be used. Before the first use it runs
// the self-test. The caller holds r.mu.
func (r *registry) ready(e *entry) bool {
	if e.kernel.Missing != "" {
		return false
	}
	if !e.tested {
		r.hopeless(e) // for the length of scans
		e.tested = true
		e.fault = e.kernel.SelfTest()
	}
	return e.fault == nil
}

// usable returns the kernels that can be used, in the order of the table.
func (r *registry) usable() (list []*asm.Kernel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.entries {
		if r.ready(&r.entries[i]) {
			list = append(list, r.entries[i].kernel)
		}
	}
	return list
}

// contenders returns the kernels that may be the fastest, in the order of the
// table.
func (r *registry) contenders() (list []*asm.Kernel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.entries {
		if e := &r.entries[i]; !r.hopeless(e) && r.ready(e) {
			list = append(list, e.kernel)
		}
	}
	return list
}

// hopeless reports whether a kernel is far slower than the one that runs
// everywhere, by a first look that takes some microseconds. That can be: on some
// CPUs SHA-NI and AVX2 cost a hundred times as much side by side as each alone.
// Such a kernel is not worth the time for its self-test unless it is asked for,
// and then its scans are kept short. The caller holds r.mu.
func (r *registry) hopeless(e *entry) bool {
	last := r.entries[len(r.entries)-1].kernel
	if e.probed || e.kernel.Missing != "" || e.kernel == last {
		return e.slow
	}
	e.probed = true
	words := make([]uint32, 4*e.kernel.Lanes)
	b := asm.Block{Vary: 10, Mask: ^uint32(0)}
	b.Prepare(0)
	shortest := func(k *asm.Kernel) time.Duration {
		shortest := time.Duration(math.MaxInt64)
		for range 3 {
			start := r.now()
			k.Scan(&b, words)
			shortest = min(shortest, r.now().Sub(start))
		}
		return shortest
	}
	const far = 4
	if e.slow = shortest(e.kernel) > far*shortest(last); e.slow {
		e.kernel.MaxScan = 8 * e.kernel.Lanes
	}
	return e.slow
}

// named returns a kernel that can be used, or an error that says why not.
func (r *registry) named(name string) (*asm.Kernel, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var others []string
	for i := range r.entries {
		e := &r.entries[i]
		switch {
		case name == e.kernel.Name && r.ready(e):
			return e.kernel, nil
		case name == e.kernel.Name && e.kernel.Missing != "":
			return nil, fmt.Errorf("backend %s: this CPU has no %s", name, e.kernel.Missing)
		case name == e.kernel.Name:
			return nil, fmt.Errorf("backend %s: %w", name, e.fault)
		case e.kernel.Missing == "" && e.fault == nil:
			others = append(others, e.kernel.Name)
		}
	}
	return nil, fmt.Errorf("no backend %q; this machine has %s", name, strings.Join(others, ", "))
}

// ask returns the kernel that is asked for, by an option or by the environment,
// and by which. It is nil if none is.
func (r *registry) ask(option string) (k *asm.Kernel, why string, err error) {
	if option != "" {
		if k, err = r.named(option); err != nil {
			return nil, "", fmt.Errorf("solver: %w", err)
		}
		return k, "asked for", nil
	}
	if name := os.Getenv(backendVariable); name != "" {
		if k, err = r.named(name); err != nil {
			return nil, "", fmt.Errorf("solver: %s: %w", backendVariable, err)
		}
		return k, backendVariable, nil
	}
	return nil, "", nil
}

// pick returns the kernel to begin with for a kind of layout, and whether it
// was chosen for that. If not, it is the one chosen for another kind, or else the
// first of the table that may be the fastest.
func (r *registry) pick(kind int) (k *asm.Kernel, chosen bool, err error) {
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
	for i := range r.entries {
		if e := &r.entries[i]; !r.hopeless(e) && r.ready(e) {
			return e.kernel, false, nil
		}
	}
	return nil, false, fmt.Errorf("solver: no kernel works on this machine: %w", r.entries[len(r.entries)-1].fault)
}

// disable disables a kernel for the rest of the process because of a fault. It
// returns false for the kernel that runs everywhere, which is never disabled:
// there is nothing to put in its place.
func (r *registry) disable(k *asm.Kernel, fault error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k == r.entries[len(r.entries)-1].kernel {
		return false
	}
	if e := r.entry(k); e.fault == nil {
		e.fault = fault
	}
	for kind := range r.chosen {
		if r.chosen[kind] == k {
			r.chosen[kind] = nil
		}
	}
	return true
}

// works reports whether nothing is known against a kernel of the table.
func (r *registry) works(k *asm.Kernel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entry(k).fault == nil
}

// entry returns what is known of a kernel of the table. The caller holds r.mu.
func (r *registry) entry(k *asm.Kernel) *entry {
	i := slices.IndexFunc(r.entries, func(e entry) bool { return e.kernel == k })
	return &r.entries[i]
}

func (r *registry) backends() []Backend {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Backend
	for _, e := range r.entries {
		list = append(list, Backend{
			Name:    e.kernel.Name,
			Lanes:   e.kernel.Lanes,
			Usable:  e.kernel.Missing == "" && e.fault == nil,
			Missing: e.kernel.Missing,
			Fault:   e.fault,
		})
	}
	return list
}
