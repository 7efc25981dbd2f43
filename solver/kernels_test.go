package solver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
)

type scanFunc = func(b *asm.Block, words []uint32) int

// broken returns the generic kernel with another Scan and name.
func broken(name string, scan scanFunc) asm.Kernel {
	k := asm.Generic()
	k.Name, k.Scan = name, scan
	return k
}

// wrongScans report wrong hits: the first nonce, the last one, and an index out of range.
var wrongScans = map[string]scanFunc{
	"first": func(*asm.Block, []uint32) int { return 0 },
	"last":  func(_ *asm.Block, words []uint32) int { return len(words) - 1 },
	"wild":  func(*asm.Block, []uint32) int { return math.MaxInt32 },
}

// A search that catches a kernel in a wrong report continues without it, as do all later searches.
func TestFaultyKernel(t *testing.T) {
	for name, scan := range wrongScans {
		for _, asked := range []string{"", "broken"} {
			t.Run(name+asked, func(t *testing.T) {
				r := testedRegistry(broken("broken", scan), asm.Generic())
				s, err := newSolver(Options{Sequential: true, Backend: asked}, r)
				require.NoError(t, err)
				p := Puzzle{Prefix: []byte("faulty:"), Bits: 12}

				solution, err := s.Solve(t.Context(), p)
				require.NoError(t, err)
				require.NotNil(t, solution.Fault)
				require.Equal(t, "broken", solution.Fault.Backend)
				require.Equal(t, asm.Generic().Name, solution.Backend)
				require.True(t, p.Solves(solution.Nonce))
				want, err := mustNew(t, Options{Sequential: true}).Solve(t.Context(), p)
				require.NoError(t, err)
				require.Equal(t, want.Nonce, solution.Nonce)

				again, err := s.Solve(t.Context(), p)
				require.NoError(t, err)
				require.Nil(t, again.Fault, "the kernel was used again")

				list := r.backends()
				require.False(t, list[0].Usable)
				// Each worker may have caught the kernel.
				var fault *KernelFault
				require.ErrorAs(t, list[0].Fault, &fault)
				require.Equal(t, "broken", fault.Backend)
				_, err = newSolver(Options{Backend: "broken"}, r)
				require.ErrorContains(t, err, "backend broken: ")
				require.ErrorIs(t, err, fault)
			})
		}
		t.Run(name+", exhausted", func(t *testing.T) {
			s, err := newSolver(Options{MaxNonce: 5000}, testedRegistry(broken("broken", scan), asm.Generic()))
			require.NoError(t, err)
			_, err = s.Solve(t.Context(), Puzzle{Bits: MaxBits})
			var fault *KernelFault
			var exhausted *ExhaustedError
			require.ErrorAs(t, err, &fault)
			require.ErrorAs(t, err, &exhausted)
			require.EqualValues(t, 5001, exhausted.Hashes)
		})
	}
}

// requireFaultReported runs All with a registry whose first kernel is broken. It requires that All
// reports the kernel's fault and that all other results are correct.
func requireFaultReported(t *testing.T, r *registry, p Puzzle, o Options) {
	t.Helper()
	s, err := newSolver(o, r)
	require.NoError(t, err)
	got, hashes, err := findAll(t, s, p)
	var fault *KernelFault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, r.entries[0].kernel.Name, fault.Backend)
	require.Equal(t, o.MaxNonce-o.MinNonce+1, hashes)
	require.Equal(t, solutions(p, o.MinNonce, o.MaxNonce), got)
}

// The same for layouts with tails.
func TestFaultyKernelAfterTails(t *testing.T) {
	for name, scan := range map[string]func(tails []asm.Tail) int{
		"first": func([]asm.Tail) int { return 0 },
		"last":  func(tails []asm.Tail) int { return len(tails) - 1 },
		"wild":  func([]asm.Tail) int { return math.MaxInt32 },
	} {
		for _, kind := range []kind{fixedTail, varyingTail} {
			t.Run(fmt.Sprintf("%s, kind %d", name, kind), func(t *testing.T) {
				k := broken("broken", asm.Generic().Scan)
				k.ScanTails = func(_ *asm.States, tails []asm.Tail, _ uint32) int { return scan(tails) }
				p := Puzzle{Prefix: unsolvable(kind).Prefix, Bits: 9}
				requireFaultReported(t, testedRegistry(k, asm.Generic()), p, Options{MinNonce: 1000, MaxNonce: 39_999, Workers: 2})
			})
		}
	}
}

// The same for grids.
func TestFaultyKernelInGrids(t *testing.T) {
	for name, scan := range wrongScans {
		t.Run(name, func(t *testing.T) {
			k := broken("broken", asm.Generic().Scan)
			k.ScanGrid = func(_ *asm.Grid, words []uint32) int { return scan(nil, words) }
			for word := range k.Ops.Grid {
				k.Ops.Grid[word] = 1
			}
			p := Puzzle{Prefix: unsolvable(grid).Prefix, Bits: 9}
			requireFaultReported(t, testedRegistry(k, asm.Generic()), p, Options{MinNonce: 1000, MaxNonce: 59_999, Workers: 2})
		})
	}
}

// The same for chunks that share a block.
func TestFaultyKernelInSharedBlocks(t *testing.T) {
	for name, scan := range wrongScans {
		t.Run(name, func(t *testing.T) {
			k := broken("broken", asm.Generic().Scan)
			k.ScanShared = func(_ *asm.Shared, words []uint32) int { return scan(nil, words) }
			p := Puzzle{Prefix: unsolvable(sharedBlock).Prefix, Bits: 9}
			requireFaultReported(t, testedRegistry(k, asm.Generic()), p, Options{MinNonce: 1000, MaxNonce: 59_999, Workers: 2})
		})
	}
}

// A kernel that reports wrong hits during a trial is not chosen, and the search repeats what the
// kernel searched.
func TestFaultWhileChoosing(t *testing.T) {
	for name, scan := range wrongScans {
		t.Run(name, func(t *testing.T) {
			stage := newStage(14, 10, 300)
			faulty := stage.entries[1]
			faulty.kernel.Scan = scan
			stage.entries[1].tested = testedAll
			s, err := newSolver(Options{MaxNonce: 99_999, Workers: 1}, stage.registry)
			require.NoError(t, err)
			_, err = s.Solve(t.Context(), unsolvable(0))
			var fault *KernelFault
			var exhausted *ExhaustedError
			require.ErrorAs(t, err, &fault)
			require.Equal(t, "k1", fault.Backend)
			require.ErrorAs(t, err, &exhausted)
			require.EqualValues(t, 100_000, exhausted.Hashes)
			k, chosen, err := stage.pick(0)
			require.NoError(t, err)
			require.True(t, chosen, "no other kernel was chosen")
			require.Equal(t, "k0", k.Name)
		})
	}
}

// A fault of the chosen kernel reopens the choice.
func TestFaultAfterChoosing(t *testing.T) {
	stage := newStage(14, 10, 300)
	exhaust(t, stage.registry, unsolvable(0), Options{MaxNonce: 39_999, Workers: 1})
	chosen := stage.entries[1].kernel
	require.Same(t, chosen, stage.chosen[0])
	generic := stage.entries[2].kernel
	require.True(t, stage.disable(chosen, errors.New("broken")))
	k, settled, err := stage.pick(0)
	require.NoError(t, err)
	require.False(t, settled)
	require.Equal(t, "k0", k.Name)
	require.False(t, stage.disable(generic, errors.New("broken")), "the last kernel cannot be disabled")
	require.NoError(t, stage.fault(generic))
}

// A search never uses a kernel that fails its self-test.
func TestSelfTestComesFirst(t *testing.T) {
	blind := broken("blind", func(*asm.Block, []uint32) int { return -1 })
	r := newRegistry([]asm.Kernel{blind, asm.Generic()})
	require.True(t, r.backends()[0].Usable, "no fault is known yet")
	s, err := newSolver(Options{}, r)
	require.NoError(t, err)
	p := Puzzle{Prefix: []byte("blind:"), Bits: 16}
	solution, err := s.Solve(t.Context(), p)
	require.NoError(t, err)
	checkSolution(t, p, solution)
	require.Equal(t, asm.Generic().Name, solution.Backend)

	// A slow first call may have ruled the kernel out before its self-test, so ask for it.
	_, err = newSolver(Options{Backend: "blind"}, r)
	require.ErrorContains(t, err, "solver: Options.Backend: backend blind: self-test")
	b := r.backends()[0]
	require.False(t, b.Usable)
	require.Empty(t, b.Missing)
	require.ErrorContains(t, b.Fault, "self-test")

	// If no kernel works, Solve and Explain fail.
	s, err = newSolver(Options{}, newRegistry([]asm.Kernel{blind}))
	require.NoError(t, err)
	_, err = s.Solve(t.Context(), p)
	require.ErrorContains(t, err, "self-test")
	_, err = s.Explain(t.Context(), p)
	require.ErrorContains(t, err, "self-test")
}

// A kernel that this CPU cannot run is not called, not even by a self-test.
func TestMissing(t *testing.T) {
	foreign := broken("foreign", func(*asm.Block, []uint32) int { panic("it ran") })
	foreign.Missing = "SUBLEQ"
	r := newRegistry([]asm.Kernel{foreign, asm.Generic()})
	exhaust(t, r, unsolvable(0), Options{MaxNonce: 5000})
	_, err := newSolver(Options{Backend: "foreign"}, r)
	require.EqualError(t, err, "solver: Options.Backend: backend foreign: this CPU has no SUBLEQ")
	list, err := r.measureBackends(t.Context())
	require.NoError(t, err)
	require.Equal(t, Backend{Name: "foreign", Lanes: 1, Missing: "SUBLEQ"}, list[0])
	require.Equal(t, "the only one usable", list[1].Why)
}

func TestBackendVariable(t *testing.T) {
	p := Puzzle{Prefix: []byte("variable:"), Bits: 16}
	for _, test := range []struct{ variable, option, want, why string }{
		{"", "", "k0", ""},
		{"k1", "", "k1", "GKPOW_BACKEND"},
		{"k1", "k2", "k2", "asked for"},
		{"abacus", "k2", "k2", "asked for"},
	} {
		t.Setenv(backendVariable, test.variable)
		s, err := newSolver(Options{Backend: test.option, Workers: 1}, newStage(10, 14, 300).registry)
		require.NoError(t, err)
		require.Equal(t, test.why, s.why)
		solution, err := s.Solve(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, test.want, solution.Backend, "variable %q, option %q", test.variable, test.option)
	}
	t.Setenv(backendVariable, "abacus")
	for _, err := range []error{
		func() error { _, err := New(Options{}); return err }(),
		func() error { _, err := MeasureBackends(t.Context()); return err }(),
	} {
		require.ErrorContains(t, err, `solver: GKPOW_BACKEND: no backend "abacus"; this machine has `)
	}
}

// If the caller names a kernel, no other is called.
func TestNamedKernelIsNotMeasured(t *testing.T) {
	s := newStage(14, 10, 300)
	exhaust(t, s.registry, unsolvable(0), Options{MaxNonce: 39_999, Backend: "k2"})
	for i, n := range s.counts() {
		require.Equal(t, i == 2, n > 0, "kernel %d", i)
	}
	_, chosen, err := s.pick(0)
	require.NoError(t, err)
	require.False(t, chosen)
}

func TestBackends(t *testing.T) {
	for _, b := range Backends() {
		if b.Usable != (b.Missing == "" && b.Fault == nil) || b.Chosen || b.HashRate != 0 {
			t.Errorf("%+v contradicts itself", b)
		}
		_, err := New(Options{Backend: b.Name})
		if (err == nil) != b.Usable {
			t.Errorf("New(Backend: %q) = %v; usable: %v", b.Name, err, b.Usable)
		}
	}
}

func TestMeasureBackends(t *testing.T) {
	for _, test := range []struct{ variable, chosen, why string }{
		{"", "k1", "the fastest measured"},
		{"k2", "k2", "GKPOW_BACKEND"},
	} {
		t.Setenv(backendVariable, test.variable)
		list, err := newStage(2000, 1000, 30_000).measureBackends(t.Context())
		require.NoError(t, err)
		for i, rate := range []float64{0.5e6, 1e6, 1e9 / 30_000} {
			require.InEpsilon(t, rate, list[i].HashRate, 1e-6)
			require.Equal(t, list[i].Name == test.chosen, list[i].Chosen)
			require.Equal(t, list[i].Chosen, list[i].Why == test.why)
		}
	}
	t.Setenv(backendVariable, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := MeasureBackends(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// A kernel that reports wrong hits while it is measured has no rate.
func TestFaultWhileMeasuring(t *testing.T) {
	stage := newStage(2000, 1000, 3000)
	faulty := stage.entries[1].kernel
	faulty.Scan, faulty.ScanGrid = wrongScans["first"], asm.ByChunks(wrongScans["first"])
	stage.entries[1].tested = testedAll
	list, err := stage.measureBackends(t.Context())
	require.NoError(t, err)
	require.Zero(t, list[1].HashRate)
	var fault *KernelFault
	require.ErrorAs(t, list[1].Fault, &fault)
	require.True(t, list[0].Chosen)
}
