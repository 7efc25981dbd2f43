// Command _mutate measures how many faults in the machine code of the kernels their self-tests
// detect. It runs on Linux:
//
//	go run ./solver/asm/_mutate [-n 3000] [-kernels avx2,shani] [-goarch arm64 -exec 'qemu-aarch64 -cpu max']
//
// A mutant is a kernel with one instruction erased or one bit of an instruction flipped. Each
// mutant runs the self-test in its own process; one that passes runs all tests of the kernel too.
// The report names each mutant that passed the self-test. The command fails if 1 % or more of the
// mutants pass, not counting those that are equivalent to the original. equivalent.go lists the
// kinds of equivalent mutants and says why they are equivalent.
//
// The command builds itself for the chosen architecture and runs the result. That program starts
// itself again as a fork server, which forks a child for each mutant (child.go).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

var (
	count    = flag.Int("n", 3000, "`number` of mutants of each kernel")
	seed     = flag.Uint64("seed", 1, "`seed` of the random choice: the same seed and code give the same mutants")
	names    = flag.String("kernels", "", "comma-separated `names` of kernels (default: all that this CPU can run)")
	goarch   = flag.String("goarch", runtime.GOARCH, "`architecture` of the kernels")
	emulator = flag.String("exec", "", "`command` that runs programs of that architecture, as for go test")
	source   = flag.String("source", "solver/asm", "`directory` of package asm")
	workers  = flag.Int("workers", runtime.NumCPU(), "`number` of mutants to run at the same time")
	limit    = flag.Duration("limit", 10*time.Minute,
		"`time` limit of the kernel's tests for a mutant that passed the self-test; reaching it counts as detected")
	here  = flag.Bool("here", false, "mutate this program instead of building one")
	forks = flag.Bool("fork-server", false, "run mutants read from standard input; for internal use")
	tests = flag.String("tests", "",
		"with -here: `file` built from package asm with go test -c (default: run the self-test only)")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("mutate: ")
	flag.Parse()
	if flag.NArg() > 0 || *count < 1 || *workers < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if *forks {
		if err := runForkServer(os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "gkpow-mutate-")
	if err != nil {
		log.Fatal(err)
	}
	var ok bool
	if *here {
		ok, err = measureAll(dir)
	} else {
		ok, err = buildAndRun(dir)
	}
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		log.Fatal(err)
	}
	if !ok {
		os.Exit(1)
	}
}

// buildAndRun builds this program and the tests of package asm in dir, and runs the program with
// the same flags.
func buildAndRun(dir string) (ok bool, err error) {
	program, tests := filepath.Join(dir, "mutate"), filepath.Join(dir, "asm.test")
	for _, args := range [][]string{
		{"build", "-o", program, "./" + filepath.Join(*source, "_mutate")},
		{"test", "-c", "-o", tests, "./" + *source},
	} {
		build := exec.Command("go", args...)
		build.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+*goarch, "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return false, fmt.Errorf("go %s: %w", args[0], err)
		}
	}
	args := []string{"-here", "-tests", tests}
	flag.Visit(func(f *flag.Flag) { args = append(args, "-"+f.Name+"="+f.Value.String()) })
	c := emulated(context.Background(), program, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	err = c.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return false, nil // the program has reported why
	}
	return err == nil, err
}

// emulated returns a command that runs a program for the chosen architecture.
func emulated(ctx context.Context, program string, args ...string) *exec.Cmd {
	command := append(strings.Fields(*emulator), program)
	return exec.CommandContext(ctx, command[0], append(command[1:], args...)...)
}

// measureAll measures the kernels of this program. ok reports whether each self-test detected
// enough mutants.
func measureAll(dir string) (ok bool, err error) {
	path, err := os.Executable()
	if err != nil {
		return false, err
	}
	kernels, err := readKernels(path, *source)
	if err != nil {
		return false, err
	}
	measured, err := chosen(kernels)
	if err != nil {
		return false, err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return false, err
	}
	ok = true
	for _, k := range measured {
		good, err := k.measure(dir)
		if err != nil {
			return false, fmt.Errorf("%s: %w", k.name, err)
		}
		ok = ok && good
	}
	return ok, nil
}

// runTests writes a copy of the tests that contains the mutant's code to path, runs the tests of
// the kernel, and returns whether they pass.
func (m mutant) runTests(kernel, path string) (bool, error) {
	if err := m.patch(path); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	c := emulated(ctx, path, "-test.run", "/^kernel="+kernel+"$")
	c.WaitDelay = time.Second
	c.Dir = *source
	err := c.Run()
	if exit := new(exec.ExitError); err != nil && ctx.Err() == nil && !errors.As(err, &exit) {
		return false, err
	}
	return err == nil, nil
}

// patch writes a copy of the tests that contains the mutant's code.
func (m mutant) patch(path string) error {
	p, err := openProgram(*tests)
	if err != nil {
		return err
	}
	defer p.file.Close()
	s, err := p.function(m.function)
	if err != nil {
		return fmt.Errorf("%s: %w", *tests, err)
	}
	in, err := os.Open(*tests)
	if err != nil {
		return err
	}
	defer in.Close()
	// Do not let another worker fork while the copy is open: the child would inherit the
	// descriptor until its exec, and Linux does not execute a file that is open for writing.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	// Change the code that is in the tests: addresses that the linker puts into an instruction
	// differ from those in this program.
	code, at := make([]byte, len(m.code)), int64(s.Value+m.offset-p.text.Addr+p.text.Offset)
	_, rerr := in.ReadAt(code, at)
	m.change(code)
	_, werr := out.WriteAt(code, at)
	return errors.Join(err, rerr, werr, out.Close())
}
