package bench

import (
	"runtime"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"github.com/gkpow/gkpow/solver"
)

// A Machine describes the hardware, system and versions of a run. Unknown fields are absent.
type Machine struct {
	CPU            string   `json:"cpu"`                      // model name
	Vendor         string   `json:"vendor,omitempty"`         // CPUID's vendor string, such as "GenuineIntel"
	Family         int      `json:"family,omitempty"`         // CPUID's display family
	Model          int      `json:"model,omitempty"`          // CPUID's display model
	Stepping       int      `json:"stepping,omitempty"`       // revision of the model
	Features       []string `json:"features,omitempty"`       // CPU features, such as "AVX2"
	Cores          int      `json:"cores,omitempty"`          // physical cores
	ThreadsPerCore int      `json:"threadsPerCore,omitempty"` // hardware threads of each core
	CPUs           int      `json:"cpus"`                     // logical CPUs that the system lets this process use
	GOMAXPROCS     int      `json:"gomaxprocs"`               // CPUs that Go uses
	CgroupLimit    float64  `json:"cgroupLimit,omitempty"`    // CPUs that the container's quota allows
	Governor       string   `json:"governor,omitempty"`       // frequency governor, with its driver
	Hypervisor     string   `json:"hypervisor,omitempty"`     // name of the hypervisor, or "" if none is known
	Load           float64  `json:"load,omitempty"`           // one-minute load average before the run, in runnable processes

	OS     string `json:"os"`               // name of the system, or GOOS
	Kernel string `json:"kernel,omitempty"` // release of the system's kernel
	GOOS   string `json:"goos"`             // Go's name of the system
	GOARCH string `json:"goarch"`           // Go's name of the architecture

	Go       string   `json:"go"`                 // version of Go
	Version  string   `json:"version"`            // version of gkpow
	Revision string   `json:"revision,omitempty"` // commit of gkpow
	Modified bool     `json:"modified,omitempty"` // whether the source differed from the commit
	Build    []string `json:"build,omitempty"`    // build settings that affect speed, such as tags and GOAMD64
}

// describe returns what Go and CPUID report about the machine. system.describe adds the
// rest.
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

// hypervisor returns the common name of a hypervisor, such as "KVM" for "KVMKVMKVM".
func hypervisor(id cpuid.Vendor, signature string) string {
	if id != cpuid.VendorUnknown {
		return id.String()
	}
	if signature = strings.TrimSpace(strings.Trim(signature, "\x00")); signature == "" {
		return "unknown"
	}
	return signature
}

// A usage holds the system's counters since boot.
type usage struct {
	known     bool
	busy      float64 // seconds of CPU time used by all processes
	idle      float64 // seconds of CPU time that went unused
	steal     float64 // seconds of CPU time that the hypervisor gave to other guests
	own       float64 // seconds of CPU time used by this process
	throttled uint64  // periods in which the container used up its quota
}
