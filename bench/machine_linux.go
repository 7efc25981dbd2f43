package bench

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A system supplies what Go does not report about the machine. It reads the directories
// proc, sys and etc below root.
type system struct{ root string }

var thisSystem = system{"/"}

// describe adds what the system's files say about the machine.
func (s system) describe(m *Machine) {
	m.Kernel = s.line("proc/sys/kernel/osrelease")
	for line := range strings.Lines(s.read("etc/os-release")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			m.OS = strings.Trim(name, `"'`)
		}
	}
	m.Governor = s.line("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	if driver := s.line("sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"); driver != "" {
		m.Governor += " (" + driver + ")"
	}
	load, _, _ := strings.Cut(s.line("proc/loadavg"), " ")
	m.Load, _ = strconv.ParseFloat(load, 64)
	m.CgroupLimit = s.cgroupLimit()
}

// usage returns the current counters.
func (s system) usage() usage {
	u, ok := cpuTimes(s.line("proc/stat"))
	if !ok {
		return usage{}
	}
	u.own = s.cpu().Seconds()
	for _, dir := range s.cgroups() {
		u.throttled += s.counter(path.Join(dir, "cpu.stat"), "nr_throttled")
	}
	return u
}

// ticks is the number of time units per second in /proc/stat (USER_HZ), the same on every
// architecture.
const ticks = 100

// cpuTimes parses the first line of /proc/stat, the times of all CPUs together
// (proc_stat(5)). We parse it ourselves because package procfs would slow down the start of
// every command by preparing to parse all of /proc.
func cpuTimes(line string) (u usage, ok bool) {
	fields := strings.Fields(line)
	if len(fields) == 0 || fields[0] != "cpu" {
		return usage{}, false
	}
	var times [8]float64 // user, nice, system, idle, iowait, irq, softirq, steal; guests count as user
	for i := range times[:min(len(times), len(fields)-1)] {
		n, err := strconv.ParseFloat(fields[i+1], 64)
		if err != nil {
			return usage{}, false
		}
		times[i] = n / ticks
	}
	return usage{
		known: true,
		busy:  times[0] + times[1] + times[2] + times[5] + times[6],
		idle:  times[3] + times[4],
		steal: times[7],
	}, true
}

// cpu returns the CPU time of this process.
func (system) cpu() time.Duration {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return 0
	}
	return time.Duration(own.Utime.Nano() + own.Stime.Nano())
}

// cgroups returns the directories of the control groups that may limit the CPU
// time of this process, the innermost first.
func (s system) cgroups() (dirs []string) {
	for line := range strings.Lines(s.read("proc/self/cgroup")) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mount := "sys/fs/cgroup" // version 2
		if fields[1] != "" {
			if !slices.Contains(strings.Split(fields[1], ","), "cpu") {
				continue
			}
			mount = "sys/fs/cgroup/cpu"
		}
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			dirs = append(dirs, path.Join(mount, dir))
			if dir == "/" {
				break
			}
		}
	}
	return dirs
}

// cgroupLimit returns the CPUs that the tightest quota allows, or 0.
func (s system) cgroupLimit() (limit float64) {
	for _, dir := range s.cgroups() {
		quota, period, ok := strings.Cut(s.line(path.Join(dir, "cpu.max")), " ")
		if !ok {
			quota = s.line(path.Join(dir, "cpu.cfs_quota_us"))
			period = s.line(path.Join(dir, "cpu.cfs_period_us"))
		}
		q, err1 := strconv.ParseFloat(quota, 64)
		p, err2 := strconv.ParseFloat(period, 64)
		if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
			continue // no limit here
		}
		if limit == 0 || q/p < limit {
			limit = math.Round(100*q/p) / 100
		}
	}
	return limit
}

// counter returns the value of a key in a file with a key and a value in each line.
func (s system) counter(name, key string) uint64 {
	lines := bufio.NewScanner(bytes.NewReader([]byte(s.read(name))))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), key+" "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return 0
}

// read returns the contents of a file, or "" if it cannot be read.
func (s system) read(name string) string {
	data, _ := os.ReadFile(filepath.Join(s.root, name))
	return string(data)
}

// line returns the first line of a file.
func (s system) line(name string) string {
	line, _, _ := strings.Cut(s.read(name), "\n")
	return strings.TrimSpace(line)
}
