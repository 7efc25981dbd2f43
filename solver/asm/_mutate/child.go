package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"
)

// An outcome is how a self-test in a child ended.
type outcome int

const (
	failed  outcome = iota // the self-test returned an error
	crashed                // the process died
	hung                   // it used more CPU time than its limit
	passed
)

// A trial tells a child how to change its own code before it runs the self-test.
type trial struct {
	kernel, function string
	word             int
	address          uint64
	code             []byte        // replaces the code at address; empty for no change
	limit            time.Duration // of CPU time
}

// The exit statuses of a child that completes its self-test. A fatal error in Go's runtime exits
// with 2.
const (
	statusPassed = 0
	statusFailed = 3
)

// run runs the trial in a child process of the same program. It also returns the CPU time used.
func (t trial) run() (outcome, time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	c := emulated(context.Background(), self, "-child",
		fmt.Sprintf("%s %s %d %d %d %x", t.kernel, t.function, t.word, t.address, t.limit, t.code))
	err = c.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return 0, 0, err
	}
	used := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	status := c.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGPROF:
		return hung, used, nil
	case status.Exited() && status.ExitStatus() == statusPassed:
		return passed, used, nil
	case status.Exited() && status.ExitStatus() == statusFailed:
		return failed, used, nil
	}
	return crashed, used, nil
}

// runChild runs a trial in this process and exits. Its argument is the one that run passes.
func runChild(arguments string) {
	var t trial
	_, err := fmt.Sscanf(arguments+" ", "%s %s %d %d %d %x",
		&t.kernel, &t.function, &t.word, &t.address, &t.limit, &t.code)
	if err != nil && len(t.code) > 0 {
		panic(err)
	}
	// Restore the default action, which ends the process: Go's runtime would ignore the signal.
	var endProcess [4]uint64 // handler, flags, restorer, mask
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGPROF),
		uintptr(unsafe.Pointer(&endProcess)), 0, 8, 0, 0)
	const cpuTime = 2 // ITIMER_PROF
	timer := [2]syscall.Timeval{{}, syscall.NsecToTimeval(t.limit.Nanoseconds())}
	syscall.RawSyscall(syscall.SYS_SETITIMER, cpuTime, uintptr(unsafe.Pointer(&timer)), 0)

	if len(t.code) > 0 {
		if err := write(uintptr(t.address), t.code); err != nil {
			panic(err)
		}
	}
	if selfTest(t.kernel, t.function, t.word) != nil {
		os.Exit(statusFailed)
	}
	os.Exit(statusPassed)
}

// write overwrites machine code. When the pages become executable again, Linux synchronizes the
// instruction cache, as arm64 requires.
func write(at uintptr, code []byte) error {
	page := uintptr(syscall.Getpagesize())
	first := at &^ (page - 1)
	pages := unsafe.Slice((*byte)(unsafe.Add(nil, first)), (at+uintptr(len(code))-first+page-1)&^(page-1))
	if err := syscall.Mprotect(pages, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		return err
	}
	copy(pages[at-first:], code)
	return syscall.Mprotect(pages, syscall.PROT_READ|syscall.PROT_EXEC)
}
