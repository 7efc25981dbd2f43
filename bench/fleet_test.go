package bench

import (
	"encoding/xml"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func fleetRNG() *rand.Rand { return rand.New(rand.NewPCG(7, 7)) }

// The mean time between handshakes is known: the token's lifetime up to its renewal, plus
// the handshake, plus the wait for a request.
func TestTokenFleet(t *testing.T) {
	for _, f := range []TokenFleet{
		{Machines: 1, Requests: 1, Lifetime: 300 * time.Second},
		{Machines: 20, Requests: 0.1, Lifetime: 300 * time.Second, Handshake: 3 * time.Second},
		{Machines: 20, Requests: 0.1, Lifetime: 300 * time.Second, Shared: true},
		{Machines: 500, Requests: 1. / 3600, Lifetime: 60 * time.Second},
	} {
		f.Duration = 100 * 24 * time.Hour
		sources, requests := float64(f.Machines), f.Requests
		if f.Shared {
			sources, requests = 1, requests*sources
		}
		life := f.Lifetime.Seconds()
		between := life - life/5 + life/60 + f.Handshake.Seconds() + 1/requests
		want := sources * f.Duration.Seconds() / between
		got := float64(f.Handshakes(fleetRNG()))
		require.InEpsilon(t, want, got, 0.01, "%+v", f)
	}
	require.Zero(t, TokenFleet{Machines: 5, Requests: 1, Lifetime: time.Minute}.Handshakes(fleetRNG()), "no time, no tokens")
}

// Rates add up: the time is exponentially distributed, and its mean is the average work
// divided by the sum of the rates.
func TestSearchFleet(t *testing.T) {
	f := SearchFleet{Bits: 24, Rates: []float64{1e6, 2e6, 5e6}}
	const trials = 200_000
	mean, rng := 0.0, fleetRNG()
	for range trials {
		mean += f.Time(rng).Seconds() / trials
	}
	want := math.Ldexp(1, 24) / 8e6
	require.InEpsilon(t, want, mean, 0.02)
	p50, p99 := f.quantilesOf(rng, trials)
	require.InEpsilon(t, want*math.Ln2, p50, 0.02)
	require.InEpsilon(t, want*math.Log(100), p99, 0.03)

	late := f
	late.Start = time.Hour
	p50, _ = late.quantilesOf(rng, 1000)
	require.Greater(t, p50, 60.0, "nobody searches before it has begun")
	require.Equal(t, time.Duration(math.MaxInt64), SearchFleet{Bits: 256, Rates: []float64{1}}.Time(rng))
}

func TestSimulateFleet(t *testing.T) {
	trials := 2000
	if testing.Short() {
		trials = 500
	}
	o := FleetOptions{Seed: 3, Trials: trials, Rate: 50e6, Slowest: 4e6, Cores: 2, Start: time.Second, Handshake: time.Second, Quotas: []int{10, 50_000}}
	first, err := SimulateFleet(o)
	require.NoError(t, err)

	o.Trials = 100
	once, err := SimulateFleet(o)
	require.NoError(t, err)
	again, err := SimulateFleet(o)
	require.NoError(t, err)
	require.Equal(t, once, again, "the same seed")
	o.Seed++
	other, err := SimulateFleet(o)
	require.NoError(t, err)
	require.NotEqual(t, once.Markdown(), other.Markdown(), "another seed")

	for _, s := range first.Tokens {
		require.LessOrEqual(t, s.Shared, s.Separate*1.5, "%+v", s)
		if s.Machines >= 100 {
			require.Less(t, s.Shared, s.Separate/2, "sharing saves: %+v", s)
		}
	}
	for _, s := range first.Searches {
		require.Less(t, s.Alike.P50, s.Alike.P99)
		if s.Cores == 1 {
			require.Zero(t, s.WithSlowest)
		} else if s.Difficulty == 9 && s.Cores == 10 {
			require.Less(t, s.WithSlowest.P50, s.WithoutSlowest.P50*1.05, "a slow machine does not hold the others up")
			require.Greater(t, s.WithSlowest.P50, s.Alike.P50)
		}
	}
	require.Contains(t, first.Markdown(), "| 10 | 0 | none, even with one machine |\n| 50,000 | 4 | any number |\n")

	decoder := xml.NewDecoder(strings.NewReader(first.SVG()))
	for {
		_, err := decoder.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}

	for name, change := range map[string]func(*FleetOptions){
		"rate":    func(o *FleetOptions) { o.Rate = 0 },
		"no rate": func(o *FleetOptions) { o.Rate = math.NaN() },
		"slowest": func(o *FleetOptions) { o.Slowest = -1 },
		"trials":  func(o *FleetOptions) { o.Trials = 99 },
		"cores":   func(o *FleetOptions) { o.Cores = 0 },
		"start":   func(o *FleetOptions) { o.Start = -1 },
	} {
		wrong := o
		change(&wrong)
		_, err := SimulateFleet(wrong)
		require.ErrorContains(t, err, "bench: ", name)
	}
}
