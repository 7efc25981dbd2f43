package metrics

import (
	"math"
	"os"
	"strconv"
	"strings"
)

// readProcess reads /proc/self; see proc(5) for the fields.
func readProcess() process {
	p := usageAndLimits()
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.openFiles = float64(len(open) - 1) // one of them is the directory itself
	}
	if data, err := os.ReadFile("/proc/self/statm"); err == nil {
		if pages := strings.Fields(string(data)); len(pages) > 1 {
			size := float64(os.Getpagesize())
			p.virtual, p.memory = number(pages[0])*size, number(pages[1])*size
		}
	}
	p.received, p.sent = networkBytes()
	return p
}

// networkBytes returns how many bytes the network namespace of the process has received and
// sent; Prometheus client libraries report the same figures. In the file, a line of names
// precedes a line of values.
func networkBytes() (received, sent float64) {
	received, sent = math.NaN(), math.NaN()
	data, _ := os.ReadFile("/proc/self/net/netstat")
	var names []string
	for line := range strings.Lines(string(data)) {
		values := strings.Fields(line)
		if len(values) == 0 || values[0] != "IpExt:" {
			continue
		}
		for i, name := range names[:min(len(names), len(values))] {
			switch name {
			case "InOctets":
				received = number(values[i])
			case "OutOctets":
				sent = number(values[i])
			}
		}
		names = values
	}
	return received, sent
}

// number parses a field as a number, and returns NaN if it is not one.
func number(field string) float64 {
	if n, err := strconv.ParseFloat(field, 64); err == nil {
		return n
	}
	return math.NaN()
}
