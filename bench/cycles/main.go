// Command cycles measures what each part of each kernel takes: every word of Scan, every counter
// of ScanGrid, and ScanTails with 1 to 1,000 tails, in CPU cycles for one hash.
//
//	go run ./bench/cycles [-kernels shani,avx2] [-rounds 60] [-json]
//
// All parts take turns in short bursts, so that what disturbs the machine disturbs all alike; the
// least time of many is what a part takes, and a median far above it shows a busy machine. It
// names parts that stand out from their neighbours by more than 5 %.
//
// It runs two copies of its own binary in turns and takes the faster for each part. Where two code
// pages used in turns have physical addresses that clash in the instruction cache, a part takes 5
// to 80 % longer in every run: on Zen 4 one file in seventeen has such a part. The pages of a file
// stay where they are as long as they are cached, and those of a copy are elsewhere.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/klauspost/cpuid/v2"

	"github.com/gkpow/gkpow/bench"
)

const (
	copies   = 2
	passes   = 3    // of each copy, in turns
	standout = 1.05 // a part that takes this many times what its neighbours do is named
)

// A report is what the command prints as JSON.
type report struct {
	CPU   string  `json:"cpu"`
	Go    string  `json:"go"`
	Hz    float64 `json:"hz"` // the clock
	Parts []part  `json:"parts"`
}

// A part is a function of a kernel, for one word or number of tails.
type part struct {
	Kernel   string  `json:"kernel"`
	Kind     string  `json:"kind"`               // "scan", "grid" or "tails"
	Number   int     `json:"number"`             // the word that varies, the counter, or how many tails
	Cycles   float64 `json:"cycles"`             // for one hash, the least of all bursts
	Median   float64 `json:"median"`             // the median of the same copy's bursts
	Bound    float64 `json:"bound,omitempty"`    // the least that the CPU's units allow, in cycles; 0 if unknown
	Share    float64 `json:"share,omitempty"`    // Bound / Cycles: 1 is perfect
	Standout float64 `json:"standout,omitempty"` // Cycles by those that the neighbours suggest, if far above 1
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("cycles: ")
	kernels := flag.String("kernels", "", "kernels to measure, separated by commas; all that this CPU can run by default")
	rounds := flag.Int("rounds", 60, "bursts of each part, in each of two copies of the binary")
	asJSON := flag.Bool("json", false, "print a JSON object")
	isWorker := flag.Bool("worker", false, "measure and print bursts; for the command's own use")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < passes {
		log.Fatalf("usage: cycles [-kernels NAMES] [-rounds N] [-json], with at least %d rounds", passes)
	}
	entrants, err := newEntrants(*kernels)
	if err != nil {
		log.Fatal(err)
	}
	if *isWorker {
		err = json.NewEncoder(os.Stdout).Encode(measure(entrants, *rounds))
	} else {
		err = run(entrants, *kernels, *rounds, *asJSON)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(entrants []entrant, kernels string, rounds int, asJSON bool) error {
	dir, err := os.MkdirTemp("", "gkpow-cycles")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var binaries []string
	for i := range copies {
		binary := filepath.Join(dir, fmt.Sprintf("cycles%d", i))
		if err := copySelf(binary); err != nil {
			return err
		}
		binaries = append(binaries, binary)
	}
	bursts := make([]measured, copies)
	for range passes {
		for i, binary := range binaries {
			worker := exec.Command(binary, "-worker", "-kernels", kernels, "-rounds", strconv.Itoa(rounds/passes))
			worker.Stderr = os.Stderr
			output, err := worker.Output()
			if err != nil {
				return err
			}
			var m measured
			if err := json.Unmarshal(output, &m); err != nil {
				return err
			}
			bursts[i].add(m)
		}
	}
	r := newReport(entrants, bursts, bench.PortsOf(cpuid.CPU.VendorString, cpuid.CPU.Family))
	if asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	return r.print(os.Stdout)
}

// copySelf copies the binary that is running.
func copySelf(to string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	return os.WriteFile(to, binary, 0o700)
}

// newReport takes the faster of the copies for each part.
func newReport(entrants []entrant, bursts []measured, ports bench.Ports) report {
	r := report{CPU: cpuid.CPU.BrandName, Go: runtime.Version()}
	for _, b := range bursts {
		r.Hz = max(r.Hz, b.Hz)
	}
	for i, e := range entrants {
		p := part{Kernel: e.kernel.Name, Kind: e.kind, Number: e.number, Bound: ports.Bound(e.kernel.Lanes, e.operations, e.rounds)}
		for _, b := range bursts {
			seconds := slices.Clone(b.Seconds[i])
			slices.Sort(seconds)
			if cycles := seconds[0] * r.Hz; p.Cycles == 0 || cycles < p.Cycles {
				p.Cycles, p.Median = cycles, seconds[len(seconds)/2]*r.Hz
			}
		}
		p.Share = p.Bound / p.Cycles
		r.Parts = append(r.Parts, p)
	}
	for i := range r.Parts {
		if factor := r.Parts[i].Cycles / expected(r.Parts, entrants, i); factor > standout {
			r.Parts[i].Standout = factor
		}
	}
	return r
}

// expected returns the cycles of a part if an operation took as long as in the two nearest parts
// of the same kernel and kind.
func expected(parts []part, entrants []entrant, i int) float64 {
	var neighbours []int
	for _, j := range []int{i - 1, i + 1, i - 2, i + 2} {
		if 0 <= j && j < len(parts) && parts[j].Kernel == parts[i].Kernel && parts[j].Kind == parts[i].Kind && len(neighbours) < 2 {
			neighbours = append(neighbours, j)
		}
	}
	if len(neighbours) == 0 || parts[i].Kind == "tails" { // numbers of tails are no neighbours
		return parts[i].Cycles
	}
	cycles, operations := 0.0, 0.0
	for _, j := range neighbours {
		cycles += parts[j].Cycles
		operations += entrants[j].operations
	}
	return cycles / operations * entrants[i].operations
}

func (r report) print(w io.Writer) error {
	fmt.Fprintf(w, "%s, %.2f GHz, %s\n", r.CPU, r.Hz/1e9, r.Go)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "KERNEL\tPART\tCYCLES\tMEDIAN\tBOUND\tOF BOUND\t")
	var notes []string
	for _, p := range r.Parts {
		bound, share := "", ""
		if p.Bound > 0 {
			bound, share = fmt.Sprintf("%.1f", p.Bound), fmt.Sprintf("%.0f %%", 100*p.Share)
		}
		fmt.Fprintf(t, "%s\t%s %d\t%.1f\t%.1f\t%s\t%s\t\n", p.Kernel, p.Kind, p.Number, p.Cycles, p.Median, bound, share)
		if p.Standout > 0 {
			notes = append(notes, fmt.Sprintf("%s %s %d takes %.0f %% longer than its neighbours", p.Kernel, p.Kind, p.Number, 100*(p.Standout-1)))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(notes) == 0 {
		notes = []string{"no part stands out from its neighbours"}
	}
	_, err := fmt.Fprintln(w, strings.Join(notes, "\n"))
	return err
}
