package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A TokenFleet is a set of machines that all need tokens. Each machine makes requests at
// random times, independently of the others (a Poisson process). It renews its token as
// client.Source does, in the last fifth of the token's lifetime: the first request after a
// random delay of up to a thirtieth of the lifetime starts the renewal.
type TokenFleet struct {
	Machines int     // number of machines
	Requests float64 // requests per second of each machine
	Shared   bool    // whether all machines share one token; otherwise each has its own

	Lifetime  time.Duration // lifetime of a token
	Handshake time.Duration // time from requesting a challenge to receiving the token
	Duration  time.Duration // how long the fleet runs
}

// Handshakes simulates the fleet and returns how many tokens it got.
func (f TokenFleet) Handshakes(rng *rand.Rand) (count int) {
	sources, requests := f.Machines, f.Requests
	if f.Shared {
		sources, requests = 1, requests*float64(f.Machines)
	}
	life, handshake, end := f.Lifetime.Seconds(), f.Handshake.Seconds(), f.Duration.Seconds()
	// A Poisson process has no memory, so the last request does not matter.
	next := func() float64 { return rng.ExpFloat64() / requests }
	for range sources {
		for now := next(); now < end; {
			count++
			renew := now + handshake + life - life/5 + rng.Float64()*life/30
			now = renew + next()
		}
	}
	return count
}

// A SearchFleet is a search by several processes, each with its own share of the nonces.
// The search ends when the first of them finds a solution. The simulation assumes that no
// process runs out of nonces.
type SearchFleet struct {
	Bits  int           // leading zero bits
	Rates []float64     // hashes per second of each process
	Start time.Duration // longest delay before a process begins; each has a random part of it
}

// Time simulates one search and returns when the first solution was found.
func (f SearchFleet) Time(rng *rand.Rand) time.Duration {
	work := math.Ldexp(1, f.Bits) // average number of hashes until a solution
	first := math.Inf(1)
	for _, rate := range f.Rates {
		// Every nonce has the same chance, whatever was tried before, so times are exponential.
		first = min(first, f.Start.Seconds()*rng.Float64()+work*rng.ExpFloat64()/rate)
	}
	if first > math.MaxInt64/1e9 {
		return math.MaxInt64
	}
	return time.Duration(first * 1e9)
}

// quantilesOf simulates many searches and returns the median and the 99th
// percentile, in seconds.
func (f SearchFleet) quantilesOf(rng *rand.Rand, trials int) (p50, p99 float64) {
	times := make([]float64, trials)
	for i := range times {
		times[i] = f.Time(rng).Seconds()
	}
	slices.Sort(times)
	return quantile(times, 0.5), quantile(times, 0.99)
}

// FleetOptions are the input of SimulateFleet.
type FleetOptions struct {
	Seed   uint64 // seed of the random numbers; any value
	Trials int    // searches to simulate for each figure, at least 100

	Rate    float64 // hashes per second of one core of an ordinary machine
	Slowest float64 // hashes per second of one core of the slowest machine
	Cores   int     // cores of each machine

	// Start is the longest time that the scheduler takes to start a process; the actual
	// delays are random, from 0 to Start.
	Start time.Duration

	Handshake time.Duration // as in TokenFleet
	Quotas    []int         // challenges per month to compare with
}

// FleetReport is the outcome of SimulateFleet.
type FleetReport struct {
	Options  FleetOptions  // the input
	Tokens   []FleetTokens // tokens taken, by kind of fleet
	Searches []FleetSearch // search times, by kind of search
}

// FleetTokens is the number of tokens that one kind of fleet needs.
type FleetTokens struct {
	Machines int           // number of machines
	Requests float64       // requests per second of each machine
	Lifetime time.Duration // lifetime of a token
	Separate float64       // tokens per second if each machine gets its own
	Shared   float64       // tokens per second if all machines share one
}

// FleetSearch is how long one kind of search takes. With a single machine, only Alike is
// set; WithSlowest and WithoutSlowest are zero.
type FleetSearch struct {
	Difficulty int // leading zero hex digits of a solution
	Cores      int // cores of each machine

	Alike          SearchTimes // all machines are alike
	WithSlowest    SearchTimes // one of the machines is the slowest
	WithoutSlowest SearchTimes // the slowest machine is left out
}

// SearchTimes are quantiles of the time that a search takes.
type SearchTimes struct {
	P50 float64 // median, in seconds
	P99 float64 // 99th percentile, in seconds
}

const month = 30 * 24 * time.Hour

// The sizes, rates and lifetimes that SimulateFleet combines.
var (
	fleetMachines   = []int{1, 10, 100, 1000}
	fleetRequests   = []float64{1, 1. / 60, 1. / 3600}
	fleetLifetimes  = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}
	fleetDifficulty = []int{6, 7, 8, 9}
	fleetCores      = []int{1, 10, 100, 1000}
)

// tokenLifetime is the lifetime of the service's tokens: gkCAPTCHA M2M API,
// "2. Solve and Submit".
const tokenLifetime = 5 * time.Minute

// SimulateFleet simulates fleets of machines of several sizes. The same options always give
// the same report.
func SimulateFleet(o FleetOptions) (*FleetReport, error) {
	switch {
	case !(o.Rate > 0) || !(o.Slowest > 0) || math.IsInf(o.Rate, 0) || math.IsInf(o.Slowest, 0):
		return nil, fmt.Errorf("bench: the rates are %v and %v: they must be above 0 and finite", o.Rate, o.Slowest)
	case o.Trials < 100:
		return nil, fmt.Errorf("bench: %d trials are too few for a 99th percentile: set 100 or more", o.Trials)
	case o.Cores < 1:
		return nil, fmt.Errorf("bench: a machine has %d cores: set 1 or more", o.Cores)
	case o.Start < 0 || o.Handshake < 0:
		return nil, fmt.Errorf("bench: the start takes %v and the handshake %v: neither may be negative", o.Start, o.Handshake)
	}
	r := &FleetReport{Options: o}
	rng := rand.New(rand.NewPCG(o.Seed, 1))
	for _, lifetime := range fleetLifetimes {
		for _, requests := range fleetRequests {
			for _, machines := range fleetMachines {
				t := FleetTokens{Machines: machines, Requests: requests, Lifetime: lifetime}
				f := TokenFleet{Machines: machines, Requests: requests, Lifetime: lifetime, Handshake: o.Handshake}
				f.Duration = month / time.Duration(min(machines, 100)) // many machines need less time for the same precision
				t.Separate = float64(f.Handshakes(rng)) / f.Duration.Seconds()
				f.Shared, f.Duration = true, month
				t.Shared = float64(f.Handshakes(rng)) / f.Duration.Seconds()
				r.Tokens = append(r.Tokens, t)
			}
		}
	}
	rng = rand.New(rand.NewPCG(o.Seed, 2))
	for _, difficulty := range fleetDifficulty {
		for _, cores := range fleetCores {
			s := FleetSearch{Difficulty: difficulty, Cores: cores}
			f := SearchFleet{Bits: 4 * difficulty, Rates: slices.Repeat([]float64{o.Rate}, cores), Start: o.Start}
			s.Alike.P50, s.Alike.P99 = f.quantilesOf(rng, o.Trials)
			if cores > o.Cores {
				for i := range o.Cores {
					f.Rates[cores-1-i] = o.Slowest
				}
				s.WithSlowest.P50, s.WithSlowest.P99 = f.quantilesOf(rng, o.Trials)
				f.Rates = f.Rates[:cores-o.Cores]
				s.WithoutSlowest.P50, s.WithoutSlowest.P99 = f.quantilesOf(rng, o.Trials)
			}
			r.Searches = append(r.Searches, s)
		}
	}
	return r, nil
}

// Markdown returns the report as tables.
func (r *FleetReport) Markdown() string {
	var b strings.Builder
	o := r.Options
	for _, lifetime := range fleetLifetimes {
		fmt.Fprintf(&b, "Tokens with a lifetime of %g s%s:\n\n", lifetime.Seconds(),
			map[bool]string{true: ", as at the service", false: ""}[lifetime == tokenLifetime])
		b.WriteString("| machines | requests per machine | own tokens, per second | per month | shared token, per second | per month |\n")
		b.WriteString("|--:|---|--:|--:|--:|--:|\n")
		for _, t := range r.Tokens {
			if t.Lifetime == lifetime {
				fmt.Fprintf(&b, "| %s | %s | %.2g | %s | %.2g | %s |\n", grouped(float64(t.Machines)), requestRate(t.Requests),
					t.Separate, perMonth(t.Separate), t.Shared, perMonth(t.Shared))
			}
		}
		b.WriteByte('\n')
	}
	if len(o.Quotas) > 0 {
		b.WriteString("Machines that a monthly quota can supply, with one request per second each:\n\n")
		b.WriteString("| challenges per month | own tokens | shared token |\n|--:|--:|---|\n")
		one, all := r.tokens(1), r.tokens(fleetMachines[len(fleetMachines)-1])
		for _, quota := range o.Quotas {
			shared := "none, even with one machine"
			if float64(quota) >= all.Shared*month.Seconds() {
				shared = "any number"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", grouped(float64(quota)), grouped(math.Floor(float64(quota)/(one.Separate*month.Seconds()))), shared)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "Searches on machines with %s and %s MH/s per core; the slowest has %s.\nA process takes up to %v to start:\n\n",
		plural(o.Cores, "core", "cores"), megahashes(o.Rate), megahashes(o.Slowest), o.Start)
	b.WriteString("| difficulty | cores | p50 | p99 | with the slowest: p50 | p99 | without it: p50 | p99 |\n")
	b.WriteString("|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, s := range r.Searches {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s | %s |\n", s.Difficulty, grouped(float64(s.Cores)),
			formatSeconds(s.Alike.P50), formatSeconds(s.Alike.P99), formatSeconds(s.WithSlowest.P50), formatSeconds(s.WithSlowest.P99),
			formatSeconds(s.WithoutSlowest.P50), formatSeconds(s.WithoutSlowest.P99))
	}
	return b.String()
}

// tokens returns the result for a number of machines, with the service's token lifetime and
// the highest request rate.
func (r *FleetReport) tokens(machines int) FleetTokens {
	i := slices.IndexFunc(r.Tokens, func(t FleetTokens) bool {
		return t.Machines == machines && t.Lifetime == tokenLifetime && t.Requests == fleetRequests[0]
	})
	return r.Tokens[i]
}

func requestRate(perSecond float64) string {
	switch perSecond {
	case 1. / 60:
		return "1 a minute"
	case 1. / 3600:
		return "1 an hour"
	}
	return fmt.Sprintf("%g a second", perSecond)
}

// perMonth formats the number of events in a month, with three significant digits.
func perMonth(perSecond float64) string {
	n := perSecond * month.Seconds()
	digits := math.Pow(10, math.Max(0, math.Floor(math.Log10(math.Max(n, 1)))-2))
	return grouped(math.Round(n/digits) * digits)
}

// SVG returns a chart of the searches with its own style sheet.
func (r *FleetReport) SVG() string {
	d := newDrawing(false)
	low, high := math.Inf(1), 0.0
	for _, s := range r.Searches {
		low, high = min(low, s.Alike.P50), max(high, s.Alike.P99)
	}
	most := float64(fleetCores[len(fleetCores)-1])
	p := newPlot(d, span{0.8, most * 2.5, true}, span{low / 2, high * 2, true})
	p.labels("cores", "time until the first solution: p50 (line) and p99 (dashes)")
	for _, t := range timeTicks(low/2, high*2, false) {
		p.yTick(t, tickSeconds(t))
	}
	for _, n := range fleetCores {
		p.xTick(float64(n), strconv.Itoa(n))
	}
	for i, difficulty := range fleetDifficulty {
		var median, late []point
		for _, s := range r.Searches {
			if s.Difficulty == difficulty {
				x := p.x(float64(s.Cores))
				median = append(median, point{x, p.y(s.Alike.P50)})
				late = append(late, point{x, p.y(s.Alike.P99)})
			}
		}
		p.path("curve "+series(i), median)
		p.path("curve late "+series(i), late)
		last := median[len(median)-1]
		p.text(anchorStart, last.x+textGap, last.y+4, fmt.Sprintf("difficulty %d", difficulty))
	}
	svg := string(d.svg("fleet", "Time of a search by cores and difficulty",
		"On logarithmic scales. The tables say the same in figures."))
	sheet := fmt.Sprintf("<style><![CDATA[\n%s.late { stroke-dasharray: 5 4; }\n]]></style>\n<rect width=\"%s\" height=\"%s\" fill=\"var(--card)\"/>\n",
		style, px(d.width), px(d.height))
	svg = strings.Replace(svg, "<svg ", fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" `, px(d.width), px(d.height)), 1)
	head, body, _ := strings.Cut(svg, "</desc>\n")
	return head + "</desc>\n" + sheet + body + "\n"
}
