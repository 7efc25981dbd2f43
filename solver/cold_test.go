package solver

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/solver/asm"
)

// coldVariable enables TestColdProcesses, and tells its child processes what to do.
const coldVariable = "GKPOW_TEST_COLD"

// In processes that solve a single puzzle, the best kernel and those within 3 % of it do at least
// 95 % of the hashes, with and without a busy loop on each processor. The test also logs
// the time for estimates and self-tests, which should be below a millisecond. Run it by hand:
//
//	GKPOW_TEST_COLD=1 go test -run TestColdProcesses -v -timeout 1h ./solver
func TestColdProcesses(t *testing.T) {
	switch what := os.Getenv(coldVariable); what {
	case "":
		t.Skip("set " + coldVariable + "=1 to start 1,600 processes, which takes minutes")
	case "1":
	case "busy loop":
		for sum := sha256.Sum256(nil); ; {
			sum = sha256.Sum256(sum[:])
		}
	default:
		coldSolve(t, what)
		return
	}
	for _, salt := range []int{32, 56} {
		candidates := processRegistry.promising()
		p := Puzzle{Prefix: make([]byte, salt+1), Bits: 24}
		rates, err := processRegistry.measure(t.Context(), candidates, Options{}, p)
		require.NoError(t, err)
		var best []string
		for i, k := range candidates {
			if rates[i] >= 0.97*slices.Max(rates) {
				best = append(best, k.Name)
			}
		}
		for _, loops := range []int{0, runtime.NumCPU()} {
			for _, difficulty := range []int{5, 6} {
				t.Run(fmt.Sprintf("salt=%d/loops=%d/difficulty=%d", salt, loops, difficulty), func(t *testing.T) {
					for range loops {
						loop := cold(t, "busy loop")
						require.NoError(t, loop.Start())
						t.Cleanup(func() {
							loop.Process.Kill()
							loop.Wait()
						})
					}
					coldProcesses(t, best, salt, difficulty)
				})
			}
		}
	}
}

// cold returns a command that runs the test binary as a child process.
func cold(t *testing.T, what string) *exec.Cmd {
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestColdProcesses$", "-test.v")
	child.Env = append(os.Environ(), coldVariable+"="+what)
	return child
}

// coldProcesses starts 200 processes and checks the share of the best kernels.
func coldProcesses(t *testing.T, best []string, salt, difficulty int) {
	total, good := uint64(0), uint64(0)
	var choices []time.Duration
	for i := range 200 {
		out, err := cold(t, fmt.Sprintf("%d %0*d", difficulty, salt, i)).Output()
		require.NoError(t, err, "%s", out)
		for line := range strings.Lines(string(out)) {
			var name string
			var n uint64
			switch _, err := fmt.Sscanf(line, "cold: %s %d", &name, &n); {
			case err != nil:
			case name == "choice":
				choices = append(choices, time.Duration(n))
			default:
				if total += n; slices.Contains(best, name) {
					good += n
				}
			}
		}
	}
	require.NotZero(t, total)
	slices.Sort(choices)
	share := float64(good) / float64(total)
	t.Logf("%v: %.2f %% of %d hashes; estimates and self-tests: median %v, 95 %% within %v",
		best, 100*share, total, choices[len(choices)/2], choices[len(choices)*95/100])
	if share < 0.95 {
		t.Errorf("%v did %.1f %% of the hashes; want 95 %%", best, 100*share)
	}
}

// coldSolve solves one puzzle. It prints the number of hashes of each kernel, including those of
// estimates and self-tests, and the time that estimates and self-tests took.
func coldSolve(t *testing.T, what string) {
	var difficulty int
	var salt string
	_, err := fmt.Sscan(what, &difficulty, &salt)
	require.NoError(t, err)
	p, err := NewPuzzle(salt, difficulty)
	require.NoError(t, err)

	table := asm.Kernels()
	hashes := make([]atomic.Int64, len(table))
	for i := range table {
		k, hashes := &table[i], &hashes[i]
		scan, scanTails, scanGrid, scanShared := k.Scan, k.ScanTails, k.ScanGrid, k.ScanShared
		k.Scan = func(b *asm.Block, words []uint32) int {
			hashes.Add(int64(len(words)))
			return scan(b, words)
		}
		k.ScanGrid = func(g *asm.Grid, words []uint32) int {
			hashes.Add(int64(asm.GridLanes * len(words)))
			return scanGrid(g, words)
		}
		k.ScanShared = func(s *asm.Shared, words []uint32) int {
			hashes.Add(int64(asm.SharedStates * len(words)))
			return scanShared(s, words)
		}
		k.ScanTails = func(s *asm.States, tails []asm.Tail, mask uint32) int {
			hashes.Add(int64(asm.MaxStates * len(tails)))
			return scanTails(s, tails, mask)
		}
	}
	// This process must not have used a kernel before: first calls are slow.
	r := newRegistry(table)
	start := time.Now()
	lineup, err := (&search{registry: r}).equip()
	require.NoError(t, err)
	choice := time.Since(start)
	o := &Options{}
	seg := o.plan(o.space(p), lineup).segments[0]
	start = time.Now()
	r.mu.Lock()
	for _, e := range r.contenders() {
		r.test(e, seg.kind(), seg.word())
	}
	r.mu.Unlock()
	choice += time.Since(start)
	fmt.Printf("cold: choice %d\n", choice)

	s, err := newSolver(Options{}, r)
	require.NoError(t, err)
	_, err = s.Solve(t.Context(), p)
	require.NoError(t, err)
	for i := range table {
		fmt.Printf("cold: %s %d\n", table[i].Name, hashes[i].Load())
	}
}
