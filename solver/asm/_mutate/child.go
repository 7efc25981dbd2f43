package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"
)

// An outcome is how a self-test in a child ended.
type outcome int

const (
	failed  outcome = iota // the self-test returned an error
	crashed                // the process died
	hung                   // it used more CPU time than its limit, or waited for a minute
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

// A forkServer is a process running this program that forks a child for each trial. A fork takes
// microseconds. Starting a process takes milliseconds, and over a second in an emulator.
type forkServer struct {
	command *exec.Cmd
	trials  io.WriteCloser
	results *bufio.Reader
}

func startForkServer() (*forkServer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &forkServer{command: emulated(context.Background(), self, "-fork-server")}
	if s.trials, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	results, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.results = bufio.NewReader(results)
	return s, s.command.Start()
}

// run runs a trial in a child. It also returns the CPU time used.
func (s *forkServer) run(t trial) (o outcome, used time.Duration, err error) {
	if _, err := fmt.Fprintf(s.trials, "%s %s %d %d %d _%x\n",
		t.kernel, t.function, t.word, t.address, t.limit, t.code); err != nil {
		return 0, 0, err
	}
	_, err = fmt.Fscanf(s.results, "%d %d\n", &o, &used)
	return o, used, err
}

func (s *forkServer) stop() error { return errors.Join(s.trials.Close(), s.command.Wait()) }

// runForkServer runs the trials that forkServer.run writes, until the end of its input.
func runForkServer(trials io.Reader, results io.Writer) error {
	// A forked child has only the thread that called fork. It would wait forever for a lock that
	// another thread held at that moment, or for another thread's work. Without garbage collection
	// and with one processor, there is neither.
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(1)
	for lines := bufio.NewScanner(trials); lines.Scan(); {
		var t trial
		line, code, _ := bytes.Cut(lines.Bytes(), []byte("_"))
		if _, err := fmt.Sscan(string(line), &t.kernel, &t.function, &t.word, &t.address, &t.limit); err != nil {
			return err
		}
		if _, err := fmt.Sscanf(string(code), "%x", &t.code); err != nil && len(code) > 0 {
			return err
		}
		o, used, err := t.fork()
		if err != nil {
			return err
		}
		fmt.Fprintf(results, "%d %d\n", o, used)
	}
	return nil
}

// The exit statuses of a child that completes its self-test. A fatal error in Go's runtime exits
// with 2.
const (
	statusPassed = 0
	statusFailed = 3
)

// fork runs the trial in a forked child. It also returns the CPU time used.
func (t trial) fork() (outcome, time.Duration, error) {
	child, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return 0, 0, fmt.Errorf("fork: %w", errno)
	}
	if child == 0 {
		t.runHere()
	}
	var status syscall.WaitStatus
	var usage syscall.Rusage
	for {
		_, err := syscall.Wait4(int(child), &status, 0, &usage)
		if err == nil {
			break
		}
		if err != syscall.EINTR {
			return 0, 0, err
		}
	}
	used := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	switch {
	case status.Signaled() && (status.Signal() == syscall.SIGPROF || status.Signal() == syscall.SIGALRM):
		return hung, used, nil
	case status.Exited() && status.ExitStatus() == statusPassed:
		return passed, used, nil
	case status.Exited() && status.ExitStatus() == statusFailed:
		return failed, used, nil
	}
	return crashed, used, nil
}

// runHere runs the trial in this process and exits.
func (t trial) runHere() {
	// Restore the default action, which ends the process: Go's runtime would ignore the timers, and
	// after a fault it would wait for the threads that the fork left behind.
	for _, signal := range []syscall.Signal{
		syscall.SIGPROF, syscall.SIGALRM,
		syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGTRAP,
	} {
		var endProcess [4]uint64 // handler, flags, restorer, mask
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(signal),
			uintptr(unsafe.Pointer(&endProcess)), 0, 8, 0, 0)
	}
	const realTime, cpuTime = 0, 2 // ITIMER_REAL, ITIMER_PROF
	for which, limit := range map[uintptr]time.Duration{realTime: time.Minute, cpuTime: t.limit} {
		timer := [2]syscall.Timeval{{}, syscall.NsecToTimeval(limit.Nanoseconds())}
		syscall.RawSyscall(syscall.SYS_SETITIMER, which, uintptr(unsafe.Pointer(&timer)), 0)
	}

	if len(t.code) > 0 {
		if err := write(uintptr(t.address), t.code); err != nil {
			panic(err)
		}
	}
	status := statusPassed
	if selfTest(t.kernel, t.function, t.word) != nil {
		status = statusFailed
	}
	syscall.RawSyscall(syscall.SYS_EXIT_GROUP, uintptr(status), 0, 0)
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
