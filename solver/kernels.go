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

// backendVariable is the environment variable described at Options.Backend.
const backendVariable = "GKPOW_BACKEND"

// A Backend describes a kernel.
type Backend struct {
	Name    string // name of the kernel, for Options.Backend
	Lanes   int    // nonces hashed in parallel
	Usable  bool   // whether this CPU can run it and no fault is known
	Missing string // the CPU feature that this machine lacks, or ""
	Fault   error  // why this process has disabled it, or nil

	// Only MeasureBackends sets the fields below.

	HashRate float64 // hashes per second of one thread
	Chosen   bool    // whether searches use it
	Why      string  // why it was chosen; "" if it was not
}

// Backends lists the kernels of this architecture and what the process knows about them. It runs no
// kernel; MeasureBackends does. It is safe for concurrent use.
func Backends() []Backend { return processRegistry.backends() }

// processRegistry is the registry of this process.
var processRegistry = newRegistry(asm.Kernels())

// A registry is a table of kernels and what the process has learned about them: which ones are
// broken, and which one is the fastest. It is safe for concurrent use.
type registry struct {
	now    func() time.Time // the clock for measuring kernels
	yield  func()           // lets other goroutines run
	faults atomic.Int64     // number of kernels disabled so far

	mu      sync.Mutex // guards the fields below, except busy
	entries []entry    // in the order of the table; the last one runs everywhere
	chosen  [kinds]*asm.Kernel
	trials  [kinds]*trial // trials in progress or interrupted
	busy    atomic.Bool   // whether a worker is running a trial
}

// An entry is a kernel and what is known about it.
type entry struct {
	kernel   *asm.Kernel
	estimate float64       // ns per hash, roughly; 0 before estimate has run
	slow     bool          // whether it is far slower than the last kernel
	tested   [kinds]uint16 // for each kind, the words whose self-test has run, as bits
	fault    error         // found by a self-test or a search; nil if none
}

func newRegistry(table []asm.Kernel) *registry {
	r := &registry{now: time.Now, yield: runtime.Gosched}
	for i := range table {
		r.entries = append(r.entries, entry{kernel: &table[i]})
	}
	return r
}

// estimateWord is the message word that varies when estimate measures a kernel.
const estimateWord = 10

// slowFactor decides which kernels are too slow to use: those that take more than slowFactor times
// as long as the last kernel, which runs everywhere.
const slowFactor = 4

// estimate sets the entry's estimate, unless that is set already, by measuring the kernel for a few
// microseconds. The CPU must be able to run the kernel. The caller holds r.mu.
func (r *registry) estimate(e *entry) {
	if e.estimate > 0 {
		return
	}
	last := &r.entries[len(r.entries)-1]
	if e != last {
		r.estimate(last)
	}
	e.estimate = math.Inf(1)
	for n := range 5 {
		count := e.kernel.Lanes
		if n >= 2 {
			count = min(8*count, 128)
		}
		e.estimate = min(e.estimate, r.time(e.kernel, count))
		// Ignore the first call, during which the operating system maps each page of the code: that
		// takes as long as hundreds of hashes.
		if n > 0 && e.estimate > slowFactor*last.estimate {
			break
		}
	}
	// Keep scans short for a kernel far slower than the last one: on some CPUs, mixing SHA-NI and
	// AVX2 costs a hundred times as much as using either alone.
	if e.slow = e.estimate > slowFactor*last.estimate; e.slow {
		e.kernel.MaxScan = 8 * e.kernel.Lanes
	}
}

// time returns the ns per hash of a kernel in one scan of count nonces.
func (r *registry) time(k *asm.Kernel, count int) float64 {
	b := &asm.Block{State: asm.IV, Vary: estimateWord, Mask: ^uint32(0)}
	for i := range b.Words {
		b.Words[i] = asm.IV[i%8] * uint32(2*i+1) // CPUs may be faster with zeros
	}
	b.Words[estimateWord] = 0
	b.Prepare(0)
	words := make([]uint32, count)
	for i := range words {
		words[i] = uint32(i) * 0x01010101
	}
	start := r.now()
	k.Scan(b, words)
	const least = 0.1 // the clock may be too coarse to show any time
	return max(least, float64(r.now().Sub(start).Nanoseconds())/float64(count))
}

// selfTest runs the kernel's self-test for pieces of a kind in which the given word varies, unless
// this process has already run it. A kernel that fails is disabled.
func (r *registry) selfTest(k *asm.Kernel, kind kind, word int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.test(r.entry(k), kind, word)
}

// test is selfTest for callers that hold r.mu.
func (r *registry) test(e *entry, kind kind, word int) {
	if e.fault != nil || e.tested[kind]>>word&1 == 1 {
		return
	}
	e.tested[kind] |= 1 << word
	switch kind {
	case oneBlock:
		r.setFault(e, e.kernel.SelfTestScan(word))
	case grid:
		r.setFault(e, e.kernel.SelfTestGrid(word))
	case sharedBlock:
		r.setFault(e, e.kernel.SelfTestShared())
	default:
		r.setFault(e, e.kernel.SelfTestTails(word))
	}
}

// setFault disables a kernel for the rest of the process. It does nothing if err is nil or the
// kernel is already disabled. The caller holds r.mu.
func (r *registry) setFault(e *entry, err error) {
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

// testedAll is entry.tested after all self-tests have run.
var testedAll = [kinds]uint16{1<<16 - 1, 1<<16 - 1, 1<<16 - 1, 1<<16 - 1, 1<<16 - 1}

// cold reports whether this process has not used any kernel yet.
func (r *registry) cold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[len(r.entries)-1].estimate == 0
}

// usable returns the kernels that can be used, in table order. It runs all their self-tests, except
// for slow kernels: testing those takes a second, and no search would choose them.
func (r *registry) usable() (list []*asm.Kernel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.entries {
		e := &r.entries[i]
		if !e.usable() {
			continue
		}
		switch r.estimate(e); {
		case e.slow:
			r.test(e, oneBlock, estimateWord)
		case e.tested != testedAll:
			e.tested = testedAll
			r.setFault(e, e.kernel.SelfTest())
		}
		if e.usable() {
			list = append(list, e.kernel)
		}
	}
	return list
}

// promising returns the usable kernels except slow ones. A slow kernel cannot be measured in short
// slices: one slice may hold only the first block of a run, and the others only tails.
func (r *registry) promising() []*asm.Kernel {
	return slices.DeleteFunc(r.usable(), func(k *asm.Kernel) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.entry(k).slow
	})
}

// usable reports whether the CPU can run the kernel and no fault is known.
func (e *entry) usable() bool { return e.kernel.Missing == "" && e.fault == nil }

// named returns the kernel with the given name, or an error that says why it cannot be used.
func (r *registry) named(name string) (*asm.Kernel, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var others []string
	for i := range r.entries {
		e := &r.entries[i]
		switch {
		case name == e.kernel.Name && e.usable():
			r.estimate(e) // sets MaxScan
			if r.test(e, oneBlock, estimateWord); e.fault == nil {
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

// ask returns the kernel that the option or the environment variable names, and which of the two
// named it. It returns nil if neither does.
func (r *registry) ask(option string) (k *asm.Kernel, why string, err error) {
	if option != "" {
		if k, err = r.named(option); err != nil {
			return nil, "", fmt.Errorf("solver: Options.Backend: %w", err)
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

// disable disables a kernel for the rest of the process because of a fault. It returns false for
// the last kernel, which runs everywhere and is never disabled, since nothing can replace it.
func (r *registry) disable(k *asm.Kernel, fault error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k == r.entries[len(r.entries)-1].kernel {
		return false
	}
	r.setFault(r.entry(k), fault)
	return true
}

// fault returns the error that disabled a kernel of the table, or nil.
func (r *registry) fault(k *asm.Kernel) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entry(k).fault
}

// entry returns the entry of a kernel of the table. The caller holds r.mu.
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
