// Command _mutate measures how many faults in the machine code of the kernels their
// self-test finds:
//
//	go run ./solver/asm/_mutate [-n 3000] [-kernels avx2,shani] [-goarch arm64 -exec 'qemu-aarch64 -cpu max']
//
// A mutant is a copy of the tests of package asm with one instruction of a kernel
// erased, or with one of its bits flipped. It runs the self-test; a mutant that passes
// runs all tests of the kernel, too. The report names each mutant that passed the
// self-test. It fails if those are 1 % or more, not counting the ones that do the
// same as the original, which equivalent.go lists with the reasons.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	count    = flag.Int("n", 3000, "mutants of each kernel")
	seed     = flag.Uint64("seed", 1, "which mutants: the same seed makes the same ones of the same code")
	names    = flag.String("kernels", "", "the kernels, separated by commas (default: those that this CPU can run)")
	goarch   = flag.String("goarch", runtime.GOARCH, "the architecture to build the tests for")
	emulator = flag.String("exec", "", "a command that runs the tests, as for go test")
	binary   = flag.String("binary", "", "tests of package asm, already built (default: build them)")
	source   = flag.String("source", "solver/asm", "the directory of package asm")
	workers  = flag.Int("workers", runtime.NumCPU(), "mutants that run at a time")
	limit    = flag.Duration("limit", time.Minute, "time for a mutant's self-test, and ten times that for its tests; one that takes longer counts as found")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("mutate: ")
	flag.Parse()
	if flag.NArg() > 0 || *count < 1 || *workers < 1 {
		flag.Usage()
		os.Exit(2)
	}
	dir, err := os.MkdirTemp("", "gkpow-mutate-")
	if err != nil {
		log.Fatal(err)
	}
	ok, err := run(dir)
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		log.Fatal(err)
	}
	if !ok {
		os.Exit(1)
	}
}

// run makes the mutants in a directory, tests them and prints the report. It returns
// whether few enough passed the self-test.
func run(dir string) (ok bool, err error) {
	if *binary == "" {
		*binary = filepath.Join(dir, "asm.test")
		build := exec.Command("go", "test", "-c", "-o", *binary, "./"+*source)
		build.Env = append(os.Environ(), "GOARCH="+*goarch)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return false, fmt.Errorf("go test -c: %w", err)
		}
	}
	kernels, err := readKernels(*binary, *source)
	if err != nil {
		return false, err
	}
	var wanted []string
	if *names != "" {
		wanted = strings.Split(*names, ",")
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(kernels, func(k kernel) bool { return k.name == name }) {
			return false, fmt.Errorf("there is no kernel %q in %s", name, *source)
		}
	}
	ok = true
	for _, k := range kernels {
		if wanted != nil && !slices.Contains(wanted, k.name) {
			continue
		}
		if skipped, err := k.cannotRun(); err != nil {
			return false, err
		} else if skipped {
			fmt.Printf("%s: this CPU cannot run it\n", k.name)
			ok = ok && wanted == nil
			continue
		}
		good, err := k.measure(dir)
		if err != nil {
			return false, err
		}
		ok = ok && good
	}
	return ok, nil
}

// cannotRun reports whether the CPU lacks a feature of the kernel. It is an error if
// the kernel does not pass its self-test as it is.
func (k kernel) cannotRun() (bool, error) {
	out, err := test(*limit, *binary, "^TestSelfTest$/^kernel="+k.name+"$", "-test.v")
	if err != nil {
		return false, fmt.Errorf("%s without a fault: %w\n%s", k.name, err, out)
	}
	return !bytes.Contains(out, []byte("--- PASS: TestSelfTest/kernel="+k.name)), nil
}

// A verdict is what became of a mutant.
type verdict int

const (
	found   verdict = iota // the self-test returned an error
	crashed                // the process died otherwise
	hung                   // it did not end
	tested                 // the self-test passed, other tests failed
	passed                 // everything passed
	same                   // everything passed, and it does the same as the original
)

// measure tests the mutants of a kernel.
func (k kernel) measure(dir string) (ok bool, err error) {
	start := time.Now()
	rng := rand.New(rand.NewPCG(*seed, 0))
	mutants := make([]mutant, *count)
	for i := range mutants {
		mutants[i] = k.mutant(rng)
	}
	verdicts := make([]verdict, len(mutants))
	errs := make([]error, *workers)
	next := make(chan int)
	var group sync.WaitGroup
	for w := range *workers {
		path := filepath.Join(dir, fmt.Sprintf("mutant-%d", w))
		if err := copyFile(path, *binary); err != nil {
			return false, err
		}
		group.Go(func() {
			for i := range next {
				if errs[w] == nil {
					verdicts[i], errs[w] = k.try(path, mutants[i])
				}
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return false, err
	}

	var counts [same + 1]int
	for _, v := range verdicts {
		counts[v]++
	}
	missed := counts[tested] + counts[passed]
	fmt.Printf("%s: the self-test misses %d of %d mutants, %.2f %%: other tests find %d of them. It found %d; %d crashed, %d hung, %d do the same as the original. %s\n",
		k.name, missed, len(mutants), 100*float64(missed)/float64(len(mutants)), counts[tested],
		counts[found], counts[crashed], counts[hung], counts[same], time.Since(start).Round(time.Second))
	for i, m := range mutants {
		switch verdicts[i] {
		case tested:
			fmt.Printf("  %s: other tests find it\n", m)
		case passed:
			fmt.Printf("  %s: nothing finds it\n", m)
		case same:
			fmt.Printf("  %s: the same, %s\n", m, m.reason())
		}
	}
	return 100*missed < len(mutants), nil
}

// try tests one mutant, made in a copy of the tests.
func (k kernel) try(path string, m mutant) (v verdict, err error) {
	if err := patch(path, m.instruction.offset, m.code); err != nil {
		return 0, err
	}
	out, err := test(*limit, path, "^TestSelfTest$/^kernel="+k.name+"$/^("+m.parts+")$")
	var exit *exec.ExitError
	switch {
	case err == nil:
		if _, err := test(10**limit, path, "/^kernel="+k.name+"$"); err != nil {
			v = tested
		} else if v = passed; m.reason() != "" {
			v = same
		}
	case errors.Is(err, context.DeadlineExceeded):
		v = hung
	case !errors.As(err, &exit):
		return 0, err
	case bytes.Contains(out, []byte("self-test: ")):
		v = found
	default:
		v = crashed
	}
	return v, patch(path, m.instruction.offset, m.instruction.code)
}

// test runs tests by their names and returns what they print.
func test(limit time.Duration, path, run string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := append(strings.Fields(*emulator), path, "-test.run", run)
	c := exec.CommandContext(ctx, command[0], append(command[1:], args...)...)
	c.WaitDelay = time.Second
	c.Dir = *source
	out, err := c.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return out, err
}

// patch overwrites code in a file that is not running.
func patch(path string, offset int64, code []byte) error {
	// A process that another worker starts would inherit the open file until it
	// executes its own, and a file open for writing cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(code, offset)
	return errors.Join(err, f.Close())
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
