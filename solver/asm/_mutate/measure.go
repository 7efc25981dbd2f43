package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gkpow/gkpow/solver/asm"
)

// chosen returns the kernels to measure. It returns an error if a kernel named with -kernels does
// not exist or cannot run on this CPU.
func chosen(kernels []kernel) (measured []kernel, err error) {
	var wanted []string
	if *names != "" {
		wanted = strings.Split(*names, ",")
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(kernels, func(k kernel) bool { return k.name == name }) {
			return nil, fmt.Errorf("-kernels: there is no kernel %q for %s in %s", name, *goarch, *source)
		}
	}
	for _, k := range kernels {
		if wanted != nil && !slices.Contains(wanted, k.name) {
			continue
		}
		missing := inThisProgram(k.name).Missing
		switch {
		case missing == "":
			measured = append(measured, k)
		case wanted != nil:
			return nil, fmt.Errorf("-kernels: this CPU cannot run %s, which needs %s", k.name, missing)
		default:
			fmt.Printf("%s: skipped, since it needs %s, which this CPU lacks\n", k.name, missing)
		}
	}
	return measured, nil
}

// inThisProgram returns the kernel of that name in this program.
func inThisProgram(name string) asm.Kernel {
	all := asm.Kernels()
	return all[slices.IndexFunc(all, func(k asm.Kernel) bool { return k.Name == name })]
}

// selfTest runs the parts of the kernel's self-test that call the given function: first those in
// which the given word varies, then the others in order. ScanShared has a single part.
func selfTest(kernel, function string, word int) error {
	k := inThisProgram(kernel)
	parts := []func(int) error{k.SelfTestScan, k.SelfTestTails}
	words := []int{word}
	switch {
	case strings.HasPrefix(function, "tails"):
		parts = parts[1:]
	case strings.HasPrefix(function, "grid"):
		parts = []func(int) error{k.SelfTestGrid}
		words[0] = min(max(word, 1), 13)
	case strings.HasPrefix(function, "shared"):
		return k.SelfTestShared()
	}
	for other := range 16 {
		if strings.HasPrefix(function, "grid") && (other < 1 || other > 13) || other == words[0] {
			continue
		}
		words = append(words, other)
	}
	for _, word := range words {
		for _, part := range parts {
			if err := part(word); err != nil {
				return err
			}
		}
	}
	return nil
}

// A verdict is the result for one mutant.
type verdict int

const (
	foundBySelfTest verdict = iota
	died
	endless
	foundByTests // the self-test passed, other tests failed
	missed       // everything passed
	same         // everything passed, since the mutant is equivalent to the original
)

// measure tests the mutants of a kernel.
func (k kernel) measure(dir string) (ok bool, err error) {
	start := time.Now()
	servers := make([]*forkServer, *workers)
	for w := range servers {
		if servers[w], err = startForkServer(); err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, servers[w].stop()) }()
	}
	limits := map[string]time.Duration{} // of CPU time, by function
	for _, i := range k.instructions {
		if limits[i.function] > 0 {
			continue
		}
		o, took, err := servers[0].run(trial{kernel: k.name, function: i.function, word: i.word, limit: time.Minute})
		if err != nil {
			return false, err
		}
		if o != passed {
			return false, errors.New("the self-test fails although nothing was changed")
		}
		limits[i.function] = 3*took + 100*time.Millisecond
	}

	rng := rand.New(rand.NewPCG(*seed, 0))
	mutants := make([]mutant, *count)
	for i := range mutants {
		mutants[i] = k.mutant(rng)
	}
	verdicts := make([]verdict, len(mutants))
	errs := make([]error, *workers)
	next := make(chan int)
	var group sync.WaitGroup
	for w := range *workers {
		path := filepath.Join(dir, fmt.Sprintf("mutant-%d", w))
		group.Go(func() {
			for i := range next {
				if errs[w] == nil {
					verdicts[i], errs[w] = k.try(servers[w], path, mutants[i], limits[mutants[i].function])
				}
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return false, err
	}

	var counts [same + 1]int
	for _, v := range verdicts {
		counts[v]++
	}
	bad := counts[foundByTests] + counts[missed]
	others, unfound := fmt.Sprintf("other tests detect %d of them", counts[foundByTests]), "no test detects it"
	if *tests == "" {
		others, unfound = "other tests did not run", "the self-test misses it"
	}
	fmt.Printf("%s: the self-test missed %d of %d mutants, %.2f %%; %s. "+
		"It detected %d; %d crashed, %d hung, %d are equivalent to the original. Time: %s\n",
		k.name, bad, len(mutants), 100*float64(bad)/float64(len(mutants)), others,
		counts[foundBySelfTest], counts[died], counts[endless], counts[same], time.Since(start).Round(time.Second))
	for i, m := range mutants {
		switch verdicts[i] {
		case foundByTests:
			fmt.Printf("  %s: other tests detect it\n", m)
		case missed:
			fmt.Printf("  %s: %s\n", m, unfound)
		case same:
			fmt.Printf("  %s: equivalent, %s\n", m, m.reason())
		}
	}
	return 100*bad < len(mutants), nil
}

// try tests one mutant. It writes a copy of the tests to path if it needs one.
func (k kernel) try(s *forkServer, path string, m mutant, limit time.Duration) (verdict, error) {
	o, _, err := s.run(trial{k.name, m.function, m.word, m.address, m.code, limit})
	if err != nil || o != passed {
		return map[outcome]verdict{failed: foundBySelfTest, crashed: died, hung: endless}[o], err
	}
	if *tests != "" {
		if ok, err := m.runTests(k.name, path); err != nil || !ok {
			return foundByTests, err
		}
	}
	if m.reason() != "" {
		return same, nil
	}
	return missed, nil
}
