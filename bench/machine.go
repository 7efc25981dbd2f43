package bench

import (
	"runtime"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"github.com/gkpow/gkpow/solver"
)

// A Machine is where a run took place and what with.
type Machine struct {
	CPU      string   `json:"cpu"` // its name for itself
	Vendor   string   `json:"vendor,omitempty"`
	Family   int      `json:"family,omitempty"`
	Model    int      `json:"model,omitempty"`
	Stepping int      `json:"stepping,omitempty"`
	Features []string `json:"features,omitempty"`
	// Cores and ThreadsPerCore are those of the CPU, as far as it tells. CPUs is
	// how many the operating system lets this process run on, and GOMAXPROCS how
	// many of them Go uses.
	Cores          int `json:"cores,omitempty"`
	ThreadsPerCore int `json:"threadsPerCore,omitempty"`
	CPUs           int `json:"cpus"`
	GOMAXPROCS     int `json:"gomaxprocs"`
	// CgroupLimit is the CPUs that a container's quota allows.
	CgroupLimit float64 `json:"cgroupLimit,omitempty"`
	Governor    string  `json:"governor,omitempty"`   // of the CPU's frequency
	Hypervisor  string  `json:"hypervisor,omitempty"` // if it is a virtual machine
	Load        float64 `json:"load,omitempty"`       // average of a minute, before the run

	OS     string `json:"os"` // GOOS, or what the system calls itself
	Kernel string `json:"kernel,omitempty"`
	GOOS   string `json:"goos"`
	GOARCH string `json:"goarch"`

	Go       string   `json:"go"`                 // version
	Version  string   `json:"version"`            // of gkpow
	Revision string   `json:"revision,omitempty"` // of its source
	Modified bool     `json:"modified,omitempty"` // whether the source was changed since
	Build    []string `json:"build,omitempty"`    // settings that matter for speed: tags, GOAMD64
}

// describe fills in what Go and the CPU know of the machine. The rest is for
// system.describe.
func describe() Machine {
	build := solver.BuildInfo()
	m := Machine{
		CPU:            cpuid.CPU.BrandName,
		Vendor:         cpuid.CPU.VendorString,
		Family:         cpuid.CPU.Family,
		Model:          cpuid.CPU.Model,
		Stepping:       cpuid.CPU.Stepping,
		Features:       cpuid.CPU.FeatureSet(),
		Cores:          cpuid.CPU.PhysicalCores,
		ThreadsPerCore: cpuid.CPU.ThreadsPerCore,
		CPUs:           runtime.NumCPU(),
		GOMAXPROCS:     runtime.GOMAXPROCS(0),
		OS:             runtime.GOOS,
		GOOS:           runtime.GOOS,
		GOARCH:         runtime.GOARCH,
		Go:             runtime.Version(),
		Version:        build.Version,
		Revision:       build.Revision,
		Modified:       build.Modified,
		Build:          build.Settings,
	}
	if m.CPU == "" {
		m.CPU = "unknown"
	}
	if cpuid.CPU.VM() {
		m.Hypervisor = hypervisor(cpuid.CPU.HypervisorVendorID, cpuid.CPU.HypervisorVendorString)
	}
	return m
}

// hypervisor returns a name that people know, such as "KVM" for "KVMKVMKVM".
func hypervisor(id cpuid.Vendor, signature string) string {
	if id != cpuid.VendorUnknown {
		return id.String()
	}
	if signature = strings.TrimSpace(strings.Trim(signature, "\x00")); signature == "" {
		return "unknown"
	}
	return signature
}

// A usage is what the system has counted since it started.
type usage struct {
	known     bool
	busy      float64 // seconds of CPU time that anybody has used
	idle      float64 // seconds of CPU time that nobody has
	steal     float64 // seconds in which the hypervisor ran something else
	own       float64 // seconds of CPU time of this process
	throttled uint64  // periods in which the container's quota ended
}
