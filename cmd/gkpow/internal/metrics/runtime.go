package metrics

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// CollectProcess registers the metrics of the process (process_*) and of the Go runtime (go_*)
// that Prometheus client libraries provide.
func (r *Registry) CollectProcess() {
	started := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect = append(r.collect, collectRuntime, func(b *batch) { collectProcess(b, started) })
}

func collectRuntime(b *batch) {
	pauses := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&pauses)
	b.add(summaryKind, "go_gc_duration_seconds", "A summary of the wall-time pause (stop-the-world) duration in garbage collection cycles.", func(w *writer, labels []label) {
		for i, pause := range pauses.PauseQuantiles {
			w.float("", labels, &bounded{"quantile", float64(i) / 4}, pause.Seconds())
		}
		w.float("_sum", labels, nil, pauses.PauseTotal.Seconds())
		w.count("_count", labels, nil, uint64(pauses.NumGC))
	})
	b.add(gaugeKind, "go_info", "Information about the Go environment.", sample(func() float64 { return 1 }), "version", runtime.Version())
	b.gauge("go_goroutines", "Number of goroutines that currently exist.", float64(runtime.NumGoroutine()))
	threads, _ := runtime.ThreadCreateProfile(nil)
	b.gauge("go_threads", "Number of OS threads created.", float64(threads))
	b.gauge("go_gc_gogc_percent", "Heap size target percentage configured by the user, otherwise 100. This value is set by the GOGC environment variable, and the runtime/debug.SetGCPercent function. Sourced from /gc/gogc:percent.", gcPercent())
	b.gauge("go_gc_gomemlimit_bytes", "Go runtime memory limit configured by the user, otherwise math.MaxInt64. This value is set by the GOMEMLIMIT environment variable, and the runtime/debug.SetMemoryLimit function. Sourced from /gc/gomemlimit:bytes.", float64(debug.SetMemoryLimit(-1))) // which sets nothing
	b.gauge("go_sched_gomaxprocs_threads", "The current runtime.GOMAXPROCS setting, or the number of operating system threads that can execute user-level Go code simultaneously. Sourced from /sched/gomaxprocs:threads.", float64(runtime.GOMAXPROCS(0)))

	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.gauge("go_memstats_alloc_bytes", "Number of bytes allocated in heap and currently in use. Equals to /memory/classes/heap/objects:bytes.", float64(m.Alloc))
	b.counter("go_memstats_alloc_bytes_total", "Total number of bytes allocated in heap until now, even if released already. Equals to /gc/heap/allocs:bytes.", float64(m.TotalAlloc))
	b.gauge("go_memstats_buck_hash_sys_bytes", "Number of bytes used by the profiling bucket hash table. Equals to /memory/classes/profiling/buckets:bytes.", float64(m.BuckHashSys))
	b.counter("go_memstats_frees_total", "Total number of heap objects frees. Equals to /gc/heap/frees:objects + /gc/heap/tiny/allocs:objects.", float64(m.Frees))
	b.gauge("go_memstats_gc_sys_bytes", "Number of bytes used for garbage collection system metadata. Equals to /memory/classes/metadata/other:bytes.", float64(m.GCSys))
	b.gauge("go_memstats_heap_alloc_bytes", "Number of heap bytes allocated and currently in use, same as go_memstats_alloc_bytes. Equals to /memory/classes/heap/objects:bytes.", float64(m.HeapAlloc))
	b.gauge("go_memstats_heap_idle_bytes", "Number of heap bytes waiting to be used. Equals to /memory/classes/heap/released:bytes + /memory/classes/heap/free:bytes.", float64(m.HeapIdle))
	b.gauge("go_memstats_heap_inuse_bytes", "Number of heap bytes that are in use. Equals to /memory/classes/heap/objects:bytes + /memory/classes/heap/unused:bytes", float64(m.HeapInuse))
	b.gauge("go_memstats_heap_objects", "Number of currently allocated objects. Equals to /gc/heap/objects:objects.", float64(m.HeapObjects))
	b.gauge("go_memstats_heap_released_bytes", "Number of heap bytes released to OS. Equals to /memory/classes/heap/released:bytes.", float64(m.HeapReleased))
	b.gauge("go_memstats_heap_sys_bytes", "Number of heap bytes obtained from system. Equals to /memory/classes/heap/objects:bytes + /memory/classes/heap/unused:bytes + /memory/classes/heap/released:bytes + /memory/classes/heap/free:bytes.", float64(m.HeapSys))
	b.gauge("go_memstats_last_gc_time_seconds", "Number of seconds since 1970 of last garbage collection.", float64(m.LastGC)/1e9)
	b.counter("go_memstats_mallocs_total", "Total number of heap objects allocated, both live and gc-ed. Semantically a counter version for go_memstats_heap_objects gauge. Equals to /gc/heap/allocs:objects + /gc/heap/tiny/allocs:objects.", float64(m.Mallocs))
	b.gauge("go_memstats_mcache_inuse_bytes", "Number of bytes in use by mcache structures. Equals to /memory/classes/metadata/mcache/inuse:bytes.", float64(m.MCacheInuse))
	b.gauge("go_memstats_mcache_sys_bytes", "Number of bytes used for mcache structures obtained from system. Equals to /memory/classes/metadata/mcache/inuse:bytes + /memory/classes/metadata/mcache/free:bytes.", float64(m.MCacheSys))
	b.gauge("go_memstats_mspan_inuse_bytes", "Number of bytes in use by mspan structures. Equals to /memory/classes/metadata/mspan/inuse:bytes.", float64(m.MSpanInuse))
	b.gauge("go_memstats_mspan_sys_bytes", "Number of bytes used for mspan structures obtained from system. Equals to /memory/classes/metadata/mspan/inuse:bytes + /memory/classes/metadata/mspan/free:bytes.", float64(m.MSpanSys))
	b.gauge("go_memstats_next_gc_bytes", "Number of heap bytes when next garbage collection will take place. Equals to /gc/heap/goal:bytes.", float64(m.NextGC))
	b.gauge("go_memstats_other_sys_bytes", "Number of bytes used for other system allocations. Equals to /memory/classes/other:bytes.", float64(m.OtherSys))
	b.gauge("go_memstats_stack_inuse_bytes", "Number of bytes obtained from system for stack allocator in non-CGO environments. Equals to /memory/classes/heap/stacks:bytes.", float64(m.StackInuse))
	b.gauge("go_memstats_stack_sys_bytes", "Number of bytes obtained from system for stack allocator. Equals to /memory/classes/heap/stacks:bytes + /memory/classes/os-stacks:bytes.", float64(m.StackSys))
	b.gauge("go_memstats_sys_bytes", "Number of bytes obtained from system. Equals to /memory/classes/total:byte.", float64(m.Sys))
}

// gcPercent returns the value that the runtime takes from GOGC when it starts. Package
// runtime/metrics could report it, but would add 0.1 ms to the start of every command.
func gcPercent() float64 {
	text := os.Getenv("GOGC")
	if text == "off" {
		return math.MaxUint64 // as in runtime/metrics
	}
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return float64(uint64(n))
	}
	return 100
}

// A process holds what the operating system reports about this process. Unknown values are NaN.
type process struct {
	cpu                         float64 // seconds
	openFiles, maxFiles         float64
	virtual, maxVirtual, memory float64 // bytes
	received, sent              float64 // bytes
}

// unknownProcess is a process with no known values.
var unknownProcess = process{
	math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(),
}

func collectProcess(b *batch, started time.Time) {
	p := readProcess()
	known := func(add func(name, help string, value float64), name, help string, value float64) {
		if !math.IsNaN(value) {
			add(name, help, value)
		}
	}
	known(b.counter, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", p.cpu)
	known(b.gauge, "process_max_fds", "Maximum number of open file descriptors.", p.maxFiles)
	known(b.counter, "process_network_receive_bytes_total", "Number of bytes received by the process over the network.", p.received)
	known(b.counter, "process_network_transmit_bytes_total", "Number of bytes sent by the process over the network.", p.sent)
	known(b.gauge, "process_open_fds", "Number of open file descriptors.", p.openFiles)
	known(b.gauge, "process_resident_memory_bytes", "Resident memory size in bytes.", p.memory)
	known(b.gauge, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.", float64(started.UnixMilli())/1e3)
	known(b.gauge, "process_virtual_memory_bytes", "Virtual memory size in bytes.", p.virtual)
	known(b.gauge, "process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.", p.maxVirtual)
}
