//go:build unix && !linux

package metrics

import (
	"os"
	"runtime"
)

func readProcess() process {
	p := usageAndLimits()
	if runtime.GOOS == "darwin" { // its /dev/fd lists every open file
		if open, err := os.ReadDir("/dev/fd"); err == nil {
			p.openFiles = float64(len(open) - 1) // one of them is the directory itself
		}
	}
	return p
}
