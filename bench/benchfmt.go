package bench

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// WriteBenchfmt writes each sample as a line in the Go benchmark format, so that
// benchstat can compute its own statistics:
//
//	benchstat -col /strategy report.txt
//
// The names are Search/strategy=S/salt=N/threads=N, Scaling/… with the same keys,
// and Solve/strategy=S/difficulty=N/salt=N/threads=N. A failed row has no lines, and
// the configuration key verdict is then FAIL.
func (r *Report) WriteBenchfmt(w io.Writer) error {
	out := benchfmt.NewWriter(w)
	units := []struct{ unit, better string }{
		{"hashes/s", "higher"}, {"ns/hash", "lower"}, {"cycles/hash", "lower"},
	}
	for _, u := range units {
		record := &benchfmt.UnitMetadata{
			UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: u.unit, Key: "better"},
			OrigUnit:        u.unit,
			Value:           u.better,
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	config := r.benchfmtConfig()
	write := func(name string, iterations uint64, values ...benchfmt.Value) error {
		return out.Write(&benchfmt.Result{
			Config: config,
			Name:   benchfmt.Name(name),
			Iters:  int(min(iterations, 1<<31-1)),
			Values: values,
		})
	}
	samples := func(name string, threads int, samples []Sample) error {
		for _, s := range samples {
			values := []benchfmt.Value{
				{Value: s.rate(), Unit: "hashes/s"},
				{Value: 1e9 * float64(threads) / s.rate(), Unit: "ns/hash"},
			}
			if s.Hz > 0 {
				values = append(values, benchfmt.Value{Value: s.Hz * float64(threads) / s.rate(), Unit: "cycles/hash"})
			}
			if err := write(name, s.Hashes, values...); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Status == Measured {
			if err := samples("Search/"+row.name(), row.Threads, row.Samples); err != nil {
				return err
			}
		}
	}
	if s := r.Scaling; s != nil {
		for _, p := range s.Points {
			row := Row{Strategy: s.Strategy, SaltLength: s.SaltLength, Threads: p.Threads}
			if err := samples("Scaling/"+row.name(), p.Threads, p.Samples); err != nil {
				return err
			}
		}
	}
	if r.Solve != nil {
		s := r.Solve.tested()
		name := fmt.Sprintf("Solve/strategy=%s/difficulty=%d/salt=%d/threads=%d", s.Strategy, s.Difficulty, s.SaltLength, s.Threads)
		for _, t := range s.Times {
			if err := write(name, 1, benchfmt.Value{Value: t * 1e9, Unit: "ns/op"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// benchfmtConfig returns the configuration keys of the file.
func (r *Report) benchfmtConfig() (config []benchfmt.Config) {
	add := func(key, value string) {
		if value = strings.Join(strings.Fields(value), " "); value != "" {
			config = append(config, benchfmt.Config{Key: key, Value: []byte(value), File: true})
		}
	}
	m, s := &r.Machine, &r.Settings
	add("goos", m.GOOS)
	add("goarch", m.GOARCH)
	add("pkg", "github.com/gkpow/gkpow/bench")
	add("cpu", m.CPU)
	add("go", m.Go)
	add("gkpow", strings.TrimSpace(m.Version+" "+m.Revision))
	add("os", m.OS)
	add("kernel", m.Kernel)
	add("cpus", fmt.Sprint(m.usableCPUs()))
	add("date", r.Date.Format("2006-01-02T15:04:05Z07:00"))
	add("seed", fmt.Sprint(s.Seed))
	add("arguments", strings.Join(s.Arguments, " "))
	add("checksum", r.Checksum)
	add("verdict", string(r.Verdict))
	if !r.Complete {
		add("incomplete", r.Stopped)
	}
	var names []string
	for _, d := range r.Warnings {
		names = append(names, d.Name)
	}
	add("warnings", strings.Join(names, " "))
	return config
}
