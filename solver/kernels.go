package solver

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	now    func() time.Time // the clock that kernels are measured by
	yield  func()           // lets other goroutines run
	faults atomic.Int64     // counts kernels that were disabled

	mu      sync.Mutex // guards what follows
	entries []entry    // as in the table; the last one runs everywhere
	chosen  [kinds]*asm.Kernel
	trials  [kinds]*trial // those that were interrupted
	busy    atomic.Bool   // whether a trial is under way
}

type entry struct {
	kernel *asm.Kernel
	look   float64       // ns for one hash, as a first look found; 0 before that
	slow   bool          // far slower than the last one, which runs everywhere
	tested [kinds]uint16 // the words that each kind was tested for, as bits
	fault  error         // of the self-test or of a search
}

func newRegistry(table []asm.Kernel) *registry {
	r := &registry{now: time.Now, yield: runtime.Gosched}
	for i := range table {
		r.entries = append(r.entries, entry{kernel: &table[i]})
	}
	return r
}

// lookWord is the word that varies in the first look.
const lookWord = 10

// far is how many times as long as the last kernel one takes that is hopeless.
const far = 4

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
		// The first call says nothing against a kernel: it waits for the operating system to
		// map each page of the code, which takes as long as hundreds of hashes.
		if n > 0 && e.look > far*last.look {
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

// ready runs the kernel's self-test for pieces of a kind in which a word varies, before
// the first of them in this process. A kernel that fails is disabled.
func (r *registry) ready(k *asm.Kernel, kind kind, word int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.test(r.entry(k), kind, word)
}

// test is ready for those who hold r.mu.
func (r *registry) test(e *entry, kind kind, word int) {
	if e.fault != nil || e.tested[kind]>>word&1 == 1 {
		return
	}
	e.tested[kind] |= 1 << word
	switch kind {
	case oneBlock:
		r.blame(e, e.kernel.SelfTestScan(word))
	case grid:
		r.blame(e, e.kernel.SelfTestGrid(word))
	default:
		r.blame(e, e.kernel.SelfTestTails(word))
	}
}

// blame disables a kernel for the rest of the process, unless err is nil. The caller
// holds r.mu.
func (r *registry) blame(e *entry, err error) {
	if err == nil || e.fault != nil {
		return
	}
	e.fault = err
	r.faults.Add(1)
	for kind, k := range r.chosen {
		r.trials[kind] = nil
		if k == e.kernel {
			r.chosen[kind] = nil
		}
	}
}

// testedAll is entry.tested after all self-tests.
var testedAll = [kinds]uint16{1<<16 - 1, 1<<16 - 1, 1<<16 - 1, 1<<16 - 1}

// cold reports whether no kernel has been used yet.
func (r *registry) cold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[len(r.entries)-1].look == 0
}

// usable returns the kernels that can be used, in the order of the table. It runs all
// of their self-tests, but not of slow ones, which takes a second and is for naught.
func (r *registry) usable() (list []*asm.Kernel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.entries {
		e := &r.entries[i]
		if !e.usable() {
			continue
		}
		switch r.look(e); {
		case e.slow:
			r.test(e, oneBlock, lookWord)
		case e.tested != testedAll:
			e.tested = testedAll
			r.blame(e, e.kernel.SelfTest())
		}
		if e.usable() {
			list = append(list, e.kernel)
		}
	}
	return list
}

// promising returns the usable kernels without those that the first look found to be far slower
// than the last. It would be wrong to measure these in short slices, of which one may hold nothing
// but the first block of a run, and the others nothing but tails.
func (r *registry) promising() []*asm.Kernel {
	return slices.DeleteFunc(r.usable(), func(k *asm.Kernel) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.entry(k).slow
	})
}

// usable reports whether the CPU can run the kernel and nothing is known against it.
func (e *entry) usable() bool { return e.kernel.Missing == "" && e.fault == nil }

// named returns a kernel that can be used, or an error that says why not.
func (r *registry) named(name string) (*asm.Kernel, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var others []string
	for i := range r.entries {
		e := &r.entries[i]
		switch {
		case name == e.kernel.Name && e.usable():
			r.look(e) // for the length of scans
			if r.test(e, oneBlock, lookWord); e.fault == nil {
				return e.kernel, nil
			}
			return nil, fmt.Errorf("backend %s: %w", name, e.fault)
		case name == e.kernel.Name && e.kernel.Missing != "":
			return nil, fmt.Errorf("backend %s: this CPU has no %s", name, e.kernel.Missing)
		case name == e.kernel.Name:
			return nil, fmt.Errorf("backend %s: %w", name, e.fault)
		case e.usable():
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

// disable disables a kernel for the rest of the process because of a fault. It
// returns false for the kernel that runs everywhere, which is never disabled:
// there is nothing to put in its place.
func (r *registry) disable(k *asm.Kernel, fault error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k == r.entries[len(r.entries)-1].kernel {
		return false
	}
	r.blame(r.entry(k), fault)
	return true
}

// fault returns what is known against a kernel of the table, or nil.
func (r *registry) fault(k *asm.Kernel) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entry(k).fault
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
			Usable:  e.usable(),
			Missing: e.kernel.Missing,
			Fault:   e.fault,
		})
	}
	return list
}
