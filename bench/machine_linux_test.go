package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeTree returns a system whose root holds the given files.
func fakeTree(t *testing.T, files map[string]string) system {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc"), 0o700))
	for name, content := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return system{root}
}

func TestSystem(t *testing.T) {
	s := fakeTree(t, map[string]string{
		"proc/sys/kernel/osrelease": "6.1.0-test\n",
		"proc/loadavg":              "1.25 0.50 0.25 2/100 12345\n",
		"proc/stat":                 "cpu  1000 200 300 4000 500 60 70 80 5 6\ncpu0 1000 200 300 4000 500 60 70 80 5 6\nctxt 1\nbtime 1\nprocesses 1\n",
		"proc/self/cgroup":          "0::/service/inner\n",
		"etc/os-release":            "NAME=Debian\nPRETTY_NAME=\"Debian 12\"\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_driver":   "acpi-cpufreq\n",
		"sys/fs/cgroup/service/inner/cpu.max":                  "max 100000\n",
		"sys/fs/cgroup/service/cpu.max":                        "150000 100000\n",
		"sys/fs/cgroup/service/inner/cpu.stat":                 "usage_usec 5\nnr_periods 9\nnr_throttled 4\n",
		"sys/fs/cgroup/service/cpu.stat":                       "nr_throttled 3\n",
	})
	var m Machine
	s.describe(&m)
	require.Equal(t, Machine{
		Kernel: "6.1.0-test", OS: "Debian 12", Governor: "powersave (acpi-cpufreq)", Load: 1.25, CgroupLimit: 1.5,
	}, m)
	u := s.usage()
	require.True(t, u.known)
	require.InDelta(t, 16.3, u.busy, 1e-9) // hundredths of a second
	require.InDelta(t, 45, u.idle, 1e-9)
	require.InDelta(t, 0.8, u.steal, 1e-9)
	require.Equal(t, uint64(7), u.throttled)
	require.Positive(t, u.own)
}

func TestSystemCgroup1(t *testing.T) {
	s := fakeTree(t, map[string]string{
		"proc/self/cgroup":                         "5:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/b\n",
		"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us":     "25000\n",
		"sys/fs/cgroup/cpu/a/cpu.cfs_period_us":    "100000\n",
		"sys/fs/cgroup/cpu/cpu.cfs_quota_us":       "-1\n",
		"sys/fs/cgroup/cpu/cpu.cfs_period_us":      "100000\n",
		"sys/fs/cgroup/memory/a/cpu.cfs_quota_us":  "1\n",
		"sys/fs/cgroup/memory/a/cpu.cfs_period_us": "100000\n",
	})
	require.Equal(t, 0.25, s.cgroupLimit())
}

// Missing and empty files leave the fields unknown; they are not an error.
func TestSystemSilent(t *testing.T) {
	for _, s := range []system{fakeTree(t, nil), {filepath.Join(t.TempDir(), "none")}, fakeTree(t, map[string]string{
		"proc/stat": "cpu x\n", "proc/self/cgroup": "nonsense\n0::\n", "sys/fs/cgroup/cpu.max": "1 0\n", "proc/loadavg": "",
	})} {
		var m Machine
		s.describe(&m)
		require.Equal(t, Machine{}, m)
		require.Zero(t, s.usage().throttled)
	}
}

func TestThisSystem(t *testing.T) {
	m := describe()
	thisSystem.describe(&m)
	require.NotEmpty(t, m.Kernel)
	require.NotEmpty(t, m.Features)
	require.True(t, thisSystem.usage().known)
}
