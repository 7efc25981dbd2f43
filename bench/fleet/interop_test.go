//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/bench"
	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/rediscache"
)

const processes = 50

// A worker is the test program itself, started with these variables.
const (
	workerURL   = "GKPOW_TEST_FLEET_URL"
	workerCache = "GKPOW_TEST_FLEET_CACHE" // URL of the shared cache; empty for none
	workerSeed  = "GKPOW_TEST_FLEET_SEED"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(workerURL); url != "" {
		if err := work(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Each process makes requests at this rate for this long.
const (
	requestRate   = 0.5
	tokenLifetime = 5 * time.Second
	fleetTime     = 40 * time.Second
)

// work makes requests at random times, once standard input says when to begin. It prints
// how many tokens it got without the shared cache because the cache did not answer.
func work(url string) error {
	seed, err := strconv.ParseUint(os.Getenv(workerSeed), 10, 64)
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{URL: url, SiteKey: gktest.SiteKey, SecretKey: client.NewSecret(gktest.SecretKey)})
	if err != nil {
		return err
	}
	var tokens client.TokenSource
	alone := func() uint64 { return 0 }
	if url := os.Getenv(workerCache); url != "" {
		shared, err := rediscache.New(c, rediscache.Options{URL: url})
		if err != nil {
			return err
		}
		defer shared.Close()
		tokens, alone = shared, func() uint64 { return shared.Stats().Alone }
	} else {
		source := client.NewSource(c, client.SourceOptions{})
		defer source.Close()
		tokens = source
	}
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), fleetTime)
	defer cancel()
	rng := rand.New(rand.NewPCG(seed, 0))
	for {
		select {
		case <-ctx.Done():
			fmt.Println(alone())
			return nil
		case <-time.After(time.Duration(rng.ExpFloat64() / requestRate * float64(time.Second))):
			if _, err := tokens.Token(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func interop(t *testing.T) {
	t.Helper()
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
}

// startRedis starts a server and returns the URL of the cache.
func startRedis(t *testing.T) string {
	socket := filepath.Join(t.TempDir(), "redis.sock")
	cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", t.TempDir())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	require.Eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, time.Minute, 10*time.Millisecond)
	return "unix://" + socket + "?timeout=1s"
}

// The simulation predicts how many challenges 50 real processes request, both with a token
// each and with one shared token.
func TestInteropTokens(t *testing.T) {
	interop(t)
	executable, err := os.Executable()
	require.NoError(t, err)
	counts := map[bool]int{}
	var running sync.WaitGroup
	var services []*gktest.Service
	var inputs []io.WriteCloser
	var outputs [2 * processes]bytes.Buffer
	for i, shared := range []bool{false, true} {
		service := gktest.New(gktest.Options{Difficulty: 1, TokenLifetime: tokenLifetime})
		server := httptest.NewServer(service)
		defer server.Close()
		services = append(services, service)
		cache := ""
		if shared {
			cache = startRedis(t)
		}
		for n := range processes {
			cmd := exec.Command(executable)
			cmd.Env = append(os.Environ(), workerURL+"="+server.URL, workerCache+"="+cache, fmt.Sprintf("%s=%d", workerSeed, n))
			output := &outputs[i*processes+n]
			cmd.Stdout, cmd.Stderr = output, output
			input, err := cmd.StdinPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			inputs = append(inputs, input)
			running.Go(func() {
				if err := cmd.Wait(); err != nil {
					fmt.Fprintln(output, err)
				}
			})
		}
	}
	for _, input := range inputs {
		fmt.Fprintln(input)
	}
	running.Wait()
	alone := 0
	for i := range outputs {
		n, err := strconv.Atoi(strings.TrimSpace(outputs[i].String()))
		require.NoError(t, err, &outputs[i])
		alone += n
	}
	counts[false], counts[true] = services[0].Counts().Challenges, services[1].Counts().Challenges

	for shared, got := range counts {
		f := bench.TokenFleet{Machines: processes, Requests: requestRate, Shared: shared, Lifetime: tokenLifetime, Duration: fleetTime}
		rng := rand.New(rand.NewPCG(1, 2))
		var simulated []int
		for range 2000 {
			simulated = append(simulated, f.Handshakes(rng))
		}
		slices.Sort(simulated)
		low, median, high := simulated[2], simulated[1000], simulated[1997]
		t.Logf("one token for all: %v: %d challenges; simulated %d, %d to %d in 998 of 1000 cases", shared, got, median, low, high)
		if shared {
			t.Logf("%d of the challenges were requested because the cache did not answer", alone)
			high += alone
		}
		// A busy machine makes handshakes slower, so there are fewer.
		require.LessOrEqual(t, got, high+1)
		require.GreaterOrEqual(t, got, int(0.9*float64(low))-1)
	}
}

var stopped = regexp.MustCompile(`stopped after ([0-9]+) hashes`)

// The simulation predicts how many hashes 50 real processes compute before the first of them
// finds a solution, and so how long they take.
func TestInteropSearch(t *testing.T) {
	interop(t)
	difficulty, searches := 7, 30
	if testing.Short() {
		difficulty, searches = 6, 6
	}
	program := filepath.Join(t.TempDir(), "gkpow")
	output, err := exec.Command("go", "build", "-o", program, "github.com/gkpow/gkpow/cmd/gkpow").CombinedOutput()
	require.NoError(t, err, "%s", output)

	var hashes, seconds []float64
	for n := range searches {
		work, elapsed := search(t, program, fmt.Sprintf(`{"challengeId":"c","salt":"%032x","difficulty":%d,"expiresAt":9000000000}`, n, difficulty))
		hashes, seconds = append(hashes, work), append(seconds, elapsed.Seconds())
	}
	sum := func(values []float64) (total float64) {
		for _, v := range values {
			total += v
		}
		return total
	}
	rate := sum(hashes) / sum(seconds)
	slices.Sort(seconds)
	slices.Sort(hashes)

	// At the processes' measured rate, the hashes and the time are equivalent.
	f := bench.SearchFleet{Bits: 4 * difficulty, Rates: slices.Repeat([]float64{rate / processes}, processes)}
	rng := rand.New(rand.NewPCG(1, 2))
	var simulated []float64
	for range 20_000 {
		simulated = append(simulated, f.Time(rng).Seconds())
	}
	slices.Sort(simulated)
	t.Logf("%d searches at %.1f MH/s: p50 %.2f s, simulated %.2f s; p90 %.2f s, simulated %.2f s", searches, rate/1e6,
		seconds[searches/2], simulated[10_000], seconds[searches*9/10], simulated[18_000])

	// In a Kolmogorov–Smirnov test, the statistic exceeds 1.95/√n by chance once in a thousand
	// times. The puzzles are always the same, so the result does not vary.
	distance := 0.0
	for i, work := range hashes {
		below, _ := slices.BinarySearch(simulated, work/rate)
		part := float64(below) / float64(len(simulated))
		distance = max(distance, math.Abs(part-float64(i)/float64(searches)), math.Abs(part-float64(i+1)/float64(searches)))
	}
	t.Logf("largest distance of the distributions: %.3f", distance)
	require.Less(t, distance, 1.95/math.Sqrt(float64(searches)))
}

// search starts 50 processes at once and stops them when one finds a solution. It returns the
// hashes of all processes and the time until then.
func search(t *testing.T, program, challenge string) (hashes float64, elapsed time.Duration) {
	type result struct {
		found  bool
		output string
		at     time.Time
	}
	results := make(chan result, processes)
	var commands []*exec.Cmd
	var inputs []io.WriteCloser
	for i := range processes {
		cmd := exec.Command(program, "solve", "--challenge", "-", "--threads", "1", "--json", "--shard", "auto")
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1", fmt.Sprintf("GKPOW_SHARD_INDEX=%d", i), fmt.Sprintf("GKPOW_SHARD_COUNT=%d", processes))
		var output bytes.Buffer
		cmd.Stdout, cmd.Stderr = &output, &output
		input, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		commands, inputs = append(commands, cmd), append(inputs, input)
		go func() {
			err := cmd.Wait()
			results <- result{err == nil, output.String(), time.Now()}
		}()
	}
	for _, input := range inputs { // more spaces than a pipe holds, so this waits until the process reads
		_, err := io.WriteString(input, strings.Repeat(" ", 1<<17))
		require.NoError(t, err)
	}
	begin := time.Now()
	for _, input := range inputs {
		io.WriteString(input, challenge)
		input.Close()
	}
	for range processes {
		r := <-results
		switch m := stopped.FindStringSubmatch(r.output); {
		case r.found:
			if elapsed == 0 {
				elapsed = r.at.Sub(begin)
				for _, cmd := range commands {
					cmd.Process.Signal(syscall.SIGTERM)
				}
			}
			_, number, _ := strings.Cut(r.output, `"hashes":`)
			number, _, _ = strings.Cut(number, ",")
			n, err := strconv.ParseFloat(number, 64)
			require.NoError(t, err, r.output)
			hashes += n
		case m != nil:
			n, err := strconv.ParseFloat(m[1], 64)
			require.NoError(t, err)
			hashes += n
		case strings.Contains(r.output, "still waiting for"): // it has not read the end of its input yet
		default:
			require.Fail(t, "a process ended without a solution", r.output)
		}
	}
	return hashes, elapsed
}
