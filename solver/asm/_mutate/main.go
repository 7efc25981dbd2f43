// Command _mutate measures how many faults in the machine code of the kernels their
// self-test finds, on Linux:
//
//	go run ./solver/asm/_mutate [-n 3000] [-kernels avx2,shani] [-goarch arm64 -exec 'qemu-aarch64 -cpu max']
//
// A mutant is a kernel with one instruction erased, or with one of its bits flipped. It runs
// the self-test in a process of its own; a mutant that passes runs all tests of the
// kernel, too. The report names each mutant that passed the self-test. The command fails if
// those are 1 % or more, not counting the ones that do the same as the original, which
// equivalent.go lists with the reasons.
//
// The command builds itself for the architecture and runs that program, which runs itself as the
// mutants (child.go).
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
	count    = flag.Int("n", 3000, "mutants of each kernel")
	seed     = flag.Uint64("seed", 1, "which mutants: the same seed makes the same ones of the same code")
	names    = flag.String("kernels", "", "the kernels, separated by commas (default: those that this CPU can run)")
	goarch   = flag.String("goarch", runtime.GOARCH, "the architecture of the kernels")
	emulator = flag.String("exec", "", "a command that runs programs of that architecture, as for go test")
	source   = flag.String("source", "solver/asm", "the directory of package asm")
	workers  = flag.Int("workers", runtime.NumCPU(), "mutants that run at a time")
	limit    = flag.Duration("limit", 10*time.Minute, "time for the kernel's tests of a mutant that passed the self-test; one that takes longer counts as found by them")
	here     = flag.Bool("here", false, "do not build anything, mutate this program")
	argument = flag.String("child", "", "what a mutant is told, see child.go")
	tests    = flag.String("tests", "", "with -here: the tests of package asm, built with go test -c (default: run the self-test only)")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("mutate: ")
	flag.Parse()
	if flag.NArg() > 0 || *count < 1 || *workers < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if *argument != "" {
		runChild(*argument)
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

// buildAndRun builds this program and the tests in a directory and runs the program with the
// same flags.
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
		return false, nil // it has said why
	}
	return err == nil, err
}

// emulated returns a command that runs a program of the architecture.
func emulated(ctx context.Context, program string, args ...string) *exec.Cmd {
	command := append(strings.Fields(*emulator), program)
	return exec.CommandContext(ctx, command[0], append(command[1:], args...)...)
}

// measureAll measures the kernels in this process. It returns whether few enough mutants
// of each passed the self-test.
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

// runTests runs the kernel's tests in a copy of them that has the mutant's code, and returns
// whether they pass.
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

// patch writes a copy of the tests with the mutant's code.
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
	// A process that another worker starts would inherit the open file until it
	// executes its own, and a file open for writing cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	// What the linker puts into the instruction, an address, differs from this program's.
	code, at := make([]byte, len(m.code)), int64(s.Value+m.offset-p.text.Addr+p.text.Offset)
	_, rerr := in.ReadAt(code, at)
	m.change(code)
	_, werr := out.WriteAt(code, at)
	return errors.Join(err, rerr, werr, out.Close())
}
