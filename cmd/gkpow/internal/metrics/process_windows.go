package metrics

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	kernel32              = windows.NewLazySystemDLL("kernel32.dll")
	getProcessMemoryInfo  = kernel32.NewProc("K32GetProcessMemoryInfo")
	getProcessHandleCount = kernel32.NewProc("GetProcessHandleCount")
)

// A memoryCounters is PROCESS_MEMORY_COUNTERS_EX (Windows, psapi.h).
type memoryCounters struct {
	size, pageFaults              uint32
	peakWorkingSet, workingSet    uintptr
	peakPaged, paged              uintptr
	peakNonPaged, nonPaged        uintptr
	pagefile, peakPagefile, owned uintptr
}

// maxHandles is the most handles that a process can have (Microsoft, "Pushing the Limits
// of Windows: Handles").
const maxHandles = 16 << 20

func readProcess() process {
	p := unknownProcess
	self := windows.CurrentProcess()
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(self, &created, &exited, &kernel, &user); err == nil {
		p.cpu = seconds(kernel) + seconds(user)
	}
	memory := memoryCounters{size: uint32(unsafe.Sizeof(memoryCounters{}))}
	if ok, _, _ := getProcessMemoryInfo.Call(uintptr(self), uintptr(unsafe.Pointer(&memory)), uintptr(memory.size)); ok != 0 {
		p.virtual, p.memory = float64(memory.owned), float64(memory.workingSet)
	}
	var handles uint32
	if ok, _, _ := getProcessHandleCount.Call(uintptr(self), uintptr(unsafe.Pointer(&handles))); ok != 0 {
		p.openFiles, p.maxFiles = float64(handles), maxHandles
	}
	return p
}

// seconds converts a Filetime, which counts units of 100 ns.
func seconds(t windows.Filetime) float64 {
	return float64(uint64(t.HighDateTime)<<32|uint64(t.LowDateTime)) / 1e7
}
