// Command fleet simulates fleets of machines that share tokens or a search, and prints
// the tables of docs/scaling.md. The same flags always print the same tables. To measure
// the rates to pass, use "gkpow bench" or "gkpow explain".
//
//	go run ./bench/fleet -rate 54 -slowest 4 -cores 2 -start 2s
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/natefinch/atomic"

	"github.com/gkpow/gkpow/bench"
)

// The rates come from gkpow explain --salt-length 32 on an AMD EPYC of family 25, model 1:
// the kernel shani, and generic for a machine without the instructions that the other
// kernels need.
//
//go:generate go run . -rate 53.6 -slowest 3.9 -cores 2 -start 2s -into ../../docs/scaling.md -svg ../../docs/scaling.svg

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rate := flags.Float64("rate", 53.6, "million hashes per second of a core of an ordinary machine")
	slowest := flags.Float64("slowest", 3.9, "million hashes per second of a core of the slowest machine")
	cores := flags.Int("cores", 2, "cores of a machine")
	start := flags.Duration("start", 2*time.Second, "longest time that the scheduler takes to start a process")
	handshake := flags.Duration("handshake", 500*time.Millisecond, "time from requesting a challenge to receiving the token")
	quotas := flags.String("quota", "10000,100000,1000000", "comma-separated monthly quotas to compare with")
	seed := flags.Uint64("seed", 1, "seed of the random numbers")
	trials := flags.Int("trials", 5_000, "searches to simulate for each figure")
	into := flags.String("into", "", "Markdown file in which to replace the text between the lines <!-- fleet --> and <!-- /fleet -->")
	svg := flags.String("svg", "", "file for a chart of the searches")
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp // flags has printed the error already
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag: see -help", flags.Arg(0))
	}
	o := bench.FleetOptions{
		Seed: *seed, Trials: *trials, Rate: *rate * 1e6, Slowest: *slowest * 1e6, Cores: *cores,
		Start: *start, Handshake: *handshake,
	}
	for s := range strings.SplitSeq(*quotas, ",") {
		if s == "" {
			continue
		}
		quota, err := strconv.Atoi(s)
		if err != nil || quota < 1 {
			return fmt.Errorf("-quota: %q is not a number of challenges", s)
		}
		o.Quotas = append(o.Quotas, quota)
	}
	report, err := bench.SimulateFleet(o)
	if err != nil {
		return err
	}
	if *svg != "" {
		if err := atomic.WriteFile(*svg, strings.NewReader(report.SVG())); err != nil {
			return err
		}
	}
	if *into == "" {
		_, err := io.WriteString(stdout, report.Markdown())
		return err
	}
	return replace(*into, report.Markdown())
}

// replace replaces the text between the markers in a file.
func replace(file, text string) error {
	const begin, end = "<!-- fleet -->\n", "<!-- /fleet -->\n"
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(data), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", file, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return atomic.WriteFile(file, strings.NewReader(head+begin+"\n"+strings.TrimSuffix(text, "\n")+"\n\n"+end+tail))
}
