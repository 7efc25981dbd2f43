//go:build unix

package metrics

import "syscall"

// usageAndLimits returns the values that every Unix reports in the same way.
func usageAndLimits() process {
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
	return p
}
