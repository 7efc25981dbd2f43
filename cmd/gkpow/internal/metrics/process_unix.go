//go:build unix && !linux

package metrics

import (
	"os"
	"runtime"
	"syscall"
)

func readProcess() process {
	p := unknownProcess
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err == nil {
		p.cpu = float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		p.maxFiles = float64(limit.Cur)
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err == nil {
		p.maxVirtual = float64(limit.Cur)
	}
	if runtime.GOOS == "darwin" { // whose /dev/fd has every file
		if open, err := os.ReadDir("/dev/fd"); err == nil {
			p.openFiles = float64(len(open) - 1) // one is of the directory
		}
	}
	return p
}
