package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gkpow/gkpow/solver"
	"github.com/gkpow/gkpow/strategies"
)

// A rival is a search to compare.
type rival struct {
	name    string
	what    string // description for the table: a version, or what the search does
	threads int
	missing string // why it cannot run on this machine
	search  func(ctx context.Context, p puzzle) (cost, error)

	size int    // index of the puzzle to solve
	runs []cost // measured runs, without the warm-up
	err  error  // why it failed
}

// A cost is what a search took.
type cost struct {
	hashes  uint64
	seconds float64 // duration of the search itself
	start   float64 // seconds to start the process
}

func (t cost) rate() float64 { return float64(t.hashes) / t.seconds }

// time returns the seconds for a number of hashes, including the start of the process.
func (t cost) time(hashes float64) float64 { return t.start + hashes/t.rate() }

//go:embed search.mjs
var nodeLoop string

//go:embed search.py
var pythonLoop string

//go:embed search.php
var phpLoop string

// newRivals returns all rivals, and writes the files that they need to dir.
func newRivals(ctx context.Context, dir string) ([]*rival, error) {
	var list []*rival
	for _, s := range []struct{ name, tool, file, loop string }{
		{"node", "node", "search.mjs", nodeLoop},
		{"python", "python3", "search.py", pythonLoop},
		{"php", "php", "search.php", phpLoop},
	} {
		file := filepath.Join(dir, s.file)
		if err := os.WriteFile(file, []byte(s.loop), 0o600); err != nil {
			return nil, err
		}
		list = append(list, newScript(ctx, s.name, s.tool, file))
	}
	list = append(list, newOpenSSL(ctx))
	for _, s := range strategies.All() {
		list = append(list, newStrategy(s))
	}
	command, err := newCommand(ctx, dir)
	if err != nil {
		return nil, err
	}
	return append(list, newThreads(), command), nil
}

// newScript returns the rival that runs a script, which prints the nonce, the hash and
// the seconds that its loop took.
func newScript(ctx context.Context, name, tool, file string) *rival {
	r := &rival{name: name, threads: 1}
	r.what, r.missing = version(ctx, tool, "--version")
	r.search = func(ctx context.Context, p puzzle) (t cost, err error) {
		start := time.Now()
		out, err := command(ctx, tool, file, p.salt, strconv.Itoa(p.difficulty))
		if err != nil {
			return t, err
		}
		elapsed := time.Since(start).Seconds()
		var nonce uint64
		var hash string
		if _, err := fmt.Sscan(out, &nonce, &hash, &t.seconds); err != nil {
			return t, fmt.Errorf("it printed %q: %w", out, err)
		}
		if want := fmt.Sprintf("%x", p.solverPuzzle().Hash(p.nonce)); nonce != p.nonce || hash != want {
			return t, fmt.Errorf("it found nonce %d, hash %s; want %d, %s", nonce, hash, p.nonce, want)
		}
		t.hashes, t.start = nonce+1, elapsed-t.seconds
		return t, nil
	}
	return r
}

// newOpenSSL returns openssl speed, which does not search but hashes a message of the same
// length repeatedly.
func newOpenSSL(ctx context.Context) *rival {
	r := &rival{name: "openssl-speed", threads: 1}
	r.what, r.missing = version(ctx, "openssl", "version")
	r.what += "; hashes one message repeatedly, without searching"
	r.search = func(ctx context.Context, p puzzle) (t cost, err error) {
		length := len(p.salt) + len(":") + len(strconv.FormatUint(p.nonce, 10))
		out, err := command(ctx, "openssl", "speed", "-elapsed", "-mr", "-seconds", "1", "-bytes", strconv.Itoa(length), "-evp", "sha256")
		if err != nil {
			return t, err
		}
		// +F:number of the algorithm:its name:bytes per second
		for line := range strings.Lines(out) {
			fields := strings.Split(strings.TrimSpace(line), ":")
			if fields[0] != "+F" || len(fields) != 4 {
				continue
			}
			if bytes, err := strconv.ParseFloat(fields[3], 64); err == nil && bytes > 0 {
				return cost{hashes: uint64(bytes) / uint64(length), seconds: 1}, nil
			}
		}
		return t, fmt.Errorf("no rate in %q", out)
	}
	return r
}

// newStrategy returns the rival that runs a strategy on one thread of this process.
func newStrategy(s strategies.Strategy) *rival {
	r := &rival{name: s.Name(), what: s.Description(), threads: 1}
	if s.Missing() != "" {
		r.missing = "this CPU has no " + s.Missing()
	}
	if s.Name() == "minio-avx512" {
		r.threads = runtime.GOMAXPROCS(0) // its 16 goroutines use all of them
	}
	r.search = func(ctx context.Context, p puzzle) (cost, error) {
		return searchAll(p, func(found func(uint64) bool) (uint64, error) {
			return s.Search(ctx, p.solverPuzzle(), strategies.Range{First: 0, Last: p.nonce}, found)
		})
	}
	return r
}

// newThreads returns the engine with default options, restricted to the nonces that the
// other rivals search.
func newThreads() *rival {
	r := &rival{name: "gkpow", what: "the engine with default options", threads: runtime.GOMAXPROCS(0)}
	r.search = func(ctx context.Context, p puzzle) (cost, error) {
		s, err := solver.New(solver.Options{MaxNonce: p.nonce})
		if err != nil {
			return cost{}, err
		}
		return searchAll(p, func(found func(uint64) bool) (uint64, error) {
			return s.All(ctx, p.solverPuzzle(), func(solution solver.Solution) bool { return found(solution.Nonce) })
		})
	}
	return r
}

// searchAll searches all nonces up to the solution, and checks that the search tried each of
// them and found only that solution.
func searchAll(p puzzle, search func(found func(uint64) bool) (uint64, error)) (t cost, err error) {
	var nonces []uint64
	start := time.Now()
	t.hashes, err = search(func(nonce uint64) bool {
		nonces = append(nonces, nonce)
		return true
	})
	t.seconds = time.Since(start).Seconds()
	if err != nil {
		return t, err
	}
	if len(nonces) != 1 || nonces[0] != p.nonce || t.hashes != p.nonce+1 {
		return t, fmt.Errorf("it found nonces %d in %d hashes; want %d in %d", nonces, t.hashes, p.nonce, p.nonce+1)
	}
	return t, nil
}

// newCommand returns the command gkpow, run as a new process for each search.
func newCommand(ctx context.Context, dir string) (*rival, error) {
	r := &rival{name: "gkpow-solve", what: "the command gkpow solve --sequential", threads: runtime.GOMAXPROCS(0)}
	gkpow := filepath.Join(dir, "gkpow.exe") // Windows requires the suffix
	if out, err := command(ctx, "go", "build", "-C", "../..", "-trimpath", "-o", gkpow, "./cmd/gkpow"); err != nil {
		return nil, fmt.Errorf("building gkpow (is this bench/compare?): %w\n%s", err, out)
	}
	r.search = func(ctx context.Context, p puzzle) (t cost, err error) {
		start := time.Now()
		out, err := command(ctx, gkpow, "solve", "--salt", p.salt, "--difficulty", strconv.Itoa(p.difficulty), "--sequential", "--json")
		if err != nil {
			return t, err
		}
		elapsed := time.Since(start).Seconds()
		var solution struct {
			Nonce   uint64
			Seconds float64
		}
		if err := json.Unmarshal([]byte(out), &solution); err != nil {
			return t, err
		}
		if solution.Nonce != p.nonce {
			return t, fmt.Errorf("it found nonce %d; want %d", solution.Nonce, p.nonce)
		}
		return cost{hashes: p.nonce + 1, seconds: solution.Seconds, start: elapsed - solution.Seconds}, nil
	}
	return r, nil
}

// command runs a program and returns its output.
func command(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// version returns the first line of a program's version output, or why it cannot be run.
func version(ctx context.Context, name string, args ...string) (line, missing string) {
	if _, err := exec.LookPath(name); err != nil {
		return "", "not installed"
	}
	out, err := command(ctx, name, args...)
	if err != nil {
		return "", err.Error()
	}
	line, _, _ = strings.Cut(strings.TrimSpace(out), "\n")
	return line, ""
}
