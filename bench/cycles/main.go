// Command cycles measures every part of every kernel in CPU cycles per hash: each word of
// Scan, each counter of ScanGrid, ScanTails with 1 to 1,000 tails, and ScanShared.
//
//	go run ./bench/cycles [-kernels shani,avx2] [-rounds 60] [-json]
//
// All parts take turns in short bursts, so a disturbance affects all of them. The time of a part is
// the least of many bursts; a median far above it indicates a busy machine. The command names parts
// that take over 5 % longer than their neighbours.
//
// It runs two copies of its own binary in turn and takes the faster one for each part, because the
// physical addresses of code pages matter: if two pages of a part clash in the instruction cache,
// the part takes 5 to 80 % longer. On Zen 4 one file in seventeen has such a part. The pages of a
// file keep their addresses while the system caches the file, so all its runs are slow; a copy has
// other addresses.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"

	"github.com/klauspost/cpuid/v2"

	"github.com/gkpow/gkpow/bench"
)

const (
	copies = 2
	passes = 3 // runs of each copy, in turn
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("cycles: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		log.Fatal(err)
	}
}

// run measures the kernels and prints a report, or with -worker the bursts.
func run(ctx context.Context, arguments []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("cycles", flag.ContinueOnError)
	kernels := flags.String("kernels", "",
		"names of the kernels to measure, separated by commas (default: all that this CPU can run)")
	rounds := flags.Int("rounds", 60,
		fmt.Sprintf("bursts of each part in each of %d copies of the binary, at least %d", copies, passes))
	asJSON := flags.Bool("json", false, "print JSON")
	isWorker := flags.Bool("worker", false,
		"print the bursts of one run as JSON; the command starts copies of itself with this flag")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q: see -help", flags.Arg(0))
	}
	if *rounds < passes && !*isWorker {
		return fmt.Errorf("-rounds %d: it must be at least %d", *rounds, passes)
	}
	parts, missing, err := partsOf(*kernels)
	if err != nil {
		return err
	}
	if *isWorker {
		return json.NewEncoder(stdout).Encode(measure(ctx, parts, *rounds))
	}
	bursts, err := measureCopies(ctx, *kernels, *rounds)
	if err != nil {
		return err
	}
	r := newReport(parts, bursts, bench.PortsOf(cpuid.CPU.VendorString, cpuid.CPU.Family))
	r.Missing = missing
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	return r.print(stdout)
}

// measureCopies runs copies of this binary in turn and returns the bursts of each.
func measureCopies(ctx context.Context, kernels string, rounds int) ([]measured, error) {
	dir, err := os.MkdirTemp("", "gkpow-cycles")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binaries := make([]string, copies)
	for i := range binaries {
		binaries[i] = filepath.Join(dir, fmt.Sprintf("cycles%d", i))
		if err := copySelf(binaries[i]); err != nil {
			return nil, err
		}
	}
	bursts := make([]measured, copies)
	for range passes {
		for i, binary := range binaries {
			worker := exec.CommandContext(ctx, binary, "-worker", "-kernels", kernels, "-rounds", strconv.Itoa(rounds/passes))
			worker.Stderr = os.Stderr
			output, err := worker.Output()
			if err != nil {
				return nil, fmt.Errorf("run a copy of this command: %w", errors.Join(err, context.Cause(ctx)))
			}
			var m measured
			if err := json.Unmarshal(output, &m); err != nil {
				return nil, fmt.Errorf("parse the output of a copy of this command: %w", err)
			}
			bursts[i].add(m)
		}
	}
	return bursts, nil
}

// copySelf copies the running binary to a file.
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
