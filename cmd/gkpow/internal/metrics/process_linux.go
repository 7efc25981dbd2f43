package metrics

import (
	"math"
	"os"
	"strconv"
	"strings"
)

// readProcess reads /proc/self; proc(5) has the fields.
func readProcess() process {
	p := usageAndLimits()
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.openFiles = float64(len(open) - 1) // one is of the directory
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

// networkBytes returns what the network namespace of the process has received and sent,
// as all Prometheus libraries do. One line has the names, the next one the values.
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

// number returns what a field holds, NaN if it is no number.
func number(field string) float64 {
	if n, err := strconv.ParseFloat(field, 64); err == nil {
		return n
	}
	return math.NaN()
}
